"""What is tried when an SCF does not converge: a short fixed list, from harmless to last resort.

The first cures only change how the solution is searched, so the energy keeps its meaning; the last
one widens the smearing, and the record says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from interlith.engines.electronic.settings import DftSettings

WEAK_MIXER = {"name": "pulay", "beta": 0.03, "nmaxold": 8, "weight": 60.0}
SURE_MIXER = {"name": "pulay", "beta": 0.015, "nmaxold": 5, "weight": 100.0}
MORE_STEPS = 2
WIDER = 3.0
WIDEST_EV = 0.3


@dataclass(frozen=True)
class Cure:
    """One change to try, and whether it changes what is computed."""

    change: dict[str, Any]
    alters_result: bool = False


def cures(settings: DftSettings) -> tuple[Cure, ...]:
    """The attempts after the first, in order.

    Returns
    -------
    tuple of Cure
        A weaker mixer; a weaker one still with another eigensolver and twice the steps; the same
        with wider smearing.
    """
    other = "davidson" if settings.eigensolver in (None, "ppcg") else "ppcg"
    sure = {
        "mixer": SURE_MIXER,
        "eigensolver": other,
        "scf_steps": MORE_STEPS * settings.scf_steps,
    }
    found = [Cure({"mixer": WEAK_MIXER}), Cure(sure)]
    wider = min(WIDER * settings.smearing_ev, WIDEST_EV)
    if settings.smearing != "fixed" and wider > settings.smearing_ev:
        found.append(Cure({**sure, "smearing_ev": wider}, alters_result=True))
    return tuple(found)


def cured(settings: DftSettings, cure: Cure) -> DftSettings:
    """The settings with the change, checked like any."""
    return DftSettings.model_validate({**settings.model_dump(), **cure.change})
