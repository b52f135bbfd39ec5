"""CHGNet reduced to energies from edge vectors, with its two graphs built by array operations.

chgnet's own converter makes Python objects of every edge and asks for second derivatives; both
are left out here and the energies are the same.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from interlith.engines.ml.neighbours import Edges
from interlith.engines.ml.pretrained import MPTRJ_ELEMENTS
from interlith.engines.ml.torch_setup import load_torch


class CHGNetModel:
    """A CHGNet checkpoint as an :class:`~interlith.engines.ml.edge_calculator.EdgeModel`."""

    def __init__(self, weights: Path, device: str, dtype: str) -> None:
        torch = load_torch()
        from chgnet.model.model import CHGNet

        with contextlib.redirect_stdout(io.StringIO()):  # it announces its size
            model = CHGNet.from_file(str(weights), mlp_out_bias=False)
        self._model = model.to(device=device, dtype=getattr(torch, dtype)).eval()
        self._model.requires_grad_(False)
        self.cutoff = float(model.graph_converter.atom_graph_cutoff)
        self._bond_cutoff = float(model.graph_converter.bond_graph_cutoff)
        self.elements = MPTRJ_ELEMENTS  # it has numbers for five more, which it never saw
        self.device, self.dtype = device, dtype

    def energies(self, numbers: Any, edges: Edges, vectors: Any) -> Any:
        """As :meth:`EdgeModel.energies`."""
        torch, model = load_torch(), self._model
        from chgnet.model.model import BatchedGraph

        index = torch.arange(len(edges.sender), device=self.device)
        first = torch.nonzero(index < edges.reverse).squeeze(1)
        undirected = torch.empty_like(index)
        undirected[first] = torch.arange(len(first), device=self.device)
        undirected[edges.reverse[first]] = undirected[first]

        lengths = torch.linalg.vector_norm(vectors, dim=1)
        angles = self._angles(edges, lengths)
        bonds = model.bond_basis_expansion
        directions = -vectors / lengths[:, None]
        graph = BatchedGraph(
            atomic_numbers=numbers,
            bond_bases_ag=bonds.rbf_expansion_ag(lengths[first]),
            bond_bases_bg=bonds.rbf_expansion_bg(lengths[first]),
            angle_bases=model.angle_basis_expansion(directions[angles[0]], directions[angles[1]]),
            batched_atom_graph=torch.stack((edges.sender, edges.receiver), dim=1),
            batched_bond_graph=torch.stack(
                (edges.sender[angles[0]], undirected[angles[0]], undirected[angles[1]]), dim=1
            ),
            atom_owners=torch.zeros(edges.n_atoms, dtype=torch.int64, device=self.device),
            directed2undirected=undirected,
            atom_positions=[],
            strains=[],
            volumes=[],
        )
        sites = model._compute(graph, return_site_energies=True)["site_energies"][0]
        return sites + model.composition_model.fc.weight[0][numbers - 1]

    def _angles(self, edges: Edges, lengths: Any) -> Any:
        """Ordered pairs of different short edges that leave the same atom, (2, n_angles)."""
        torch = load_torch()
        short = torch.nonzero(lengths.detach() < self._bond_cutoff).squeeze(1)
        centres = edges.sender[short]
        counts = torch.bincount(centres, minlength=edges.n_atoms)
        starts = torch.cumsum(counts, dim=0) - counts
        partners = counts[centres]
        left = torch.repeat_interleave(torch.arange(len(short), device=self.device), partners)
        within = torch.arange(len(left), device=self.device)
        within = within - torch.repeat_interleave(torch.cumsum(partners, 0) - partners, partners)
        right = starts[centres[left]] + within
        different = left != right
        return torch.stack((short[left[different]], short[right[different]]))
