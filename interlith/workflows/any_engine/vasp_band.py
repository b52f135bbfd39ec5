"""Barriers by VASP: ends relaxed and band run with one set of settings, and the common record."""

from __future__ import annotations

from typing import Any

import numpy as np
from atomate2.vasp.jobs.mp import MPGGARelaxMaker
from atomate2.vasp.jobs.neb import NebFromImagesMaker
from jobflow import Flow, job

from interlith.engines.electronic.vasp_inputs import read_vasp_options, vasp_input_set
from interlith.engines.neb import (
    DIP_EV,
    SAME_PLACE_ANGSTROM,
    BandRecord,
    BandSettings,
    path_coordinate,
)
from interlith.errors import FailureError, InputError
from interlith.workflows.any_engine.records import as_structure, atoms_of, structure_of
from interlith.workflows.any_engine.vasp_jobs import prepare_job


def vasp_band_flow(start: Any, end: Any, engine: str, settings: BandSettings, name: str) -> Flow:
    """Check, relax both ends, interpolate, run the band, convert.

    Notes
    -----
    The climbing image and its optimiser are those of the VTST tools: VASP must be built with them.
    """
    options = read_vasp_options(engine)
    writing = {"potcar_spec": True} if options.potcar_spec else {}
    ends = [prepare_job(one, engine, "neb") for one in (start, end)]
    relaxing = vasp_input_set(
        "neb", options, images=0, fmax_ev_per_angstrom=settings.end_fmax_ev_per_angstrom
    )
    relaxed = []
    for number, ready in enumerate(ends, 1):
        ready.name = f"{name}: check {number}"
        maker: Any = MPGGARelaxMaker(
            name=f"{name}: end {number}",
            input_set_generator=relaxing,
            write_input_set_kwargs=writing,
        )
        relaxed.append(maker.make(ready.output["structure"]))
    first, last = (one.output.structure for one in relaxed)
    path = path_job(first, last, settings.images)
    limited = options.model_copy(update={"incar": {"NSW": settings.max_steps, **options.incar}})
    running: Any = NebFromImagesMaker(
        name=f"{name}: band",
        input_set_generator=vasp_input_set(
            "neb",
            limited,
            images=settings.images,
            fmax_ev_per_angstrom=settings.fmax_ev_per_angstrom,
        ),
        write_input_set_kwargs=writing,
    )
    band = running.make(path.output)
    energies = [one.output.output.energy for one in relaxed]
    states = [one.output.state for one in relaxed]
    record = band_job(band.output, [first, last], energies, states, settings.to_json())
    path.name, record.name = f"{name}: path", f"{name}: record"
    return Flow([*ends, *relaxed, path, band, record], output=record.output, name=name)


@job
def path_job(start: Any, end: Any, images: int) -> list[Any]:
    """Images from one end to the other, ends included, from an image-dependent pair potential."""
    from ase.mep import NEB

    first, last = atoms_of(start), atoms_of(end)
    if list(first.symbols) != list(last.symbols):
        raise InputError("the relaxed ends do not hold the same atoms in the same order")
    band = [first, *(first.copy() for _ in range(images)), last]
    NEB(band, method="improvedtangent").interpolate(method="idpp", mic=True)
    return [structure_of(image) for image in band]


@job
def band_job(
    document: Any,
    ends: list[Any],
    energies: list[float],
    states: list[Any],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """The common record of a band that VASP ran."""
    chosen = BandSettings.model_validate(settings)
    return band_record(document, ends, energies, states, chosen).to_json()


def band_record(
    document: Any, ends: list[Any], energies: list[float], states: list[Any], settings: BandSettings
) -> BandRecord:
    """Turn an emmet ``NebIntermediateImagesDoc`` and its ends into a :class:`BandRecord`.

    Raises
    ------
    FailureError
        If an image has no energy.
    """
    from emmet.core.neb import NebIntermediateImagesDoc

    known = isinstance(document, NebIntermediateImagesDoc)
    doc = document if known else NebIntermediateImagesDoc.model_validate(document)
    if not doc.energies or not doc.images or None in (*doc.energies, *energies):
        raise FailureError(f"VASP left no energies of the band in {doc.dir_name}")
    images = [atoms_of(as_structure(one)) for one in (ends[0], *doc.images, ends[1])]
    relative = np.array([energies[0], *doc.energies, energies[1]], float) - energies[0]
    top, coordinate = float(relative.max()), path_coordinate(images)
    reasons = [
        f"VASP's run of {what} did not converge"
        for what, state in zip(("end 1", "end 2", "the band"), (*states, doc.state), strict=True)
        if getattr(state, "value", state) not in (None, "successful")
    ]
    inner = relative[1:-1]
    dips = bool(((inner < relative[:-2] - DIP_EV) & (inner < relative[2:] - DIP_EV)).any())
    if dips:
        reasons.append("the path dips in between: there is a minimum on the way")
    if relative.argmax() in (0, len(relative) - 1):
        reasons.append("the highest image is an end: there is no barrier in between")
    same = float(coordinate[-1]) < SAME_PLACE_ANGSTROM
    if same:
        reasons.append("both ends relax to the same place: one of the sites is no minimum")
    return BandRecord(
        status="no_answer" if same else "diagnosis" if reasons else "ok",
        reason="; ".join(reasons) or None,
        converged=not any("did not converge" in reason for reason in reasons),
        forward_ev=None if same else top,
        reverse_ev=None if same else top - float(relative[-1]),
        reaction_ev=None if same else float(relative[-1]),
        coordinate_angstrom=tuple(map(float, coordinate)),
        energies_ev=tuple(map(float, relative)),
        intermediate_minimum=dips,
        n_atoms=len(images[0]),
        settings=settings,
        wall_s=0.0,
    )
