"""The study file: the one thing a user writes.

>>> study = Study.model_validate({"name": "demo", "electrolyte": "Li3PS4", "anode": "Li"})
>>> study.stages.thermodynamics.reference
'default'
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from interlith.errors import InputError, StudyError
from interlith.records import Shift
from interlith.workflows.dft_settings import DftStage
from interlith.workflows.diffusion_settings import DiffusionSettings
from interlith.workflows.reactive.settings import ReactivitySettings


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cathode(_Settings):
    """A cathode and the voltages it works between, V vs Li/Li+."""

    material: str
    voltage_v: tuple[float, float] = (2.5, 4.3)

    @field_validator("voltage_v")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError(f"voltage_v {list(value)} is reversed; write the lower voltage first")
        return value


class Thermodynamics(_Settings):
    """Reference energies and ranges of the thermodynamic stage."""

    reference: str = "default"
    scheme: str | None = None
    exclude: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ()
    voltage_range_v: tuple[float, float] = (0.0, 5.0)
    max_reaction_ev_per_atom: float = Field(0.1, gt=0)
    max_energy_above_hull_ev_per_atom: float = Field(0.005, ge=0)
    draws: int = Field(100, ge=2, le=10_000)
    seed: int = 0

    @field_validator("voltage_range_v")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError(
                f"voltage_range_v {list(value)} is reversed; write the lower voltage first"
            )
        return value


class Structures(_Settings):
    """Limits of the interfaces that the structure stage builds, one search per contact.

    Attributes
    ----------
    count : int
        Cells to build for each contact.
    rank_by : str or None
        Potential that ranks lateral shifts and gaps, such as 7net-0.
    """

    max_atoms: int = Field(400, ge=2)
    max_strain: float = Field(0.05, gt=0, le=0.2)
    max_area_angstrom2: float = Field(400.0, gt=0)
    thickness_angstrom: float = Field(10.0, gt=0, le=200)
    vacuum_angstrom: float | None = Field(None, ge=0)
    count: int = Field(1, ge=1, le=20)
    rank_by: str | None = None
    seed: int = 0


class Dynamics(DiffusionSettings):
    """The electrolyte's Li diffusion: a ladder of temperatures."""


class Insertion(_Settings):
    """Li into and out of the electrolyte's framework, relaxed with a potential.

    Attributes
    ----------
    low, high : float or None
        Li per formula to go down and up to; two less and two more if left out.
    arrangements : int
        Arrangements of Li relaxed at each content.
    """

    potential: str = "7net-0"
    low: float | None = Field(None, ge=0)
    high: float | None = Field(None, ge=0)
    arrangements: int = Field(3, ge=1, le=50)
    framework: Literal["relaxed", "held"] = "relaxed"
    max_steps: int = Field(250, ge=1)
    max_atoms: int = Field(100, ge=1)
    seed: int = Field(0, ge=0)


class Hops(_Settings):
    """Migration barriers of single hops in the electrolyte; its crystal must be ordered."""

    potential: str = "7net-0"
    ion: str = "Li"
    kind: Literal["vacancy", "interstitial"] = "vacancy"
    images: int = Field(5, ge=1, le=50)
    most_hops: int = Field(4, ge=1)
    max_distance_angstrom: float = Field(3.5, gt=0, le=15)
    min_length_angstrom: float = Field(9.0, gt=0, le=50)
    fmax_ev_per_angstrom: float = Field(0.05, gt=0)
    max_steps: int = Field(200, ge=1)


class Reactivity(ReactivitySettings):
    """Dynamics of explicit interfaces.

    Attributes
    ----------
    contacts : tuple of str
        Contacts of the study to run: ``anode`` and ``cathode`` with the electrolyte, ``coatings``
        with everything that they touch.
    pairs : tuple of (str, str)
        Others, by library name, formula or file, such as a delithiated cathode and a coating.
    """

    contacts: tuple[Literal["anode", "cathode", "coatings"], ...] = ("anode",)
    pairs: tuple[tuple[str, str], ...] = ()


class Stages(_Settings):
    """What to run; left out = thermodynamics only."""

    thermodynamics: Thermodynamics = Thermodynamics()
    structures: Structures | None = None
    md: Dynamics | None = None
    topotactic: Insertion | None = None
    barriers: Hops | None = None
    reactivity: Reactivity | None = None
    dft: DftStage | None = None


CALCULATED_STAGES = ("md", "topotactic", "barriers", "reactivity")
"""Stages that a potential computes, in the order in which they run."""
AVAILABLE_STAGES = ("thermodynamics", "structures", *CALCULATED_STAGES, "dft")


class Study(_Settings):
    """A validated study.

    Attributes
    ----------
    crystals : dict
        Library name or structure file behind a formula; what was written as a name or a path in
        the place of a formula is entered by itself.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    electrolyte: str
    anode: str | None = None
    cathode: Cathode | None = None
    coatings: tuple[str, ...] | Literal["all"] = ()
    crystals: dict[str, str] = Field(default_factory=dict)
    stages: Stages = Stages()

    @field_validator("cathode", mode="before")
    @classmethod
    def _bare_cathode(cls, value: Any) -> Any:
        return {"material": value} if isinstance(value, str) else value

    @field_validator("stages", mode="before")
    @classmethod
    def _bare_stages(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {stage: {} if given is None else given for stage, given in value.items()}
        return {} if value is None else value

    def calculated(self) -> tuple[tuple[str, str], ...]:
        """Calculated stages asked for, each with its potential."""
        asked = [(s, getattr(self.stages, s)) for s in CALCULATED_STAGES]
        return tuple((s, settings.potential) for s, settings in asked if settings is not None)

    def crystal(self, formula: str) -> str:
        """Library name, file or formula that a formula's crystal is read from."""
        return self.crystals.get(formula, formula)


def load_study(path: Path) -> Study:
    """Read and validate a study file; CIF paths and library names become formulas.

    Raises
    ------
    StudyError
        If the file cannot be read, a key is unknown (the nearest valid one is named) or a
        value is not allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StudyError(
            f"cannot read the study file {path} ({why}); `interlith examples` copies some"
        ) from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise StudyError(f"{path} is no YAML: {error}") from error
    if not isinstance(data, dict):
        raise StudyError(f"{path} holds no study; it must be keys and values such as name: ...")
    try:
        study = Study.model_validate(data)
    except ValidationError as error:
        raise StudyError(f"{path}: {explain(error)}") from error
    return _resolved(study, path.parent)


def explain(error: ValidationError) -> str:
    """One line per problem, an unknown key with the nearest valid one."""
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"] if not str(part).startswith("tuple"))
        if problem["type"] == "extra_forbidden":
            lines.append(_unknown_key(problem["loc"]))
        elif problem["type"] == "missing":
            lines.append(f"'{where}' is missing; {_what_is_needed(problem['loc'])}")
        elif problem["type"] == "string_pattern_mismatch":
            lines.append(
                f"{where} '{problem['input']}' may hold letters, digits, dot, dash and underscore"
            )
        elif problem["loc"][0] == "coatings":
            lines.append(
                f"coatings must be a list such as [LiNbO3, LiF], or all (got {problem['input']!r})"
            )
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{where}: {message} (got {problem['input']!r})")
    return "; ".join(dict.fromkeys(lines))


def _what_is_needed(location: tuple[int | str, ...]) -> str:
    if len(location) == 1:
        return "every study needs name and electrolyte"
    if isinstance(location[-1], int):
        return f"{location[-2]} takes two numbers, for example [3.0, 4.3]"
    return f"{location[-2]} needs {location[-1]}"


def _unknown_key(location: tuple[int | str, ...]) -> str:
    model: type[BaseModel] = Study
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        found = _model_of(field.annotation) if field else None
        if found is None:
            break
        model = found
    allowed = list(model.model_fields)
    key = str(location[-1])
    near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    where = ".".join(str(part) for part in location)
    return f"unknown key '{where}'; {hint}allowed here: {', '.join(allowed)}"


def _model_of(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _resolved(study: Study, folder: Path) -> Study:
    crystals = dict(study.crystals)

    def formula(text: str) -> str:
        found = resolve_material(text, folder)
        if found != text:
            is_file = (folder / text).is_file()
            crystals.setdefault(found, str((folder / text).resolve()) if is_file else text)
        return found

    changes: dict[str, Any] = {"electrolyte": formula(study.electrolyte)}
    if study.anode:
        changes["anode"] = formula(study.anode)
    if study.cathode:
        material = formula(study.cathode.material)
        changes["cathode"] = study.cathode.model_copy(update={"material": material})
    changes["crystals"] = crystals
    thermodynamics = study.stages.thermodynamics
    if Path(thermodynamics.reference).suffix:
        beside = folder / thermodynamics.reference
        if beside.exists():
            changed = thermodynamics.model_copy(update={"reference": str(beside)})
            changes["stages"] = study.stages.model_copy(update={"thermodynamics": changed})
    return study.model_copy(update=changes)


def resolve_material(text: str, folder: Path) -> str:
    """Formula of a material given as formula, library name or path to a CIF.

    Raises
    ------
    InputError
        If a named CIF cannot be read or the formula cannot.
    """
    if text.lower().endswith(".cif"):
        return _formula_of_cif(folder / text)
    from interlith.structures.library import list_phases, load_phase

    if text in list_phases():
        return load_phase(text).formula
    from interlith.analysis.references import parse_formula

    parse_formula(text)
    return text


def _formula_of_cif(path: Path) -> str:
    from pymatgen.core import Structure

    try:
        return str(Structure.from_file(str(path)).composition.reduced_formula)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(
            f"cannot read the structure {path} ({error}); give a CIF file or a formula"
        ) from error
