"""MACE's convolution over neighbours as one matrix product for each atom.

mace writes the message of every edge, (channels, (lmax + 1)^2) numbers, into memory before it adds
them up; for scalar features the sum over neighbours is a product of two small matrices, and the
messages never exist.
"""

from __future__ import annotations

from typing import Any

from interlith.engines.ml.torch_setup import load_torch


class ScalarConvolution:
    """What ``conv_tp`` and the sum over edges give, for features that are all scalars.

    Parameters
    ----------
    tensor_product : e3nn.o3.TensorProduct
        Scalars times spherical harmonics, one path to each order.
    """

    def __init__(self, tensor_product: Any) -> None:
        self._channels = tensor_product.irreps_in1.dim
        self._sizes = [entry.dim for entry in tensor_product.irreps_in2]
        self._orders = [step.i_in2 for step in tensor_product.instructions]

    def __call__(self, features: Any, harmonics: Any, weights: Any, edge_index: Any) -> Any:
        """Sum of the messages at each atom, (n_atoms, dim); edges sorted by receiver."""
        torch = load_torch()
        sender, receiver = edge_index
        n_atoms, n_edges = len(features), len(sender)
        counts = torch.bincount(receiver, minlength=n_atoms)
        longest = int(counts.max())
        rank = torch.arange(n_edges, device=counts.device) - (counts.cumsum(0) - counts)[receiver]
        slot = receiver * longest + rank
        radial = weights.reshape(n_edges, len(self._orders), self._channels)
        radial = (radial * features[sender][:, None, :]).flatten(1)
        by_atom = [
            part.new_zeros((n_atoms * longest, part.shape[1]))
            .index_copy(0, slot, part)
            .reshape(n_atoms, longest, part.shape[1])
            for part in (radial, harmonics)
        ]
        radials = by_atom[0].transpose(1, 2).split(self._channels, dim=1)
        orders = by_atom[1].split(self._sizes, dim=2)
        sums = [
            torch.bmm(one, orders[order]) for one, order in zip(radials, self._orders, strict=True)
        ]
        return torch.cat([part.reshape(n_atoms, -1) for part in sums], dim=1)


def fuse_convolutions(model: Any) -> int:
    """Replace the convolutions that :class:`ScalarConvolution` does; how many those were.

    Each is compared with the one it replaces on random input and stays if it differs. Edges must
    come sorted by receiver from then on.
    """
    replaced = 0
    for interaction in model.interactions:
        old = interaction.conv_tp
        if hasattr(interaction, "conv_fusion") or not _is_scalar(old):
            continue
        new = ScalarConvolution(old)
        if _same(old, new, next(model.parameters())):
            del interaction.conv_tp
            interaction.conv_tp = new
            interaction.conv_fusion = True  # mace then leaves the sum over edges to conv_tp
            replaced += 1
    return replaced


def _is_scalar(product: Any) -> bool:
    if type(product).__name__ != "TensorProduct" or len(product.irreps_in1) != 1:
        return False
    harmonics = all(entry.mul == 1 for entry in product.irreps_in2)
    once = [step.i_out for step in product.instructions] == list(range(len(product.irreps_out)))
    modes = all(step.connection_mode == "uvu" and step.has_weight for step in product.instructions)
    return bool(product.irreps_in1.lmax == 0 and harmonics and once and modes)


def _same(old: Any, new: ScalarConvolution, like: Any) -> bool:
    torch = load_torch()
    made = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Any:
        return torch.randn(shape, generator=made, dtype=torch.float64).to(like)

    receiver = torch.tensor([0, 0, 0, 2, 2], device=like.device)
    sender = torch.tensor([1, 2, 0, 0, 1], device=like.device)
    features, harmonics = draw(3, old.irreps_in1.dim), draw(5, old.irreps_in2.dim)
    weights = draw(5, old.weight_numel)
    with torch.no_grad():
        messages = old(features[sender], harmonics, weights)
        due = torch.zeros((3, messages.shape[1])).to(messages).index_add_(0, receiver, messages)
        found = new(features, harmonics, weights, torch.stack((sender, receiver)))
    return bool(due.shape == found.shape and torch.allclose(due, found, rtol=1e-4, atol=1e-5))
