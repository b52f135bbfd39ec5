"""What work of adhesion is computed with: settings, and an engine that counts.

>>> AdhesionSettings(registry_spacing_angstrom=0.5).relax_ions
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interlith.engines.potentials import Potential
from interlith.engines.relax import relax
from interlith.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

VACUUM_ANGSTROM = 15.0


@dataclass(frozen=True)
class AdhesionSettings:
    """How hard parts are relaxed, and what else is wanted.

    Attributes
    ----------
    relax_ions : bool
        False leaves all atoms where they are: work of cleavage.
    registry_spacing_angstrom : float or None
        Grid of lateral shifts for the rigid energy surface; None leaves it out.
    liquid_surface_energy_j_m2 : float or None
        Of the liquid that wets, for the contact angle.
    """

    relax_ions: bool = True
    fmax_ev_per_angstrom: float = 0.03
    max_steps: int = 200
    vacuum_angstrom: float = VACUUM_ANGSTROM
    registry_spacing_angstrom: float | None = None
    liquid_surface_energy_j_m2: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be run, before anything is.

        Raises
        ------
        InputError
            If a tolerance, vacuum, spacing or surface energy is not positive and finite, or there
            are no steps.
        """
        for words, value in (
            ("a force tolerance of {} eV/Angstrom", self.fmax_ev_per_angstrom),
            ("a vacuum of {} Angstrom", self.vacuum_angstrom),
            ("lateral shifts (--registry) {} Angstrom apart", self.registry_spacing_angstrom),
            ("a liquid's surface energy (--liquid) of {} J/m2", self.liquid_surface_energy_j_m2),
            ("{} relaxation steps", self.max_steps),
        ):
            if value is not None:
                positive(words, value)


def positive(words: str, value: float, most: float = math.inf) -> None:
    """Refuse what is not above 0 and finite, or beyond the most that is allowed."""
    if not 0 < value <= most or math.isinf(value):
        above = "" if math.isinf(most) else f" and at most {most:g}"
        raise InputError(f"{words.format(f'{value:g}')}; give a finite number above 0{above}")


class Counted:
    """Energies and relaxations with one calculator, counted."""

    def __init__(self, engine: Potential, settings: AdhesionSettings) -> None:
        self.calculator, self.settings, self.count = engine.calculator(), settings, 0

    @property
    def unsettled(self) -> str:
        """What a relaxation that ran out of steps is."""
        chosen = self.settings
        return (
            f"not relaxed to {chosen.fmax_ev_per_angstrom:g} eV/Angstrom in "
            f"{chosen.max_steps} steps"
        )

    def energy(self, atoms: Atoms) -> float:
        """Energy as it stands, eV."""
        working = atoms.copy()
        working.calc = self.calculator
        self.count += 1
        return float(working.get_potential_energy())

    def relaxed(self, atoms: Atoms) -> tuple[Atoms, float, bool]:
        """Ions relaxed at fixed cell; (atoms, energy in eV, converged)."""
        if not self.settings.relax_ions:
            return atoms, self.energy(atoms), True
        done, record = relax(
            atoms,
            self.calculator,
            fmax_ev_per_angstrom=self.settings.fmax_ev_per_angstrom,
            max_steps=self.settings.max_steps,
            cell=False,
        )
        self.count += record.steps + 1
        return done, record.energy_ev_per_atom * len(done), record.converged
