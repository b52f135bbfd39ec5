"""How torch is started: few threads, one device, and e3nn made importable."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import metadata, util
from pathlib import Path
from typing import Any

from interlith.errors import InputError, MissingDependencyError

DEVICES = ("cpu", "cuda", "auto")
DTYPES = ("float32", "float64")


def settle_threads() -> None:
    """One passive thread a process, unless the environment says otherwise.

    Must run before torch is imported: two spinning threads on busy cores are 100 times slower
    than one.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def load_torch() -> Any:
    """Torch, with the threads settled before its first import."""
    settle_threads()
    import torch

    return torch


def check_installed(potential: str, *packages: str) -> None:
    """Refuse a potential whose packages are absent, without importing them.

    Raises
    ------
    MissingDependencyError
        Names the extra to install.
    """
    missing = [package for package in packages if util.find_spec(package) is None]
    if missing:
        raise MissingDependencyError(
            f"the potential '{potential}' needs {' and '.join(missing)}, not installed here; run "
            "pip install 'interlith[ml]'"
        )


def resolve_device(device: str) -> str:
    """``cpu`` or ``cuda``: what ``auto`` means here, and whether ``cuda`` can be had.

    torch is asked (and imported) only on a machine that has an NVIDIA driver and a CUDA build.

    Raises
    ------
    InputError
        If there is no such device.
    """
    if device not in DEVICES:
        raise InputError(f"device '{device}' is none of {', '.join(DEVICES)}")
    if device == "cpu":
        return device
    has_cuda = _may_have_cuda() and bool(load_torch().cuda.is_available())
    if device == "cuda" and not has_cuda:
        raise InputError(
            "device 'cuda': torch sees no CUDA device here (it needs an NVIDIA driver and a CUDA "
            "build of torch); use 'cpu' or 'auto'"
        )
    return "cuda" if has_cuda else "cpu"


def resolve_dtype(dtype: str | None, default: str, name: str, allowed: tuple[str, ...]) -> str:
    """The number type asked for, or the potential's own.

    Raises
    ------
    InputError
        If the potential cannot run in it.
    """
    chosen = dtype or default
    if chosen not in allowed:
        raise InputError(
            f"dtype '{chosen}' for the potential '{name}': it takes {' or '.join(allowed)}"
        )
    return chosen


def load_e3nn() -> None:
    """Import e3nn, whose constants hold a slice that torch >= 2.6 refuses to unpickle untold.

    To be called before mace or sevenn is imported.
    """
    with load_torch().serialization.safe_globals([slice]), warnings.catch_warnings():
        # mace sets this variable, and torch warns of it in every process started afterwards
        warnings.filterwarnings("ignore", message=".*TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
        import e3nn.o3  # noqa: F401


def versions_of(*packages: str) -> dict[str, str]:
    """Installed versions, without importing anything."""
    return {package: metadata.version(package) for package in packages}


def _may_have_cuda() -> bool:
    if util.find_spec("torch") is None:
        return False
    driver = not sys.platform.startswith("linux") or Path("/proc/driver/nvidia").exists()
    return driver and not metadata.version("torch").endswith("+cpu")
