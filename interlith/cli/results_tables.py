"""Reading and showing what ``interlith results`` works with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from interlith.errors import InputError

if TYPE_CHECKING:
    from interlith.store.documents import Document
    from interlith.store.results import ResultsDatabase

SHOWN_KEY = 12
HIDDEN = ("revision", "sequence", "latest", "created", "elements", "reference_sha256",
          "potential_sha256", "trajectory_sha256", "scheme")  # fmt: skip
SHOWN = {
    "records": ("key", "kind", "subject", "status", "study", "role", "reference", "potential"),
    "windows": ("key", "formula", "role", "study", "status", "reduction_potential_v",
                "oxidation_potential_v", "energy_above_hull_ev_per_atom", "reference"),
    "reactions": ("key", "a", "b", "voltage_v", "energy_ev_per_atom", "study", "reaction"),
    "interphases": ("key", "electrolyte", "against", "interphase_class", "energy_ev_per_atom",
                    "products", "study"),
    "coatings": ("key", "rank", "coating", "coating_class", "passes_all", "reduction_potential_v",
                 "oxidation_potential_v", "reaction_electrolyte_ev_per_atom",
                 "reaction_cathode_ev_per_atom", "study"),
    "diffusivities": ("key", "formula", "temperature_k", "status", "self_diffusivity_cm2_s",
                      "sigma_cm2_s", "conductivity_ms_cm", "potential", "study"),
    "activations": ("key", "formula", "status", "activation_energy_ev", "sigma_ev",
                    "conductivity_300k_ms_cm", "potential", "study"),
    "barriers": ("key", "formula", "label", "mechanism", "status", "forward_ev", "reverse_ev",
                 "potential"),
    "interfaces": ("key", "a", "b", "n_atoms", "area_angstrom2", "strain_von_mises", "file",
                   "study"),
    "atmospheres": ("key", "formula", "status", "water_energy_ev_per_formula",
                    "carbonation_energy_ev_per_formula", "toxic_gases", "study"),
}  # fmt: skip
"""Columns of a view that matter most; the others with ``--columns``."""


def read_where(conditions: Sequence[str] | None) -> dict[str, Any]:
    """Conditions of the command line.

    Raises
    ------
    InputError
        If one has no ``=``.
    """
    found: dict[str, Any] = {}
    for text in conditions or ():
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise InputError(
                f"--where '{text}' is no condition; write formula=Li3PS4 or temperature_k__gt=500"
            )
        name = name.strip()
        listed = [_value(part) for part in value.split(",")]
        found[name] = listed if name.endswith(("__in", "__has")) else _value(value)
    return found


def _value(text: str) -> Any:
    text = text.strip()
    if text.lower() in ("true", "false"):
        return int(text.lower() == "true")
    if text.lower() in ("null", "none"):
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _view_and_kind(view: str) -> tuple[str, str | None]:
    """A view by its name, or the table of all records of a kind."""
    from interlith.store.kinds import KINDS
    from interlith.store.projection import VIEWS

    if view in VIEWS or view not in KINDS:
        return view, None
    return "records", view


def rows_of(
    database: ResultsDatabase, view: str, where: Sequence[str] | None, wanted: str | None,
    latest: bool, limit: int | None,
) -> tuple[list[str], list[tuple[Any, ...]]]:  # fmt: skip
    """Columns and rows of a view, or of all records of a kind, under conditions."""
    name, kind = _view_and_kind(view)
    conditions: dict[str, Any] = read_where(where)
    if kind is not None:
        conditions["kind"] = kind
    if wanted is None:
        return database.rows(name, conditions, latest=latest, limit=limit)
    keys = {one.key for one in database.query(read_filter(wanted), latest=latest)}
    names, rows = database.rows(name, conditions, latest=latest)
    place = names.index("key")
    kept = [row for row in rows if row[place] in keys]
    return names, kept if limit is None else kept[-limit:] if limit else []


def documents_of(
    database: ResultsDatabase, view: str, where: Sequence[str] | None, wanted: str | None,
    latest: bool, limit: int | None,
) -> list[Document]:  # fmt: skip
    """The documents behind the rows, in the order of writing."""
    from interlith.store.documents import read_document

    names, rows = rows_of(database, view, where, wanted, latest, limit)
    place, revision = names.index("key"), names.index("revision")
    found = {(row[place], row[revision]) for row in rows}
    documents = [read_document(d) for d in database.documents.by_keys({key for key, _ in found})]
    chosen = [one for one in documents if (one.key, one.revision) in found]
    return sorted(chosen, key=lambda one: one.sequence)


def read_filter(text: str) -> Mapping[str, Any]:
    """A MongoDB filter of the command line.

    Raises
    ------
    InputError
        If it is no JSON object.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f'--filter is no JSON ({error}); write \'{{"kind": "window"}}\'') from (
            error
        )
    if not isinstance(found, dict):
        raise InputError('--filter must be an object such as \'{"kind": "window"}\'')
    return found


def document_at(database: ResultsDatabase, text: str) -> Document:
    """A document by KEY or KEY:REVISION."""
    key, _, revision = text.partition(":")
    if revision and not revision.isdigit():
        raise InputError(f"'{text}': write KEY or KEY:REVISION, such as 3fa5c2:2")
    return database.document(key, int(revision) if revision else None)


def chosen_columns(view: str, names: Sequence[str], columns: str | None) -> list[str]:
    """Columns to show: the ones asked for, or those that matter in this view.

    Raises
    ------
    InputError
        If one does not exist.
    """
    if columns is None:
        shown = SHOWN.get(view) or (SHOWN["records"] if "subject" in names else names)
        return [name for name in shown if name not in HIDDEN]
    asked = [part.strip() for part in columns.split(",") if part.strip()]
    unknown = [name for name in asked if name not in names]
    if unknown:
        raise InputError(f"no column {', '.join(unknown)}; columns are {', '.join(names)}")
    return asked


def cell(name: str, value: Any) -> str:
    """A value in a table."""
    if value is None:
        return ""
    if name == "key":
        return str(value)[:SHOWN_KEY]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def difference_cells(row: Mapping[str, Any]) -> list[str]:
    """A row of a comparison."""
    return [row["field"], *(cell("", row[n]) for n in ("a", "b", "change"))]


def verify_lines(data: Mapping[str, Any]) -> list[str]:
    """What a check found."""
    lines = [f"{data['documents']} records and {data['files']} files read"]
    lines += [f"Record {f['key'][:SHOWN_KEY]}: {f['fault']}: {f['reason']}"
              for f in data["document_faults"]]  # fmt: skip
    lines += [f"File {f['file']}: {f['fault']}: {f['reason']}" for f in data["file_faults"]]
    if data["lost"]:
        lines.append(
            f"{len(data['lost'])} records that were here are gone: was an older copy restored? "
            "Import the studies' folders again"
        )
    if data["unused_files"]:
        lines.append(f"{len(data['unused_files'])} files belong to no record; --clean deletes them")
    if data["cleaned"]:
        lines.append(f"{data['cleaned']} files deleted")
    return [*lines, "sound" if data["sound"] else "not sound"]
