"""Kinds of records: their class, their schema, and what makes two of them the same calculation.

A new kind is one line in :data:`KINDS`. The classes are named as text and loaded when a record of
theirs is read, because they live in rooms that the store does not import.

>>> kind_of_class("WindowRecord")
'window'
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from interlith.records import Record
from interlith.store.errors import ForeignDocumentError, NewerSchemaError

Data = dict[str, Any]
Migration = Callable[[Data], Data]


@dataclass(frozen=True)
class Kind:
    """One kind of record.

    Attributes
    ----------
    where : str
        ``module:Class``.
    inputs : tuple of str
        Fields, dotted, that say what was asked; the same inputs give the same key. Empty: the
        whole content.
    """

    where: str
    inputs: tuple[str, ...] = ()

    def load(self) -> type[Record]:
        """The class."""
        module, _, name = self.where.partition(":")
        found = getattr(importlib.import_module(module), name)
        if not (isinstance(found, type) and issubclass(found, Record)):
            raise TypeError(f"{self.where} is no record")
        return found


KINDS: dict[str, Kind] = {
    "window": Kind(
        "interlith.analysis.windows:WindowRecord",
        ("formula", "reference", "decomposition_energies[].voltage_v"),
    ),
    "reaction": Kind("interlith.analysis.reactions:ReactionRecord", ("a", "b", "reference")),
    "open_reaction": Kind(
        "interlith.analysis.reactions:OpenReactionRecord", ("a", "b", "voltage_v", "reference")
    ),
    "interphase": Kind(
        "interlith.analysis.interphase:InterphaseRecord",
        ("electrolyte", "against", "voltage_v", "reference", "stable_within_ev_per_atom"),
    ),
    "screen": Kind(
        "interlith.analysis.coatings:ScreenRecord",
        ("electrolyte", "cathode", "anode", "criteria", "reference", "rows[].coating"),
    ),
    "atmosphere": Kind(
        "interlith.analysis.atmosphere:AtmosphereRecord", ("formula", "conditions", "reference")
    ),
    "interfaces": Kind(
        "interlith.structures.interfaces.records:SearchRecord", ("a", "b", "options", "potential")
    ),
    "diffusion": Kind(
        "interlith.analysis.diffusion_results:DiffusionRecord",
        ("formula", "material", "potential", "cell", "settings", "runs[].trajectory.sha256"),
    ),
    "md": Kind(
        "interlith.engines.dynamics.records:MDRecord",
        ("formula", "potential", "settings", "trajectory.path"),
    ),
    "barriers": Kind(
        "interlith.workflows.neb:BarriersRecord",
        ("formula", "material", "source", "potential", "options", "settings"),
    ),
    "barrier_summary": Kind("interlith.analysis.barriers:BarrierSummary"),
    "topotactic": Kind(
        "interlith.analysis.insertion_voltages:CalculatedTopotactic",
        ("formula", "material", "source", "potential", "options"),
    ),
    "constricted_window": Kind("interlith.analysis.constriction:ConstrictedWindow"),
    "profile": Kind("interlith.analysis.potential_profile:ProfileRecord"),
    "hopping": Kind("interlith.analysis.hopping:HoppingRecord"),
    "products": Kind("interlith.analysis.products:ProductsRecord"),
    "reactivity": Kind(
        "interlith.analysis.reactive_records:ReactivityRecord",
        ("a", "b", "potential", "cell", "settings", "runs[].trajectory_sha256"),
    ),
    "elastic": Kind("interlith.analysis.moduli:ElasticRecord"),
    "thermal": Kind("interlith.analysis.thermal:ThermalRecord"),
    "scorecard": Kind("interlith.analysis.scorecard:Scorecard"),
    "dft_results": Kind("interlith.analysis.dft_results:DftResults"),
    "line_up": Kind("interlith.analysis.band_edges:LineUpRecord"),
    "dft": Kind("interlith.engines.electronic.records:DftRecord", ("key",)),
    "relaxation": Kind("interlith.engines.relax:RelaxationRecord"),
    "calculation": Kind("interlith.workflows.any_engine.records:CalculationRecord"),
    "eos": Kind("interlith.workflows.any_engine.eos:EosRecord"),
    "stack": Kind("interlith.structures.interfaces.records:StackRecord"),
    "cells": Kind("interlith.structures.cell_records:CellsRecord"),
    "slabs": Kind("interlith.structures.cell_records:SlabsRecord"),
    "orderings": Kind("interlith.structures.cell_records:OrderingRecord"),
    "glass": Kind("interlith.structures.cell_records:GlassRecord"),
    "model": Kind("interlith.workflows.training.card:DataCard"),
    "study": Kind("interlith.analysis.study_results:StudyResults", ("name", "study", "reference")),
}

MIGRATIONS: dict[tuple[str, int], Migration] = {}
"""(kind, schema version) to a function that gives the data of the next version."""

VOLATILE = ("provenance",)
"""Fields that differ from run to run without the result differing."""
IDENTIFYING = {
    "reference": ("sha256", "scheme", "excluded", "shifts"),
    "potential": ("name", "sha256", "dtype"),
}
"""Of these only the part that the numbers depend on enters a key."""


def kind_of_class(name: str) -> str:
    """The kind of a record class.

    Raises
    ------
    ForeignDocumentError
        If no kind has this class.
    """
    found = kind_or_none(name)
    if found is not None:
        return found
    raise ForeignDocumentError(
        f"records of {name} are not kept in the results database; kinds are {', '.join(KINDS)}"
    )


def spec_of(kind: str) -> Kind:
    """What is known of a kind.

    Raises
    ------
    ForeignDocumentError
        If there is none of this name.
    """
    if kind not in KINDS:
        raise ForeignDocumentError(f"unknown kind '{kind}'; kinds are {', '.join(KINDS)}")
    return KINDS[kind]


def schema_of(kind: str) -> int:
    """The schema version that this interlith writes."""
    field = spec_of(kind).load().model_fields.get("schema_version")
    return 1 if field is None else int(field.default)


def read_record(kind: str, data: Mapping[str, Any], writer: str = "unknown") -> Record:
    """A typed record from stored data; older schemas are migrated.

    Raises
    ------
    NewerSchemaError
        If a newer interlith wrote it.
    ForeignDocumentError
        If it is not what its kind says.
    """
    current = migrate(kind, dict(data), writer)
    try:
        return spec_of(kind).load().model_validate(current)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ForeignDocumentError(
            f"a stored document of kind '{kind}' is not one that interlith wrote: {where}: "
            f"{first['msg']}"
        ) from error


def migrate(kind: str, data: Data, writer: str = "unknown") -> Data:
    """Bring data to this version's schema.

    Raises
    ------
    NewerSchemaError
        If its schema is newer.
    ForeignDocumentError
        If its schema is old and no step leads from it.
    """
    known = schema_of(kind)
    version = data.get("schema_version", 1)
    if not isinstance(version, int):
        raise ForeignDocumentError(f"schema_version {version!r} of a '{kind}' is no number")
    if version > known:
        raise NewerSchemaError(
            f"a record of kind '{kind}' has schema {version}, written by interlith {writer}; this "
            f"interlith reads up to schema {known}. Install a newer interlith to read it; "
            "everything else in the database can be used"
        )
    while version < known:
        step = MIGRATIONS.get((kind, version))
        if step is None:
            raise ForeignDocumentError(
                f"a record of kind '{kind}' has schema {version} and no way leads from there to "
                f"{known}; compute it anew, or read it with the interlith that wrote it ({writer})"
            )
        data = step(dict(data))
        version += 1
        data["schema_version"] = version
    return data


def kind_or_none(name: str) -> str | None:
    """The kind of a record class, if it has one."""
    return next((kind for kind, spec in KINDS.items() if spec.where.endswith(f":{name}")), None)


def guess_kind(data: Mapping[str, Any]) -> str:
    """The kind of a record that came without one, by its fields.

    Raises
    ------
    ForeignDocumentError
        If none, or several, fit.
    """
    fits = []
    for kind, spec in KINDS.items():
        fields = spec.load().model_fields
        required = {f.alias or n for n, f in fields.items() if f.is_required()}
        named = {f.alias or n for n, f in fields.items()}
        if required <= set(data) <= named and data.get("mode") == _mode(fields, data):
            fits.append(kind)
    if len(fits) != 1:
        found = ", ".join(sorted(data)[:8])
        what = f"several kinds ({', '.join(fits)})" if fits else "no kind of record"
        raise ForeignDocumentError(
            f"a document with the fields {found} fits {what}; name one with --kind: "
            f"{', '.join(KINDS)}"
        )
    return fits[0]


def _mode(fields: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    """The fixed mode of a kind that has one (closed, open), else whatever the data say."""
    return fields["mode"].default if "mode" in fields else data.get("mode")


def inputs_of(kind: str, data: Mapping[str, Any]) -> Data:
    """What was asked, from the record itself."""
    spec = spec_of(kind)
    if not spec.inputs:
        return {"content": content_sha256(data)}
    return {path: _reduced(path, _at(data, path.split("."))) for path in spec.inputs}


def _at(data: Any, path: list[str]) -> Any:
    if not path or data is None:
        return data
    name, rest = path[0], path[1:]
    if name.endswith("[]"):
        return [_at(one, rest) for one in data.get(name[:-2]) or ()]
    return _at(data.get(name), rest)


def _reduced(path: str, value: Any) -> Any:
    names = IDENTIFYING.get(path.rpartition(".")[2])
    if names and isinstance(value, dict):
        return {name: value.get(name) for name in names}
    return value


def key_of(kind: str, inputs: Mapping[str, Any]) -> str:
    """Key of a calculation: kind and inputs, nothing else."""
    return digest({"kind": kind, "inputs": dict(inputs)})


def content_sha256(data: Mapping[str, Any]) -> str:
    """Hash of a result, without the circumstances in which it was computed."""
    return digest(_steady(dict(data)))


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _steady(v) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list | tuple):
        return [_steady(one) for one in value]
    return value


def digest(value: Any) -> str:
    """Sha256 of plain data, whatever the order of its fields."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
