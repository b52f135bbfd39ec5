"""Results: frozen, versioned models with units in the field names and provenance."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of every result: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary for ``--json`` and ``results.json``."""
        return self.model_dump(mode="json", by_alias=True)


class Shift(Record):
    """An energy added per atom of one element to every compound that contains it."""

    element: str
    ev_per_atom: float
    excepted: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


class ReferenceIdentity(Record):
    """Names the reference energies behind a number."""

    name: str
    sha256: str
    scheme: str
    excluded: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ()
    n_phases: int = 0
    notes: tuple[str, ...] = ()


class Amount(Record):
    """A phase and how much of it."""

    formula: str
    amount: float


Status = Literal["ok", "no_answer", "diagnosis"]
