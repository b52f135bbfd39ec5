"""The main job as a flow: windows, interfaces, coatings, atmosphere, collected into one record.

Each job calls one plain function of this module, so the same study runs through
``run_locally`` on a laptop and through any jobflow manager on a cluster.

>>> flow = AssessMaker().make(Study(name="demo", electrolyte="Li3PS4", anode="Li"))
>>> flow.job_uuids != ()
True
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from jobflow import Flow, Maker, job

from interlith.analysis.atmosphere import AIR_ELEMENTS, react_with_atmosphere
from interlith.analysis.barriers import BarrierSummary
from interlith.analysis.coatings import (
    ScreenCriteria,
    ScreenRecord,
    lithium_phases,
    screen_coatings,
)
from interlith.analysis.dft_results import DftResults
from interlith.analysis.diffusion_results import DiffusionRecord
from interlith.analysis.hull import Hull
from interlith.analysis.insertion_voltages import CalculatedTopotactic
from interlith.analysis.interphase import interphase
from interlith.analysis.reactions import closed_reaction, open_reaction
from interlith.analysis.reactive_records import ReactivityRecord
from interlith.analysis.reference_catalog import AUTO, every_element, load_reference
from interlith.analysis.reference_catalog import elements_of as elements_of_formulas
from interlith.analysis.references import parse_formula
from interlith.analysis.study_results import (
    Component,
    Interface,
    Role,
    StudyFailure,
    StudyResults,
)
from interlith.analysis.uncertainty import reaction_sigma, window_sigma
from interlith.analysis.windows import ION, stability_window
from interlith.errors import InputError
from interlith.provenance import provenance
from interlith.structures.interfaces.plans import InterfaceOptions
from interlith.structures.interfaces.records import SearchRecord
from interlith.workflows.calculated_stages import (
    calculated_jobs,
    check_potentials,
    guarded,
    reactive_pairs,
    stage_folder,
)
from interlith.workflows.dft_stage import check_dft, dft_job
from interlith.workflows.structures import Built, interfaces, ordered_side
from interlith.workflows.study import Study

Material = tuple[Role, str]
STRUCTURE_FOLDER = "structures"
STRUCTURE_FORMATS = ("cif", "extxyz")


@dataclass
class AssessMaker(Maker):
    """Makes the thermodynamic flow of a study.

    Attributes
    ----------
    name : str
        Name of the flow.
    work_folder : str
        Where the stages that a potential computes keep what they go on from (trajectories,
        checkpoints, relaxations), each in a folder named after the study and the stage.
    workers : int
        Runs of the dynamics side by side.
    """

    name: str = "assess"
    work_folder: str = "."
    workers: int = 2

    def make(self, study: Study) -> Flow:
        """Jobs for every component and interface, the screen, and the collecting job."""
        data = study.model_dump(mode="json", exclude_none=True)
        started = time.time()
        components = [
            _job(component_job, f"window {formula}", data, role, formula)
            for role, formula in materials(study)
        ]
        interfaces = [
            _job(interface_job, f"reaction {a[1]} | {b[1]}", data, a, b) for a, b in contacts(study)
        ]
        others = []
        if study.coatings and study.cathode:
            others.append(_job(screen_job, "coating screen", data))
        others.append(_job(atmosphere_job, "air and moisture", data))
        if study.stages.structures is not None:
            others += [
                _job(structure_job, f"structure {a[1]} | {b[1]}", data, a, b)
                for a, b in contacts(study)
            ]
        others += calculated_jobs(study, data, self.work_folder, self.workers)
        parts = [*components, *interfaces, *others]
        if study.stages.dft is not None:
            place = str(stage_folder(self.work_folder, study, "dft"))
            found = [part.output for part in parts]
            parts.append(_job(dft_job, f"dft {study.electrolyte}", data, found, place))
        last = _job(collect_job, "collect", data, [part.output for part in parts], started)
        return Flow([*parts, last], output=last.output, name=f"{self.name} {study.name}")


def _job(function: Callable[..., Any], name: str, *arguments: Any) -> Any:
    made = function(*arguments)
    made.name = name
    return made


def materials(study: Study) -> list[Material]:
    """Every material of a study with its role."""
    found: list[Material] = [("electrolyte", study.electrolyte)]
    if study.anode:
        found.append(("anode", study.anode))
    if study.cathode:
        found.append(("cathode", study.cathode.material))
    if study.coatings != "all":
        found += [("coating", coating) for coating in study.coatings]
    return found


def contacts(study: Study) -> list[tuple[Material, Material]]:
    """Pairs that touch: electrodes with the electrolyte, coatings with all their neighbours."""
    electrolyte: Material = ("electrolyte", study.electrolyte)
    electrodes: list[Material] = [m for m in materials(study) if m[0] in ("anode", "cathode")]
    coatings: list[Material] = [m for m in materials(study) if m[0] == "coating"]
    pairs = [(electrode, electrolyte) for electrode in electrodes]
    for coating in coatings:
        pairs += [(coating, electrolyte), *((coating, electrode) for electrode in electrodes)]
    return pairs


def elements_of(study: Study) -> frozenset[str]:
    """Elements that a study's reference set must hold, those of air included.

    Unreadable formulas add none. With every coating of the set asked for, ``auto`` must cover all
    elements of the built-in sets.
    """
    found = elements_of_formulas(formula for _, formula in materials(study)) | AIR_ELEMENTS
    if study.coatings == "all" and study.stages.thermodynamics.reference == AUTO:
        found |= every_element()
    return frozenset(found)


@lru_cache(maxsize=4)
def _hull(settings: str, elements: frozenset[str], screening: bool) -> Hull:
    from interlith.workflows.study import Thermodynamics

    chosen = Thermodynamics.model_validate_json(settings)
    reference = load_reference(
        chosen.reference,
        scheme=chosen.scheme,
        exclude=chosen.exclude,
        shifts=chosen.shifts,
        elements=elements,
    )
    return Hull(reference, screening=screening)


def study_hull(study: Study) -> Hull:
    """The hull that a study's numbers stand on, kept within a process."""
    settings = study.stages.thermodynamics.model_dump_json()
    return _hull(settings, elements_of(study), study.coatings == "all")


def check_study(study: Study) -> None:
    """Refuse, before any job is made, a study whose set, electrolyte or potential is unusable.

    Raises
    ------
    InputError
        Naming what is wrong. A bad coating or electrode is no reason to refuse: it becomes a
        failure in the results.
    """
    study_hull(study).compound(study.electrolyte)
    check_potentials(study)
    if study.stages.reactivity is not None:
        reactive_pairs(study)
    if study.stages.dft is not None:
        check_dft(study.stages.dft)


def assess_component(study: Study, role: Role, formula: str) -> Component:
    """Window of one material, with its uncertainty where the reference set states one."""
    if set(parse_formula(formula)) == {ION}:
        return Component(
            role=role, formula=formula, window=None, reason="Li metal is the 0 V reference"
        )
    thermodynamics = study.stages.thermodynamics
    hull = study_hull(study)
    voltages = (0.0, *(study.cathode.voltage_v if study.cathode else ()))
    window = stability_window(
        hull, formula, voltage_range_v=thermodynamics.voltage_range_v, voltages_v=voltages
    )
    sigma = window_sigma(hull, window, thermodynamics.draws, thermodynamics.seed)
    return Component(role=role, formula=formula, window=window.model_copy(update={"sigma": sigma}))


def assess_interface(study: Study, a: Material, b: Material) -> Interface:
    """Closed reaction, open ones at the cathode's voltages, and the interphase's class."""
    thermodynamics = study.stages.thermodynamics
    hull = study_hull(study)
    closed = closed_reaction(hull, a[1], b[1])
    sigma = reaction_sigma(hull, a[1], b[1], thermodynamics.draws, thermodynamics.seed)
    opened = []
    if study.cathode and {ION} not in (set(parse_formula(a[1])), set(parse_formula(b[1]))):
        opened = [open_reaction(hull, a[1], b[1], v) for v in study.cathode.voltage_v]
    return Interface(
        role_a=a[0],
        role_b=b[0],
        a=a[1],
        b=b[1],
        closed=closed.model_copy(update={"sigma_ev_per_atom": sigma}),
        open=tuple(opened),
        interphase=interphase(hull, b[1], against=a[1]) if a[0] == "anode" else None,
    )


def assess_coatings(study: Study) -> ScreenRecord:
    """The coating screen of a study that has a cathode.

    Raises
    ------
    InputError
        If the study has none.
    """
    if study.cathode is None:
        raise InputError("a coating screen needs a cathode")
    hull = study_hull(study)
    every = study.coatings == "all"
    coatings = lithium_phases(hull.reference) if every else list(study.coatings)
    thermodynamics = study.stages.thermodynamics
    return screen_coatings(
        hull,
        coatings,
        study.electrolyte,
        study.cathode.material,
        criteria=ScreenCriteria(
            voltage_range_v=study.cathode.voltage_v,
            max_reaction_ev_per_atom=thermodynamics.max_reaction_ev_per_atom,
            max_energy_above_hull_ev_per_atom=thermodynamics.max_energy_above_hull_ev_per_atom,
        ),
        only_stable=every,
    )


def build_contact(study: Study, a: Material, b: Material) -> Built[SearchRecord]:
    """Explicit interfaces of two materials of a study that has the structure stage.

    Raises
    ------
    InputError
        If the study has none, a crystal is not known, or nothing lies within the limits.
    """
    settings = study.stages.structures
    if settings is None:
        raise InputError("the study has no stage 'structures'; add it under stages")
    options = InterfaceOptions(
        max_atoms=settings.max_atoms,
        max_strain=settings.max_strain,
        max_area_angstrom2=settings.max_area_angstrom2,
        thickness_a_angstrom=settings.thickness_angstrom,
        thickness_b_angstrom=settings.thickness_angstrom,
        vacuum_angstrom=settings.vacuum_angstrom,
        count=settings.count,
        seed=settings.seed,
    )
    lower, upper = (
        ordered_side(role, study.crystals.get(formula, formula), settings.max_atoms, settings.seed)
        for role, formula in (a, b)
    )
    return interfaces(
        lower,
        upper,
        options,
        rank_by=settings.rank_by,
        formats=STRUCTURE_FORMATS,
        folder=STRUCTURE_FOLDER,
    )


@job
def component_job(study: dict[str, Any], role: Role, formula: str) -> dict[str, Any]:
    """Window of one material."""
    asked = Study.model_validate(study)
    return guarded("component", formula, lambda: assess_component(asked, role, formula).to_json())


@job
def interface_job(study: dict[str, Any], a: Material, b: Material) -> dict[str, Any]:
    """Reactions of one pair."""
    asked = Study.model_validate(study)
    return guarded("interface", f"{a[1]} | {b[1]}", lambda: assess_interface(asked, a, b).to_json())


@job
def screen_job(study: dict[str, Any]) -> dict[str, Any]:
    """The coating screen."""
    asked = Study.model_validate(study)
    return guarded("coatings", "coating screen", lambda: assess_coatings(asked).to_json())


@job
def structure_job(study: dict[str, Any], a: Material, b: Material) -> dict[str, Any]:
    """Explicit interfaces of one pair, with their files as text."""
    asked = Study.model_validate(study)

    def work() -> dict[str, Any]:
        built = build_contact(asked, a, b)
        return {"record": built.record.to_json(), "files": built.texts(STRUCTURE_FORMATS)}

    return guarded("structures", f"{a[1]} | {b[1]}", work)


@job
def atmosphere_job(study: dict[str, Any]) -> dict[str, Any]:
    """Reaction of the electrolyte with water and carbon dioxide."""
    asked = Study.model_validate(study)
    return guarded(
        "atmosphere",
        asked.electrolyte,
        lambda: [react_with_atmosphere(study_hull(asked), asked.electrolyte).to_json()],
    )


@job
def collect_job(
    study: dict[str, Any], parts: list[dict[str, Any]], started: float
) -> dict[str, Any]:
    """Everything in one record, and the files that belong to it, by their path in the folder."""
    results = collect(Study.model_validate(study), parts, time.time() - started)
    files = {
        f"{STRUCTURE_FOLDER}/{name}": text
        for part in parts
        if "structures" in part
        for name, text in part["structures"]["files"].items()
    }
    return {"results": results.to_json(), "files": files}


def collect(study: Study, parts: list[dict[str, Any]], wall_time_s: float) -> StudyResults:
    """Put the parts of a study together.

    Raises
    ------
    InterlithError
        If not even the electrolyte could be assessed.
    """
    failures = [StudyFailure.model_validate(p["failure"]) for p in parts if "failure" in p]
    screens = [p["coatings"] for p in parts if "coatings" in p]
    components = [Component.model_validate(p["component"]) for p in parts if "component" in p]
    if not any(c.role == "electrolyte" for c in components):
        reason = next((f.reason for f in failures if f.subject == study.electrolyte), "unknown")
        raise InputError(f"the electrolyte {study.electrolyte} could not be assessed: {reason}")
    return StudyResults(
        name=study.name,
        study=study.model_dump(mode="json"),
        reference=study_hull(study).reference.identity(),
        components=tuple(components),
        interfaces=tuple(
            Interface.model_validate(p["interface"]) for p in parts if "interface" in p
        ),
        coatings=ScreenRecord.model_validate(screens[0]) if screens else None,
        atmosphere=tuple(chain.from_iterable(p["atmosphere"] for p in parts if "atmosphere" in p)),
        structures=tuple(
            SearchRecord.model_validate(p["structures"]["record"])
            for p in parts
            if "structures" in p
        ),
        diffusion=tuple(
            DiffusionRecord.model_validate(p["diffusion"]) for p in parts if "diffusion" in p
        ),
        topotactic=tuple(
            CalculatedTopotactic.model_validate(p["topotactic"]) for p in parts if "topotactic" in p
        ),
        barriers=tuple(
            BarrierSummary.model_validate(p["barriers"]) for p in parts if "barriers" in p
        ),
        reactivity=tuple(
            ReactivityRecord.model_validate(p["reactivity"]) for p in parts if "reactivity" in p
        ),
        dft=tuple(DftResults.model_validate(p["dft"]) for p in parts if "dft" in p),
        failures=tuple(failures),
        provenance=provenance(study.stages.thermodynamics.seed, wall_time_s),
    )
