"""Everything one study found: what ``results.json`` holds and the report shows."""

from __future__ import annotations

from typing import Any, Literal

from interlith.analysis.atmosphere import AtmosphereRecord
from interlith.analysis.barriers import BarrierSummary
from interlith.analysis.coatings import ScreenRecord
from interlith.analysis.dft_results import DftResults
from interlith.analysis.diffusion_results import DiffusionRecord
from interlith.analysis.insertion_voltages import CalculatedTopotactic
from interlith.analysis.interphase import InterphaseRecord
from interlith.analysis.reactions import OpenReactionRecord, ReactionRecord
from interlith.analysis.reactive_records import ReactivityRecord
from interlith.analysis.windows import WindowRecord
from interlith.provenance import Provenance
from interlith.records import Record, ReferenceIdentity
from interlith.structures.interfaces.records import SearchRecord

Role = Literal["electrolyte", "anode", "cathode", "coating"]


class Component(Record):
    """A material of the study and its window (None for an element such as Li, with a reason)."""

    role: Role
    formula: str
    window: WindowRecord | None
    reason: str | None = None


class Interface(Record):
    """Two materials in contact: closed reaction, and open to Li at the study's voltages."""

    role_a: Role
    role_b: Role
    a: str
    b: str
    closed: ReactionRecord
    open: tuple[OpenReactionRecord, ...]
    interphase: InterphaseRecord | None = None


class StudyFailure(Record):
    """A part of the study that gave no answer.

    Attributes
    ----------
    folder : str or None
        What it had written until then.
    trace : tuple of str
        Where an unforeseen fault came from.
    """

    step: str
    subject: str
    reason: str
    folder: str | None = None
    trace: tuple[str, ...] = ()


class StudyResults(Record):
    """Result of ``interlith assess``."""

    schema_version: int = 1
    name: str
    study: dict[str, Any]
    reference: ReferenceIdentity
    components: tuple[Component, ...]
    interfaces: tuple[Interface, ...]
    coatings: ScreenRecord | None
    atmosphere: tuple[AtmosphereRecord, ...]
    structures: tuple[SearchRecord, ...] = ()
    diffusion: tuple[DiffusionRecord, ...] = ()
    topotactic: tuple[CalculatedTopotactic, ...] = ()
    barriers: tuple[BarrierSummary, ...] = ()
    reactivity: tuple[ReactivityRecord, ...] = ()
    dft: tuple[DftResults, ...] = ()
    failures: tuple[StudyFailure, ...]
    provenance: Provenance
