"""Transport from trajectory files that any program wrote."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from interlith.analysis.diffusion_results import DiffusionRecord, diffusion_record
from interlith.analysis.displacements import read_paths
from interlith.analysis.trajectories import open_trajectory
from interlith.analysis.transport import TransportAnalysis, analyse
from interlith.analysis.transport_records import TrajectoryIdentity
from interlith.errors import InputError
from interlith.provenance import file_sha256, provenance


def analyze_files(
    paths: Sequence[Path],
    temperatures_k: Sequence[float],
    *,
    mobile: str = "Li",
    charge_e: float = 1.0,
    time_step_fs: float | None = None,
    equilibration_ps: float | None = None,
    symbols: Sequence[str] | None = None,
) -> DiffusionRecord:
    """Analyse one trajectory for each temperature.

    Raises
    ------
    InputError
        If a file cannot be read, holds no mobile ion or has no time step, or the files are of
        different compositions.
    """
    begin = time.monotonic()
    analyses: list[TransportAnalysis] = []
    formulas: set[str] = set()
    for path, temperature in zip(paths, temperatures_k, strict=True):
        source = open_trajectory(path, time_step_fs=time_step_fs, symbols=symbols)
        found = read_paths(source, mobile)
        formulas.add(_formula(found.symbols))
        analyses.append(
            analyse(
                found,
                temperature,
                charge_e=charge_e,
                equilibration_fs=None if equilibration_ps is None else 1000 * equilibration_ps,
                trajectory=TrajectoryIdentity(
                    path=str(path),
                    sha256=file_sha256(path),
                    frames=found.n_frames,
                    time_step_fs=found.time_step_fs,
                ),
            )
        )
    if len(formulas) > 1:
        raise InputError(
            f"the trajectories are of different compositions ({', '.join(sorted(formulas))}); "
            "analyse one material at a time"
        )
    return diffusion_record(
        analyses,
        formula=formulas.pop(),
        material=Path(paths[0]).name,
        provenance=provenance(None, time.monotonic() - begin),
    )


def _formula(symbols: Sequence[str]) -> str:
    from pymatgen.core import Composition

    return str(Composition(Counter(symbols)).reduced_formula)
