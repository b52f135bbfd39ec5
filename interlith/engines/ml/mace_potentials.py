"""MACE potentials by name: files, committees of files, fetched MACE-MP models, shipped models.

A model file runs code when it is loaded, so only files that the name says are ever opened, and
none is fetched from the network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from interlith.engines.identity import UNSTATED, Potential, PotentialIdentity
from interlith.engines.ml.model_files import (
    ModelCard,
    ModelContents,
    file_sha256,
    mace_cache,
    read_card,
    read_contents,
)
from interlith.engines.ml.pretrained import NO_CORRECTIONS, RAW_MPTRJ
from interlith.engines.ml.shipped_models import (
    MODELS_FOLDER,
    check_shipped,
    shipped_card,
    shipped_models,
)
from interlith.engines.ml.torch_setup import (
    DTYPES,
    check_installed,
    resolve_device,
    resolve_dtype,
    versions_of,
)
from interlith.errors import InputError

COMMITTEE_RESULTS = ("energy_std", "forces_std")


def mace_from_files(name: str, device: str, dtype: str | None) -> Potential:
    """``mace:/a.model`` or a committee ``mace:/a.model,/b.model``; ``#head`` at the end picks one.

    Raises
    ------
    InputError
        If a file is missing, named twice, or the members were made differently.
    """
    listed, _, head = name.removeprefix("mace:").partition("#")
    paths = [Path(part).expanduser() for part in listed.split(",") if part]
    if not paths:
        raise InputError(f"'{name}' names no file; write mace:/path/to/file.model")
    cards = [read_card(path) for path in paths]
    return _mace(name, paths, _common(name, cards), device, dtype, head or None)


def mace_shipped(name: str, device: str, dtype: str | None) -> Potential:
    """A committee that comes with interlith.

    Raises
    ------
    InputError
        If none of this name is shipped.
    FailureError
        If a file is not the one that its data card describes.
    """
    check_shipped(name)
    said = shipped_card(name)
    card = ModelCard(**{field: str(said.get(field, "")) for field in ModelCard.model_fields})
    return _mace(name, shipped_models()[name], card, device, dtype, None)


class _Published(NamedTuple):
    url: str
    functional: str = RAW_MPTRJ
    licence: str = "MIT"
    head: str | None = None


_RELEASES = "https://github.com/ACEsuit/mace-mp/releases/download/"
_FOUNDATIONS = "https://github.com/ACEsuit/mace-foundations/releases/download/"
_ACADEMIC = "ASL (academic use only)"
_OMAT = "PBE and PBE+U (OMat24 settings)"
PUBLISHED = {
    "small": _Published(_RELEASES + "mace_mp_0/2023-12-10-mace-128-L0_energy_epoch-249.model"),
    "medium": _Published(_RELEASES + "mace_mp_0/2023-12-03-mace-128-L1_epoch-199.model"),
    "large": _Published(_RELEASES + "mace_mp_0/MACE_MPtrj_2022.9.model"),
    "small-0b": _Published(_RELEASES + "mace_mp_0b/mace_agnesi_small.model"),
    "medium-0b": _Published(_RELEASES + "mace_mp_0b/mace_agnesi_medium.model"),
    "small-0b2": _Published(_RELEASES + "mace_mp_0b2/mace-small-density-agnesi-stress.model"),
    "medium-0b2": _Published(_RELEASES + "mace_mp_0b2/mace-medium-density-agnesi-stress.model"),
    "large-0b2": _Published(_RELEASES + "mace_mp_0b2/mace-large-density-agnesi-stress.model"),
    "medium-0b3": _Published(_RELEASES + "mace_mp_0b3/mace-mp-0b3-medium.model"),
    "medium-mpa-0": _Published(_RELEASES + "mace_mpa_0/mace-mpa-0-medium.model"),
    "small-omat-0": _Published(_RELEASES + "mace_omat_0/mace-omat-0-small.model", _OMAT, _ACADEMIC),
    "medium-omat-0": _Published(
        _RELEASES + "mace_omat_0/mace-omat-0-medium.model", _OMAT, _ACADEMIC
    ),
    "mace-matpes-pbe-0": _Published(
        _FOUNDATIONS + "mace_matpes_0/MACE-matpes-pbe-omat-ft.model", "PBE (MatPES)", _ACADEMIC
    ),
    "mace-matpes-r2scan-0": _Published(
        _FOUNDATIONS + "mace_matpes_0/MACE-matpes-r2scan-omat-ft.model",
        "r2SCAN (MatPES)",
        _ACADEMIC,
    ),
}
"""MACE models that their makers publish, by the names of ``mace.calculators.mace_mp``."""


def mace_published(name: str, device: str, dtype: str | None) -> Potential:
    """``mace_mp:small`` and its like, from mace's cache; never fetched.

    Raises
    ------
    InputError
        If the name is unknown, or the file is not in the cache; says where it is looked for.
    """
    short = name.removeprefix("mace_mp:")
    if short not in PUBLISHED:
        raise InputError(
            f"no MACE model is called '{short}'; there are {', '.join(PUBLISHED)}. A file runs as "
            "mace:/path/to/file.model"
        )
    model = PUBLISHED[short]
    path = cached_path(short)
    if not path.is_file():
        raise InputError(
            f"'{name}' is not in the cache of mace: there is no {path}. Fetch it where the network "
            f"allows (curl -L --create-dirs -o {path} {model.url}), or set XDG_CACHE_HOME to the "
            "folder above the 'mace' folder that holds it. interlith fetches no model by itself, "
            "since a model file is code"
        )
    card = ModelCard(functional=model.functional, corrections=NO_CORRECTIONS, licence=model.licence)
    return _mace(name, [path], card, device, dtype, model.head)


def cached_path(short: str) -> Path:
    """Where mace keeps the model of this name: its address without punctuation."""
    file = PUBLISHED[short].url.rsplit("/", 1)[-1]
    return mace_cache() / "".join(c for c in file if c.isalnum() or c == "_")


def _mace(
    name: str,
    paths: Sequence[Path],
    card: ModelCard,
    device: str,
    dtype: str | None,
    head: str | None,
) -> Potential:
    hashes = tuple(file_sha256(path) for path in paths)
    if len(set(hashes)) < len(hashes):
        raise InputError(f"'{name}' names the same model twice; a committee needs different ones")
    check_installed(name, "mace", "torch")
    contents = [read_contents(path) for path in paths]
    joined = hashlib.sha256(",".join(sorted(hashes)).encode()).hexdigest()
    identity = PotentialIdentity(
        name=name,
        sha256=hashes[0] if len(hashes) == 1 else joined,
        versions=versions_of("mace-torch", "torch", "ase"),
        dtype=resolve_dtype(dtype, "float32", name, DTYPES),
        device=resolve_device(device),
        licence=card.licence or UNSTATED,
        functional=card.functional or UNSTATED,
        corrections=card.corrections or UNSTATED,
        elements=_shared_elements(name, contents),
        files=tuple(_shown(path) for path in paths),
        members=hashes if len(hashes) > 1 else (),
    )
    computes = ("energy", "forces", "stress")
    return Potential(
        identity,
        partial(_calculator, identity, tuple(paths), head),
        computes + COMMITTEE_RESULTS if len(paths) > 1 else computes,
    )


def _shown(path: Path) -> str:
    """A file as records name it: one that was installed with interlith has no place of its own."""
    if path.is_relative_to(MODELS_FOLDER):
        return f"interlith/{path.relative_to(MODELS_FOLDER.parents[1]).as_posix()}"
    return str(path.resolve())


def _shared_elements(name: str, contents: Sequence[ModelContents]) -> tuple[str, ...]:
    if not all(content.elements for content in contents):
        return ()
    first = contents[0].elements
    shared = tuple(e for e in first if all(e in content.elements for content in contents))
    if not shared:
        raise InputError(f"the models of '{name}' share no element")
    return shared


def _common(name: str, cards: Sequence[ModelCard]) -> ModelCard:
    """One card for a committee; members with other energies have no mean."""
    for field in ("functional", "corrections"):
        said = {getattr(card, field) for card in cards}
        if len(said) > 1:
            listed = "; ".join(sorted(value or UNSTATED for value in said))
            raise InputError(f"the models of '{name}' differ in {field}: {listed}")
    licences = sorted({card.licence for card in cards if card.licence})
    return cards[0].model_copy(update={"licence": "; ".join(licences)})


def _calculator(
    identity: PotentialIdentity,
    paths: Sequence[Path],
    head: str | None,
    *,
    stress: bool,
    elements: tuple[str, ...] | None,
) -> Any:
    from interlith.engines.identity import unknown_elements
    from interlith.engines.ml.edge_calculator import EdgeCalculator
    from interlith.engines.ml.mace_convolution import fuse_convolutions
    from interlith.engines.ml.mace_models import MACEModel, head_index, load_mace, slice_elements
    from interlith.engines.ml.torch_setup import load_torch

    models = []
    for path in paths:
        module = load_mace(path)
        index = head_index(module, head, path)
        module = module.to(getattr(load_torch(), identity.dtype))
        if elements is not None:
            known = MACEModel(module, "cpu", identity.dtype).elements
            missing = sorted(set(elements) - set(known))
            if missing:
                raise InputError(unknown_elements(identity.name, missing, known))
            module = slice_elements(module, elements)
        fuse_convolutions(module)
        models.append(MACEModel(module, identity.device, identity.dtype, index))
    return EdgeCalculator(models, identity.name, stress=stress)
