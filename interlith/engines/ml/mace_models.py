"""MACE reduced to energies from edge vectors, and cut down to the elements that are there."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from interlith.engines.ml.neighbours import Edges
from interlith.engines.ml.torch_setup import load_e3nn, load_torch
from interlith.errors import InputError

SAME_EV = 1e-6
_UNDERSTOOD = ("MACE", "ScaleShiftMACE")


class MACEModel:
    """A loaded MACE as an :class:`~interlith.engines.ml.edge_calculator.EdgeModel`."""

    def __init__(self, model: Any, device: str, dtype: str, head: int = 0) -> None:
        torch = load_torch()
        from ase.data import chemical_symbols

        self._model = model.to(device=device, dtype=getattr(torch, dtype)).eval()
        self._model.requires_grad_(False)
        self._type = getattr(torch, dtype)
        numbers = [int(z) for z in model.atomic_numbers]
        self._column = torch.full((len(chemical_symbols),), -1, dtype=torch.int64, device=device)
        self._column[torch.tensor(numbers, device=device)] = torch.arange(
            len(numbers), device=device
        )
        self._n_elements = len(numbers)
        self._head = torch.tensor([head], device=device)
        self.cutoff = float(model.r_max)
        self.elements = tuple(chemical_symbols[z] for z in numbers)
        self.device, self.dtype = device, dtype

    def energies(self, numbers: Any, edges: Edges, vectors: Any) -> Any:
        """As :meth:`EdgeModel.energies`."""
        torch = load_torch()
        n_atoms, device = edges.n_atoms, self.device
        columns = self._column[numbers]
        back = -vectors  # every edge the other way round, so that they come sorted by receiver
        data = {
            "node_attrs": torch.nn.functional.one_hot(columns, self._n_elements).to(self._type),
            "positions": torch.zeros((n_atoms, 3), dtype=self._type, device=device),
            "shifts": back,  # mace adds them to the differences of the positions
            "unit_shifts": back,
            "cell": torch.zeros((3, 3), dtype=self._type, device=device),
            "edge_index": torch.stack((edges.receiver, edges.sender)),
            "batch": torch.zeros(n_atoms, dtype=torch.int64, device=device),
            "ptr": torch.tensor([0, n_atoms], device=device),
            "head": self._head,
        }
        return self._model(data, compute_force=False)["node_energy"]


def load_mace(path: Path) -> Any:
    """The torch module in a MACE file. This runs code in the file: only ever a path that was named.

    Raises
    ------
    InputError
        If the file holds no MACE model that can be run here.
    """
    torch = load_torch()
    try:
        load_e3nn()
        with redirect_stdout(io.StringIO()):  # mace announces which accelerators it lacks
            model = torch.load(path, map_location="cpu", weights_only=False)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        AttributeError,
        ImportError,
        ValueError,
    ) as error:
        raise InputError(f"'{path}' cannot be read as a MACE model: {error}") from error
    kind = type(model).__name__
    if kind not in _UNDERSTOOD or hasattr(model, "joint_embedding"):
        raise InputError(
            f"'{path}' holds a {kind}; only MACE and ScaleShiftMACE models without charge or spin "
            "inputs run as 'mace:'. Run others as "
            f"""'ase:mace.calculators.MACECalculator{{"model_paths": "{path}", "device": "cpu"}}'"""
        )
    return model


def shift_element_energies(
    source: Path, target: Path, shifts: Mapping[str, float]
) -> dict[str, float]:
    """Write a copy of a model whose elements' energies (eV) are shifted; forces stay as they are.

    Returns
    -------
    dict
        The energy of each element in the copy.

    Raises
    ------
    InputError
        If the model cannot be read, has several heads, or does not know an element.
    """
    torch = load_torch()
    from ase.data import chemical_symbols

    model = load_mace(source)
    head_index(model, None, source)
    elements = [chemical_symbols[int(z)] for z in model.atomic_numbers]
    unknown = sorted(set(shifts) - set(elements))
    if unknown:
        raise InputError(f"'{source}' knows {', '.join(elements)}, not {', '.join(unknown)}")
    energies = model.atomic_energies_fn.atomic_energies
    with torch.no_grad():
        added = torch.tensor([shifts.get(one, 0.0) for one in elements], dtype=energies.dtype)
        energies += added.reshape(energies.shape)
    torch.save(model, target)
    return dict(zip(elements, map(float, energies.flatten()), strict=True))


def head_index(model: Any, head: str | None, path: Path) -> int:
    """Position of a head by name; a model with several must be told which.

    Raises
    ------
    InputError
        If the head is missing or unsaid.
    """
    heads = list(getattr(model, "heads", None) or ["Default"])
    if head is None and len(heads) == 1:
        return 0
    if head not in heads:
        said = "no head was named" if head is None else f"there is no head '{head}'"
        raise InputError(
            f"'{path}' has the heads {', '.join(heads)} and {said}; write mace:{path}#{heads[-1]}"
        )
    return heads.index(head)


def slice_elements(model: Any, symbols: Sequence[str]) -> Any:
    """The same function for fewer elements; the model itself where it cannot be cut exactly.

    Parameters
    ----------
    model : ScaleShiftMACE
        Left as it is.
    symbols : sequence of str
        Elements to keep; all known to the model.

    Notes
    -----
    A model of the same build is made for fewer elements, and the weights that belong to an
    element are picked; those of e3nn's linear maps carry the square root of the number of
    elements, which changes. The result is compared with the whole model on a probe and thrown
    away if it differs.
    """
    from ase.data import atomic_numbers

    keep = sorted(atomic_numbers[symbol] for symbol in symbols)
    old = [int(z) for z in model.atomic_numbers]
    if type(model).__name__ != "ScaleShiftMACE" or keep == sorted(old):
        return model
    torch = load_torch()
    dtype = next(model.parameters()).dtype
    model.double()  # so that picking and comparing round nothing
    sliced = _rebuilt(model, keep)
    if sliced is not None:
        with torch.no_grad():
            copied = _copy_weights(model, sliced, [old.index(z) for z in keep])
        sliced = sliced if copied and _agree(model, sliced, keep) else None
    model.to(dtype=dtype)
    return model if sliced is None else sliced.to(dtype=dtype)


def _rebuilt(model: Any, keep: list[int]) -> Any:
    """A model of the same build for the atomic numbers ``keep``; None if it cannot be made."""
    torch = load_torch()
    from mace.tools.scripts_utils import extract_config_mace_model
    from mace.tools.torch_tools import default_dtype

    config = extract_config_mace_model(model)
    if "error" in config or config.get("cueq_config") is not None:
        return None
    config["num_elements"] = len(keep)
    config["atomic_numbers"] = keep
    chosen = [[int(z) for z in model.atomic_numbers].index(z) for z in keep]
    config["atomic_energies"] = config["atomic_energies"][..., chosen]
    state = torch.random.get_rng_state()
    with default_dtype("float64"):
        rebuilt = type(model)(**config)
    torch.random.set_rng_state(state)  # the weights drawn here are thrown away
    return rebuilt


def _copy_weights(old: Any, new: Any, chosen: list[int]) -> bool:
    """Fill ``new`` from ``old``; False if a tensor does not say which part is an element's."""
    n_old, n_new = len(old.atomic_numbers), len(chosen)
    there = dict(new.named_modules())
    for name, module in old.named_modules():
        if name not in there:
            return False
        source = dict(module.named_parameters(recurse=False)) | dict(
            module.named_buffers(recurse=False)
        )
        goal = dict(there[name].named_parameters(recurse=False)) | dict(
            there[name].named_buffers(recurse=False)
        )
        if source.keys() != goal.keys():
            return False
        for key, tensor in source.items():
            if key in ("atomic_numbers", "atomic_energies"):
                continue
            picked = tensor
            if tensor.shape != goal[key].shape:
                picked = _pick(module, tensor, chosen, n_old)
                if picked is None or picked.numel() != goal[key].numel():
                    return False
                if tensor.dim() == 1:  # e3nn divides by the root of the number of inputs
                    picked = picked * (n_new / n_old) ** 0.5
            goal[key].copy_(picked.reshape(goal[key].shape))
    return True


def _pick(module: Any, tensor: Any, chosen: list[int], n_old: int) -> Any:
    """The part of a weight that belongs to the chosen elements; None if that is not known."""
    kind = type(module).__name__
    if kind == "Linear" and module.irreps_in.dim == n_old:  # one scalar for each element
        return tensor.reshape(n_old, -1)[chosen].reshape(-1)
    if kind == "FullyConnectedTensorProduct":
        blocks, start = [], 0
        for instruction in module.instructions:
            shape, size = instruction.path_shape, _product(instruction.path_shape)
            if shape[1] != n_old:
                return None
            block = tensor[start : start + size].reshape(shape)
            blocks.append(block[:, chosen].reshape(-1))
            start += size
        return load_torch().cat(blocks)
    if tensor.dim() > 1 and tensor.shape[0] == n_old:
        return tensor[chosen]
    return None


def _product(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _agree(whole: Any, sliced: Any, numbers: list[int]) -> bool:
    """Whether both, in double precision, give the energies of one disordered crystal."""
    import numpy as np
    from ase import Atoms

    from interlith.engines.ml.edge_calculator import evaluate
    from interlith.engines.ml.neighbours import NeighbourList

    torch = load_torch()
    species = (numbers * 8)[:8] if len(numbers) < 8 else numbers
    side = int(np.ceil(len(species) ** (1 / 3)))
    places = np.argwhere(np.ones((side, side, side)))[: len(species)] * 2.6
    places += np.random.default_rng(0).uniform(-0.3, 0.3, places.shape)
    atoms = Atoms(species, positions=places, cell=[2.6 * side] * 3, pbc=True)
    found = []
    for model in (whole, sliced):
        heads = range(len(getattr(model, "heads", None) or ["Default"]))
        for head in heads:
            wrapped = MACEModel(model, "cpu", "float64", head)
            edges = NeighbourList(wrapped.cutoff).edges(atoms)
            found.append(evaluate(wrapped, torch.tensor(atoms.numbers), edges)[0])
    half = len(found) // 2
    return bool(np.allclose(found[:half], found[half:], rtol=SAME_EV, atol=SAME_EV))
