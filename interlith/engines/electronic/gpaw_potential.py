"""GPAW under a potential's name, so that every flow that takes a potential runs with DFT."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from typing import Any

from interlith.engines.electronic.datasets import dataset, dataset_elements, require_gpaw
from interlith.engines.electronic.records import DftIdentity
from interlith.engines.electronic.settings import TASKS, DftSettings
from interlith.engines.identity import Potential
from interlith.errors import InputError

FUNCTIONAL = "PBE"
DEFAULT_TASK = "relax"


def gpaw_potential(name: str, device: str, dtype: str | None) -> Potential:
    """``gpaw`` or ``gpaw:{"task": "md", "cutoff_ev": 500, "ranks": 2}``.

    The task decides cut-off, k points and symmetry (``relax`` if not given); the other names are
    fields of :class:`~interlith.engines.electronic.settings.DftSettings`.

    Raises
    ------
    MissingDependencyError
        If GPAW is not installed, with the lines that install it.
    InputError
        If the text behind ``gpaw:`` is no JSON object of settings, or a device or number type is
        asked for that GPAW does not have here.
    """
    require_gpaw()
    if device not in ("cpu", "auto"):
        raise InputError(f"device '{device}' for '{name}': GPAW runs on the cpu here")
    if dtype not in (None, "float64"):
        raise InputError(f"dtype '{dtype}' for '{name}': GPAW computes in float64")
    options = _options(name)
    versions = {p: metadata.version(p) for p in ("gpaw", "gpaw-data", "ase")}
    text = json.dumps([versions, options], sort_keys=True)
    identity = DftIdentity(
        name=name,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        versions=versions,
        dtype="float64",
        device="cpu",
        licence="GPL-3.0-or-later (gpaw)",
        functional=f"{FUNCTIONAL}, PAW; Hubbard U in oxides and fluorides as MP2020 expects",
        corrections="none",
        elements=dataset_elements(FUNCTIONAL),
        xc=FUNCTIONAL,
        settings=options,
    )

    def make(*, stress: bool, elements: tuple[str, ...] | None) -> Any:
        from interlith.engines.electronic.gpaw_calculator import GpawCalculator

        for element in elements or ():
            dataset(element, FUNCTIONAL)
        return GpawCalculator(stress=stress, **options)

    return Potential(identity, make)


def _options(name: str) -> dict[str, Any]:
    _, colon, text = name.partition(":")
    if not colon:
        return {"task": DEFAULT_TASK}
    try:
        options = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"'{name}': what follows gpaw: is no JSON ({error}); write "
            'gpaw:{"task": "md", "cutoff_ev": 500}'
        ) from error
    if not isinstance(options, dict):
        raise InputError(f'\'{name}\': write the settings as a JSON object, {{"task": "md"}}')
    options = {"task": DEFAULT_TASK, **options}
    if options["task"] not in TASKS:
        raise InputError(f"no DFT task is called '{options['task']}'; there are {', '.join(TASKS)}")
    unknown = sorted(options.keys() - DftSettings.model_fields.keys())
    if unknown:
        raise InputError(
            f"'{name}': no DFT setting is called {', '.join(unknown)}; there are "
            f"{', '.join(DftSettings.model_fields)}"
        )
    return options
