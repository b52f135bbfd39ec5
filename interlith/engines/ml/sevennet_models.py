"""SevenNet reduced to energies from edge vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interlith.engines.ml.neighbours import Edges
from interlith.engines.ml.torch_setup import load_e3nn, load_torch


class SevenNetModel:
    """A SevenNet checkpoint as an :class:`~interlith.engines.ml.edge_calculator.EdgeModel`."""

    def __init__(self, weights: Path, device: str, dtype: str) -> None:
        torch = load_torch()
        load_e3nn()
        import sevenn._keys as keys
        from ase.data import chemical_symbols
        from sevenn.util import model_from_checkpoint

        model, config = model_from_checkpoint(str(weights))
        model.set_is_batch_data(False)
        model.delete_module_by_key("force_output")  # forces are taken from the edges here
        model.key_grad = None
        self._model = model.to(device=device, dtype=getattr(torch, dtype)).eval()
        self._model.requires_grad_(False)
        self._keys = keys
        self.cutoff = float(config[keys.CUTOFF])
        self.elements = tuple(chemical_symbols[z] for z in sorted(config[keys.TYPE_MAP]))
        self.device, self.dtype = device, dtype

    def energies(self, numbers: Any, edges: Edges, vectors: Any) -> Any:
        """As :meth:`EdgeModel.energies`."""
        torch, keys = load_torch(), self._keys
        data = {
            keys.ATOMIC_NUMBERS: numbers,
            keys.NODE_FEATURE: numbers,
            keys.EDGE_IDX: torch.stack((edges.sender, edges.receiver)),
            keys.EDGE_VEC: vectors,
            keys.NUM_ATOMS: torch.tensor(edges.n_atoms, device=self.device),
        }
        if self.dtype == "float32":
            return self._model(data)[keys.ATOMIC_ENERGY].reshape(-1)
        data[keys.NODE_FEATURE] = self._model._atomic_numbers_to_onehot(numbers)
        for part in self._model:  # some parts make single precision of what they get
            data = {
                key: value.double() if value.is_floating_point() else value
                for key, value in part(data).items()
            }
        return data[keys.ATOMIC_ENERGY].reshape(-1)
