"""Running sums over the steps of a run: memory does not grow, and a checkpoint holds them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt


@dataclass
class RunningStatistics:
    """Temperature's mean and spread, and the slope of the total energy against time."""

    count: int = 0
    mean_k: float = 0.0
    squares_k: float = 0.0
    first_ev: float = 0.0
    mean_ps: float = 0.0
    mean_ev: float = 0.0
    squares_ps: float = 0.0
    products: float = 0.0

    def add(self, time_ps: float, temperature_k: float, energy_ev: float) -> None:
        """Take a step."""
        if not self.count:
            self.first_ev = energy_ev
        energy_ev -= self.first_ev
        self.count += 1
        off = temperature_k - self.mean_k
        self.mean_k += off / self.count
        self.squares_k += off * (temperature_k - self.mean_k)
        early = time_ps - self.mean_ps
        self.mean_ps += early / self.count
        self.mean_ev += (energy_ev - self.mean_ev) / self.count
        self.squares_ps += early * (time_ps - self.mean_ps)
        self.products += early * (energy_ev - self.mean_ev)

    @property
    def sigma_k(self) -> float | None:
        """Standard deviation of the temperature over the steps."""
        return sqrt(self.squares_k / (self.count - 1)) if self.count > 1 else None

    @property
    def drift_ev_per_ps(self) -> float | None:
        """Least-squares slope of the total energy."""
        return self.products / self.squares_ps if self.count > 1 else None

    def state(self) -> dict[str, float]:
        """Everything, for a checkpoint."""
        return asdict(self)
