"""Rows of the flat table: what of a record is looked for, in columns.

A view is a kind of row with its columns; a function turns a record's data into rows. Everything
here works on plain data, so that no class has to be loaded to rebuild a table of many records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Data = dict[str, Any]
Row = dict[str, Any]

COMMON = {
    "key": "TEXT",
    "revision": "INTEGER",
    "sequence": "INTEGER",
    "latest": "INTEGER",
    "kind": "TEXT",
    "created": "TEXT",
    "study": "TEXT",
    "role": "TEXT",
}
"""Columns of every view; ``study`` and ``role`` are those of the study that a record is part of."""
REFERENCE = {"reference": "TEXT", "reference_sha256": "TEXT", "scheme": "TEXT"}
POTENTIAL = {"potential": "TEXT", "potential_sha256": "TEXT"}
SIDES = {"electrolyte": "TEXT", "anode": "TEXT", "cathode": "TEXT"}


@dataclass(frozen=True)
class View:
    """Columns of a table and where its rows come from."""

    kinds: tuple[str, ...]
    columns: dict[str, str]
    rows: Callable[[Data], Iterator[Row]]
    indexed: tuple[str, ...] = ("formula", "electrolyte")
    own: dict[str, str] = field(default_factory=dict)
    """Side of the study to the column that stands for it in records outside of any study."""

    @property
    def all_columns(self) -> dict[str, str]:
        """Columns with their SQLite types."""
        return COMMON | self.columns


def elements(formula: str | None) -> str | None:
    """Element symbols of a formula as ``,Cl,Li,P,S,``."""
    if not formula:
        return None
    return "," + ",".join(sorted(set(re.findall(r"[A-Z][a-z]?", formula)))) + ","


def _reference(data: Data) -> Row:
    found = data.get("reference") or {}
    return {
        "reference": found.get("name"),
        "reference_sha256": found.get("sha256"),
        "scheme": found.get("scheme"),
    }


def _potential(data: Data) -> Row:
    found = data.get("potential") or {}
    return {"potential": found.get("name"), "potential_sha256": found.get("sha256")}


def _windows(data: Data) -> Iterator[Row]:
    low, high = data["reduction_potential_v"], data["oxidation_potential_v"]
    sigma, topotactic = data.get("sigma") or {}, data.get("topotactic") or {}
    yield {
        "formula": data["formula"],
        "elements": elements(data["formula"]),
        "status": data["status"],
        "reduction_potential_v": low,
        "oxidation_potential_v": high,
        "width_v": None if low is None or high is None else high - low,
        "reduction_sigma_v": sigma.get("reduction_v"),
        "oxidation_sigma_v": sigma.get("oxidation_v"),
        "topotactic_reduction_v": topotactic.get("reduction_potential_v"),
        "topotactic_oxidation_v": topotactic.get("oxidation_potential_v"),
        "energy_above_hull_ev_per_atom": data["energy_above_hull_ev_per_atom"],
        "in_reference": int(data["in_reference"]),
        **_reference(data),
    }


def _reactions(data: Data) -> Iterator[Row]:
    yield {
        "a": data["a"],
        "b": data["b"],
        "mode": data["mode"],
        "voltage_v": data["voltage_v"],
        "status": data["status"],
        "energy_ev_per_atom": data["energy_ev_per_atom"],
        "sigma_ev_per_atom": data.get("sigma_ev_per_atom"),
        "mixing_fraction_a": data["mixing_fraction_a"],
        "reaction": data["reaction"],
        **_reference(data),
    }


def _interphases(data: Data) -> Iterator[Row]:
    yield {
        "electrolyte": data["electrolyte"],
        "against": data["against"],
        "voltage_v": data["voltage_v"],
        "interphase_class": data["interphase_class"],
        "energy_ev_per_atom": data["energy_ev_per_atom"],
        "products": ", ".join(product["formula"] for product in data["products"]),
        **_reference(data),
    }


def _coatings(data: Data) -> Iterator[Row]:
    for row in data["rows"]:
        yield {
            "electrolyte": data["electrolyte"],
            "cathode": data["cathode"],
            "anode": data["anode"],
            "coating": row["coating"],
            "coating_class": row["class"],
            "elements": elements(row["coating"]),
            "passes_all": int(all(row["passes"].values())),
            **{name: row[name] for name in _COATING_NUMBERS},
            **_reference(data),
        }


_COATING_NUMBERS = {
    "rank": "INTEGER",
    "li_fraction": "REAL",
    "energy_above_hull_ev_per_atom": "REAL",
    "reduction_potential_v": "REAL",
    "oxidation_potential_v": "REAL",
    "reaction_electrolyte_ev_per_atom": "REAL",
    "reaction_cathode_ev_per_atom": "REAL",
    "reaction_anode_ev_per_atom": "REAL",
}


def _atmospheres(data: Data) -> Iterator[Row]:
    water, carbon = data["water"], data["carbonation"]
    yield {
        "formula": data["formula"],
        "elements": elements(data["formula"]),
        "status": data["status"],
        "water_energy_ev_per_formula": water["energy_ev_per_formula"],
        "carbonation_energy_ev_per_formula": carbon["energy_ev_per_formula"],
        "toxic_gases": ", ".join(data["toxic_gases"]),
        **_reference(data),
    }


def _interfaces(data: Data) -> Iterator[Row]:
    for one in data["candidates"]:
        yield {
            "a": data["a"],
            "b": data["b"],
            "formula": one["formula"],
            "elements": elements(one["formula"]),
            "file": one["file"],
            "n_atoms": one["n_atoms"],
            "area_angstrom2": one["area_angstrom2"],
            "strain_von_mises": one["strain"]["von_mises"],
            "energy_ev": one["energy_ev"],
            "min_distance_ratio": one["min_distance_ratio"],
            **_potential(data),
        }


def _diffusivities(data: Data) -> Iterator[Row]:
    for run in data["runs"]:
        yield {
            "formula": data["formula"],
            "elements": elements(data["formula"]),
            "material": data["material"],
            "trajectory_sha256": (run["trajectory"] or {}).get("sha256"),
            "framework_intact": _flag(run["framework_intact"]),
            **{name: run[name] for name in _RUN_COLUMNS},
            **_potential(data),
        }


_RUN_COLUMNS = {
    "mobile": "TEXT",
    "temperature_k": "REAL",
    "status": "TEXT",
    "reason": "TEXT",
    "self_diffusivity_cm2_s": "REAL",
    "sigma_cm2_s": "REAL",
    "conductivity_ms_cm": "REAL",
    "conductivity_sigma_ms_cm": "REAL",
    "haven_ratio": "REAL",
}


def _activations(data: Data) -> Iterator[Row]:
    fit = data["arrhenius"] or {}
    low, high = fit.get("interval95_ev") or (None, None)
    yield {
        "formula": data["formula"],
        "elements": elements(data["formula"]),
        "material": data["material"],
        "status": "ok" if fit else "no_answer",
        "reason": data["arrhenius_reason"],
        "activation_energy_ev": fit.get("activation_energy_ev"),
        "sigma_ev": fit.get("sigma_ev"),
        "low95_ev": low,
        "high95_ev": high,
        "conductivity_300k_ms_cm": fit.get("conductivity_300k_ms_cm"),
        "diffusivity_300k_cm2_s": fit.get("diffusivity_300k_cm2_s"),
        **_potential(data),
    }


def _barriers(data: Data) -> Iterator[Row]:
    for hop in data["hops"]:
        band = hop.get("barrier") or hop
        yield {
            "formula": data["formula"],
            "elements": elements(data["formula"]),
            "material": data["material"],
            "label": hop["label"],
            "ion": hop["ion"],
            "mechanism": hop["kind"],
            "distance_angstrom": hop["distance_angstrom"],
            "status": hop["status"],
            "reason": hop["reason"],
            "forward_ev": band.get("forward_ev"),
            "reverse_ev": band.get("reverse_ev"),
            **_potential(data),
        }


def _topotactic(data: Data) -> Iterator[Row]:
    yield {
        "formula": data["formula"],
        "elements": elements(data["formula"]),
        **{name: data[name] for name in _TOPOTACTIC_COLUMNS},
        **_potential(data),
    }


_TOPOTACTIC_COLUMNS = {
    "material": "TEXT",
    "status": "TEXT",
    "reason": "TEXT",
    "reduction_potential_v": "REAL",
    "oxidation_potential_v": "REAL",
}


def _dynamics(data: Data) -> Iterator[Row]:
    yield {
        "formula": data["formula"],
        "elements": elements(data["formula"]),
        "status": data["status"],
        "reason": data["reason"],
        "temperature_k": data["settings"].get("temperature_k"),
        "ensemble": data["settings"].get("ensemble"),
        "time_ps": data["time_ps"],
        "ns_per_day": data["ns_per_day"],
        "trajectory_sha256": data["trajectory"]["sha256"],
        **_potential(data),
    }


def _studies(data: Data) -> Iterator[Row]:
    study = data["study"]
    yield {
        "name": data["name"],
        "electrolyte": study.get("electrolyte"),
        "anode": study.get("anode"),
        "cathode": (study.get("cathode") or {}).get("material"),
        "components": len(data["components"]),
        "interfaces": len(data["interfaces"]),
        "failures": len(data["failures"]),
        **_reference(data),
    }


def _failures(data: Data) -> Iterator[Row]:
    for one in data["failures"]:
        yield {"name": data["name"], **{n: one[n] for n in ("step", "subject", "reason")}}


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _records(data: Data) -> Iterator[Row]:
    formula = data.get("formula")
    yield {
        "formula": formula if isinstance(formula, str) else None,
        "elements": elements(formula if isinstance(formula, str) else None),
        "status": data.get("status"),
        "name": data.get("name"),
        "subject": subject(data),
        **_reference(data),
        **_potential(data if isinstance(data.get("potential"), dict) else {}),
    }


def subject(data: Data) -> str | None:
    """What a record is about, in a few words."""
    for names in (("name",), ("formula",), ("a", "b"), ("electrolyte", "against"),
                  ("electrolyte", "cathode")):  # fmt: skip
        if all(isinstance(data.get(name), str) for name in names):
            text = " | ".join(data[name] for name in names)
            voltage = data.get("voltage_v")
            return text if voltage is None else f"{text} at {voltage:g} V"
    return None


def _text(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "TEXT")


def _real(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "REAL")


_FORMULA = _text("formula", "elements")
_OWN_FORMULA = {"electrolyte": "formula"}

VIEWS: dict[str, View] = {
    "records": View(
        (),
        _text("formula", "elements", "status", "name", "subject") | REFERENCE | POTENTIAL | SIDES,
        _records,
    ),
    "windows": View(
        ("window",),
        _FORMULA | SIDES | _text("status") | _real(
            "reduction_potential_v", "oxidation_potential_v", "width_v", "reduction_sigma_v",
            "oxidation_sigma_v", "topotactic_reduction_v", "topotactic_oxidation_v",
            "energy_above_hull_ev_per_atom",
        ) | {"in_reference": "INTEGER"} | REFERENCE,
        _windows,
        ("formula", "electrolyte", "oxidation_potential_v"),
        _OWN_FORMULA,
    ),
    "reactions": View(
        ("reaction", "open_reaction"),
        _text("a", "b", "mode", "status", "reaction") | SIDES | _real(
            "voltage_v", "energy_ev_per_atom", "sigma_ev_per_atom", "mixing_fraction_a"
        ) | REFERENCE,
        _reactions,
        ("a", "b", "electrolyte", "energy_ev_per_atom"),
    ),
    "interphases": View(
        ("interphase",),
        SIDES | _text("against", "interphase_class", "products")
        | _real("voltage_v", "energy_ev_per_atom") | REFERENCE,
        _interphases,
        ("electrolyte",),
    ),
    "coatings": View(
        ("screen",),
        SIDES | _text("coating", "coating_class", "elements") | _COATING_NUMBERS
        | {"passes_all": "INTEGER"} | REFERENCE,
        _coatings,
        ("coating", "electrolyte", "oxidation_potential_v"),
    ),
    "atmospheres": View(
        ("atmosphere",),
        _FORMULA | SIDES | _text("status", "toxic_gases")
        | _real("water_energy_ev_per_formula", "carbonation_energy_ev_per_formula") | REFERENCE,
        _atmospheres,
        own=_OWN_FORMULA,
    ),
    "interfaces": View(
        ("interfaces",),
        _text("a", "b", "file") | _FORMULA | SIDES | {"n_atoms": "INTEGER"} | _real(
            "area_angstrom2", "strain_von_mises", "energy_ev", "min_distance_ratio"
        ) | POTENTIAL,
        _interfaces,
        ("a", "b", "electrolyte"),
    ),
    "diffusivities": View(
        ("diffusion",),
        _FORMULA | SIDES | _text("material", "trajectory_sha256") | _RUN_COLUMNS
        | {"framework_intact": "INTEGER"} | POTENTIAL,
        _diffusivities,
        ("formula", "electrolyte", "temperature_k"),
        _OWN_FORMULA,
    ),
    "activations": View(
        ("diffusion",),
        _FORMULA | SIDES | _text("material", "status", "reason") | _real(
            "activation_energy_ev", "sigma_ev", "low95_ev", "high95_ev",
            "conductivity_300k_ms_cm", "diffusivity_300k_cm2_s",
        ) | POTENTIAL,
        _activations,
        own=_OWN_FORMULA,
    ),
    "barriers": View(
        ("barriers", "barrier_summary"),
        _FORMULA | SIDES | _text("material", "label", "ion", "mechanism", "status", "reason")
        | _real("distance_angstrom", "forward_ev", "reverse_ev") | POTENTIAL,
        _barriers,
        own=_OWN_FORMULA,
    ),
    "topotactic": View(
        ("topotactic",), _FORMULA | SIDES | _TOPOTACTIC_COLUMNS | POTENTIAL, _topotactic,
        own=_OWN_FORMULA,
    ),
    "dynamics": View(
        ("md",),
        _FORMULA | SIDES | _text("status", "reason", "ensemble", "trajectory_sha256")
        | _real("temperature_k", "time_ps", "ns_per_day") | POTENTIAL,
        _dynamics,
        own=_OWN_FORMULA,
    ),
    "studies": View(
        ("study",),
        _text("name") | SIDES
        | dict.fromkeys(("components", "interfaces", "failures"), "INTEGER") | REFERENCE,
        _studies,
        ("name", "electrolyte"),
    ),
    "failures": View(
        ("study",), _text("name", "step", "subject", "reason"), _failures, ("name",)
    ),
}  # fmt: skip
"""Views by name; ``records`` has one row for every document."""
