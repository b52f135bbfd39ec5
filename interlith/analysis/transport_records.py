"""Records of transport: one run, and several with their Arrhenius fit."""

from __future__ import annotations

from interlith.analysis.framework import FrameworkCheck
from interlith.records import Record, Status


class TrajectoryIdentity(Record):
    """Which file the numbers come from."""

    path: str
    sha256: str | None
    frames: int
    time_step_fs: float


class FitRange(Record):
    """How the line through the mean squared displacement came out."""

    from_ps: float
    to_ps: float
    intercept_angstrom2: float
    chi_squared_p: float
    exponent: float
    exponent_sigma: float
    correlation_factor: float


class TransportRun(Record):
    """Transport at one temperature; sigma are standard uncertainties.

    ``conductivity_ms_cm`` is that of Nernst-Einstein; ``collective_conductivity_ms_cm`` includes
    how ions move together. The Haven ratio is self over collective diffusivity.
    """

    temperature_k: float
    status: Status
    reason: str | None
    mobile: str
    n_mobile: int
    self_diffusivity_cm2_s: float | None = None
    sigma_cm2_s: float | None = None
    interval95_cm2_s: tuple[float, float] | None = None
    conductivity_ms_cm: float | None = None
    conductivity_sigma_ms_cm: float | None = None
    collective_diffusivity_cm2_s: float | None = None
    collective_sigma_cm2_s: float | None = None
    collective_conductivity_ms_cm: float | None = None
    collective_conductivity_sigma_ms_cm: float | None = None
    haven_ratio: float | None = None
    haven_sigma: float | None = None
    haven_reason: str | None = None
    diffusion_tensor_cm2_s: tuple[tuple[float, float, float], ...] | None = None
    tensor_diagonal_sigma_cm2_s: tuple[float, float, float] | None = None
    events: float
    msd_at_half_run_angstrom2: float | None = None
    fit: FitRange | None = None
    collective_fit: FitRange | None = None
    discarded_ps: float = 0.0
    framework_intact: bool | None = None
    framework: FrameworkCheck | None = None
    notes: tuple[str, ...] = ()
    trajectory: TrajectoryIdentity | None = None
