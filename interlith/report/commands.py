"""How a number was made: the command that gives it again, the reference energies, the engine.

>>> from types import SimpleNamespace
>>> print(window_command(SimpleNamespace(study={}), ["Li6PS5Cl"]))
interlith window Li6PS5Cl
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from interlith.analysis.study_results import StudyResults
from interlith.report.elements import Html, tag

ABOVE_HULL = 0.005
"""Energy above hull (eV per atom) that `interlith screen` lets pass."""


def made(command: str | None, engine: str) -> Html:
    """The end of a caption: command and engine.

    Parameters
    ----------
    command : str or None
        None where no single command gives the same; then the whole study is named.
    """
    said = tag("code", command or "interlith assess STUDY.yaml")
    return tag("span", " Made by ", said, f"; engine: {engine}.", class_="made")


def made_from_hull(results: StudyResults, command: str | None) -> Html:
    """The end of a caption of what the reference energies alone decide."""
    identity = results.reference
    energies = (
        f"linear program over the reference energies {identity.name}, scheme {identity.scheme}, "
        f"SHA-256 {identity.sha256[:12]}"
    )
    return made(command, energies)


def potential_engine(potential: Mapping[str, Any] | None) -> str:
    """A potential by name and the first digits of its hash."""
    if potential is None:
        return "trajectories from elsewhere"
    return f"{potential['name']} (SHA-256 {str(potential.get('sha256', 'unknown'))[:12]})"


def window_command(results: StudyResults, formulas: Sequence[str]) -> str:
    """Windows and ladders of some compounds."""
    return _joined(["interlith", "window", *formulas, *_reference(results)])


def react_command(results: StudyResults, a: str, b: str, voltage_v: float | None = None) -> str:
    """Reaction of a pair."""
    at = [] if voltage_v is None else ["--voltage", f"{voltage_v:g}"]
    return _joined(["interlith", "react", a, b, *at, *_reference(results)])


def screen_command(results: StudyResults) -> str | None:
    """The coating screen; None where the study asks for what the command does not take."""
    screen = results.coatings
    if screen is None or screen.criteria.max_energy_above_hull_ev_per_atom != ABOVE_HULL:
        return None
    wanted = results.study.get("coatings") or [row.coating for row in screen.rows]
    low, high = screen.criteria.voltage_range_v
    said = [
        "interlith", "screen", "--electrolyte", screen.electrolyte, "--cathode", screen.cathode,
        "--coatings", wanted if isinstance(wanted, str) else ",".join(wanted),
        "--voltage-range", f"{low:g},{high:g}",
        "--max-reaction", f"{screen.criteria.max_reaction_ev_per_atom:g}",
    ]  # fmt: skip
    return _joined([*said, *_reference(results)])


def diffusion_command(settings: Mapping[str, Any], material: str) -> str:
    """The ladder of temperatures, from its settings."""
    said = ["interlith", "diffusion", material]
    options = {
        "potential": "--potential", "temperatures_k": "--temperatures", "time_ps": "--time-ps",
        "equilibration_ps": "--equilibration-ps", "timestep_fs": "--timestep",
        "frame_every": "--frame-every", "seeds": "--seeds", "seed": "--seed",
        "min_length_angstrom": "--min-length", "max_atoms": "--max-atoms", "mobile": "--mobile",
    }  # fmt: skip
    for key, option in options.items():
        if settings.get(key) is not None:
            said += [option, _value(settings[key])]
    if settings.get("volume") == "as_given":
        said.append("--as-given")
    return _joined(said)


def interface_command(search: Any, settings: Mapping[str, Any]) -> str | None:
    """The search for explicit interfaces of a pair; None where the study ordered a crystal."""
    if any(name.endswith("-ordered") for name in (search.a, search.b)):
        return None
    said = ["interlith", "build", "interface", search.a, search.b]
    options = {
        "max_atoms": "--max-atoms", "max_strain": "--max-strain", "vacuum_angstrom": "--vacuum",
        "max_area_angstrom2": "--max-area", "count": "--count", "rank_by": "--rank",
    }  # fmt: skip
    for key, option in options.items():
        if settings.get(key) is not None:
            said += [option, _value(settings[key])]
    thickness = settings.get("thickness_angstrom")
    if thickness is not None:
        said += ["--thickness-a", _value(thickness), "--thickness-b", _value(thickness)]
    return _joined(said)


def barrier_command(settings: Mapping[str, Any], material: str) -> str:
    """The hops of a crystal."""
    options = {
        "potential": "--potential", "ion": "--ion", "kind": "--kind", "images": "--images",
        "most_hops": "--most-hops", "max_distance_angstrom": "--max-distance",
        "min_length_angstrom": "--min-length", "fmax_ev_per_angstrom": "--fmax",
        "max_steps": "--max-steps",
    }  # fmt: skip
    said = ["interlith", "barrier", material]
    for key, option in options.items():
        if settings.get(key) is not None:
            said += [option, _value(settings[key])]
    return _joined(said)


def stage(results: StudyResults, name: str) -> dict[str, Any]:
    """Settings of a stage as the study has them; empty where it has none."""
    found = (results.study.get("stages") or {}).get(name)
    return dict(found) if isinstance(found, Mapping) else {}


def crystal(results: StudyResults, formula: str) -> str:
    """Library name, file or formula that a crystal was read from."""
    return str((results.study.get("crystals") or {}).get(formula, formula))


def _reference(results: StudyResults) -> list[str]:
    """Options that name the reference energies; those at their default are left out."""
    asked = stage(results, "thermodynamics")
    said: list[str] = []
    if asked.get("reference") not in (None, "default"):
        said += ["--reference", str(asked["reference"])]
    if asked.get("scheme"):
        said += ["--scheme", str(asked["scheme"])]
    if asked.get("exclude"):
        said += ["--exclude", ",".join(asked["exclude"])]
    shifts = asked.get("shifts") or []
    for shift in shifts:
        said += ["--shift", f"{shift['element']}={shift['ev_per_atom']:g}"]
    for key, option in (("excepted", "--shift-except"), ("without", "--shift-without")):
        named = list(dict.fromkeys(one for shift in shifts for one in shift.get(key) or ()))
        if named:
            said += [option, ",".join(named)]
    return said


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_value(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _joined(words: Iterable[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)
