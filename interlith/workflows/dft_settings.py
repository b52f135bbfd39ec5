"""What the stage ``dft`` of a study is asked to do."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DftStage(BaseModel):
    """Electronic checks and corrections by DFT.

    Attributes
    ----------
    engine : str
        A DFT engine: ``gpaw`` or ``gpaw:{...}``.
    gaps : str
        Band gaps of the phases that interfaces turn into: of those whose character is not known
        ("unknown"), of "all", or "none".
    gap_max_atoms : int
        Primitive cells larger than this are left out.
    correct_contacts : bool
        Recompute the built interfaces (stage ``structures``) and their sides once each.
    potential : str
        Engine of the interface energies that are corrected.
    relax_steps : int
        Steps of relaxation by the potential before the frames are taken; 0 for none.
    contact_max_atoms : int
        Larger interface cells are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str = "gpaw"
    gaps: Literal["unknown", "all", "none"] = "unknown"
    gap_max_atoms: int = Field(20, ge=1)
    correct_contacts: bool = False
    potential: str = "7net-0"
    relax_steps: int = Field(100, ge=0)
    contact_max_atoms: int = Field(80, ge=2)
