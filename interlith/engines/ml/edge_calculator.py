"""One thin ASE calculator for every model that gives the energy as a function of edge vectors.

One backward pass gives the slope of the energy along every edge; forces and stress are sums over
it, so the stress costs one matrix product instead of a second path through the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from interlith.engines.identity import unknown_elements
from interlith.engines.ml.neighbours import Edges, NeighbourList
from interlith.engines.ml.torch_setup import load_torch
from interlith.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms


class EdgeModel(Protocol):
    """A torch model reduced to energies of atoms from vectors of edges.

    Attributes
    ----------
    cutoff : float
        Angstrom.
    elements : tuple of str
        Symbols it can be asked about.
    device, dtype : str
        Where and in which number type it computes.
    """

    cutoff: float
    elements: tuple[str, ...]
    device: str
    dtype: str

    def energies(self, numbers: Any, edges: Edges, vectors: Any) -> Any:
        """Energies of the atoms in eV, (n_atoms,), differentiable in ``vectors`` (n_edges, 3)."""


class EdgeCalculator(Calculator):
    """ASE calculator over one model, or the mean over several.

    Parameters
    ----------
    models : sequence of EdgeModel
        One model, or the members of a committee.
    name : str
        Of the potential, for messages.
    stress : bool
        False leaves it out.

    Notes
    -----
    The energy is the sum of the atoms' energies in double precision. Stress is given for cells
    that repeat in all three directions. A committee adds to ``results`` the sample standard
    deviations ``energy_std`` (eV) and ``forces_std`` (n_atoms,), the length of each force's
    standard deviation vector in eV/A.
    """

    def __init__(self, models: Sequence[EdgeModel], name: str, *, stress: bool = True) -> None:
        Calculator.__init__(self)
        self.models = tuple(models)
        self.label_of_potential = name
        self.implemented_properties = ["energy", "free_energy", "energies", "forces"]
        if stress:
            self.implemented_properties.append("stress")
        if len(self.models) > 1:
            self.implemented_properties += ["energy_std", "forces_std"]
        self._stress = stress
        self._device = self.models[0].device
        self._neighbours = NeighbourList(max(m.cutoff for m in self.models), self._device)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] | None = None,
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill ``results``; everything comes from one pass, whatever ``properties`` asks."""
        Calculator.calculate(self, atoms, properties, system_changes)
        torch = load_torch()
        present: Any = self.atoms  # a copy, kept by ASE
        self._check(present)
        edges = self._neighbours.edges(present)
        numbers = torch.as_tensor(present.numbers, dtype=torch.int64, device=self._device)
        answers = [evaluate(model, numbers, edges) for model in self.models]
        energies = np.array([answer[0] for answer in answers])
        forces = np.array([answer[1] for answer in answers])
        total = energies.sum(axis=1)
        self.results = {
            "energy": float(total.mean()),
            "free_energy": float(total.mean()),
            "energies": energies.mean(axis=0),
            "forces": forces.mean(axis=0),
        }
        if self._stress and present.cell.rank == 3 and present.pbc.all():
            virial = np.mean([answer[2] for answer in answers], axis=0)
            stress = (virial + virial.T) / 2 / present.cell.volume
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)
        if len(self.models) > 1:
            self.results["energy_std"] = float(total.std(ddof=1))
            self.results["forces_std"] = np.sqrt(forces.var(axis=0, ddof=1).sum(axis=1))

    def _check(self, atoms: Atoms) -> None:
        first, *others = (model.elements for model in self.models)
        known = [symbol for symbol in first if all(symbol in other for other in others)]
        missing = sorted(set(atoms.symbols) - set(known))
        if missing:
            raise InputError(unknown_elements(self.label_of_potential, missing, known))


def evaluate(model: EdgeModel, numbers: Any, edges: Edges) -> tuple[Any, Any, Any]:
    """Energies (n_atoms,), forces (n_atoms, 3) and virial dE/d strain (3, 3), eV and Angstrom."""
    torch = load_torch()
    near = edges.within(model.cutoff)
    vectors = near.vectors.to(getattr(torch, model.dtype)).detach().requires_grad_()
    energies = model.energies(numbers, near, vectors).double()
    (slope,) = torch.autograd.grad(energies.sum(), vectors, allow_unused=True)
    slope = torch.zeros_like(near.vectors) if slope is None else slope.double()
    forces = torch.zeros((near.n_atoms, 3), dtype=torch.float64, device=slope.device)
    forces.index_add_(0, near.sender, slope)
    forces.index_add_(0, near.receiver, slope, alpha=-1)
    virial = near.vectors.T @ slope
    return tuple(part.detach().cpu().numpy() for part in (energies, forces, virial))
