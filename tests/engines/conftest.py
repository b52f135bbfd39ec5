"""Randomly initialised small MACE models, for tests that need a model and no training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlith.engines.potentials import potential

MaceMaker = Callable[..., Path]


def small_mace(
    numbers: Sequence[int] = (3, 17),
    *,
    seed: int = 0,
    r_max: float = 4.0,
    irreps: str = "8x0e",
    heads: Sequence[str] = ("Default",),
) -> Any:
    """A ScaleShiftMACE in single precision whose forces are of the order of 1 eV/A."""
    from interlith.engines.ml.torch_setup import load_e3nn, load_torch

    torch = load_torch()
    load_e3nn()
    from e3nn import o3
    from mace import modules
    from mace.tools.torch_tools import default_dtype

    torch.manual_seed(seed)
    with default_dtype("float32"):
        return modules.ScaleShiftMACE(
            r_max=r_max,
            num_bessel=6,
            num_polynomial_cutoff=5,
            max_ell=2,
            interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
            interaction_cls_first=modules.interaction_classes["RealAgnosticInteractionBlock"],
            num_interactions=2,
            num_elements=len(numbers),
            hidden_irreps=o3.Irreps(irreps),
            MLP_irreps=o3.Irreps("8x0e"),
            atomic_energies=np.tile(np.linspace(-5, -1, len(numbers)), (len(heads), 1)),
            avg_num_neighbors=3.0,
            atomic_numbers=list(numbers),
            correlation=2,
            gate=torch.nn.functional.silu,
            radial_MLP=[16, 16],
            atomic_inter_scale=[100.0] * len(heads),
            atomic_inter_shift=[0.0] * len(heads),
            heads=list(heads),
        )


@pytest.fixture(scope="session")
def mace_file(tmp_path_factory: pytest.TempPathFactory) -> MaceMaker:
    """Makes (once for each set of arguments) the file of a :func:`small_mace`."""
    pytest.importorskip("mace")
    folder, made, built = tmp_path_factory.mktemp("mace"), {}, {}

    def make(**settings: Any) -> Path:
        import torch

        key = str(sorted(settings.items()))
        if key not in made:
            made[key] = folder / f"{len(made)}.model"
            seed = settings.pop("seed", 0)
            plain = str(sorted(settings.items()))
            if plain not in built:
                built[plain] = small_mace(**settings)
            torch.save(_reseeded(built[plain], seed), made[key])
        return made[key]

    return make


def _reseeded(model: Any, seed: int) -> Any:
    """Other weights in the same model: a copy takes a hundredth of the time of a new one."""
    if not seed:
        return model
    import torch

    other, random = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in other.parameters():
            weights += (
                0.3 * weights.std().nan_to_num() * torch.randn(weights.shape, generator=random)
            )
    return other


@pytest.fixture(scope="session")
def learned() -> Callable[..., Any]:
    """Calculators of pretrained potentials, made once: that takes longer than most tests."""
    pytest.importorskip("torch")

    @cache
    def make(name: str, dtype: str | None = None) -> Any:
        pytest.importorskip("sevenn" if name.startswith("7net") else name)
        return potential(name, dtype=dtype).calculator()

    return make
