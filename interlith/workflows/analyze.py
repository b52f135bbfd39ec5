"""Transport from trajectory files that any program wrote."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from interlith.analysis.diffusion_results import DiffusionRecord, diffusion_record
from interlith.analysis.displacements import read_paths
from interlith.analysis.regional_results import RegionalRun, regional_runs
from interlith.analysis.trajectories import Trajectory, open_trajectory
from interlith.analysis.transport import TransportAnalysis, analyse
from interlith.analysis.transport_records import TrajectoryIdentity
from interlith.errors import InputError
from interlith.h5md import H5mdReader
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
    regions: bool | Path = False,
    depth_edges_angstrom: Sequence[float] = (),
) -> DiffusionRecord:
    """Analyse one trajectory for each temperature.

    Parameters
    ----------
    regions : bool or path
        Diffusion region by region too: by the labels that the trajectory carries, or by those of
        a structure file with the same atoms in the same order.
    depth_edges_angstrom : sequence of float
        Edges of bins of the distance to the nearest interface plane.

    Raises
    ------
    InputError
        If a file cannot be read, holds no mobile ion or has no time step, or the files are of
        different compositions.
    """
    begin = time.monotonic()
    analyses: list[TransportAnalysis] = []
    formulas: set[str] = set()
    regional: list[RegionalRun] = []
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
        if regions or len(depth_edges_angstrom):
            labelled = regions if isinstance(regions, Path) else path
            regional += _regional(
                source, region_names(labelled), mobile, analyses[-1], depth_edges_angstrom
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
        regions=regional,
        provenance=provenance(None, time.monotonic() - begin),
    )


def region_names(path: Path) -> tuple[str, ...]:
    """Region of every atom, as an H5MD file or the first frame of another file states it.

    Raises
    ------
    InputError
        If the file carries no labels.
    """
    names: Sequence[str] | None = None
    if path.suffix in (".h5", ".h5md"):
        with H5mdReader(path) as reader:
            names = reader.regions
    else:
        from ase.io import read

        try:
            atoms = read(path, index=0)
        except (OSError, ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read region labels from {path}: {error}") from error
        found = getattr(atoms, "arrays", {}).get("region")
        names = None if found is None else [str(name) for name in found]
    if names is None:
        raise InputError(
            f"{path} carries no region labels; give the labelled structure that the run started "
            "from with --regions FILE (`interlith build interface` writes one as .extxyz)"
        )
    return tuple(names)


def _regional(
    source: Trajectory,
    names: Sequence[str],
    mobile: str,
    analysis: TransportAnalysis,
    edges: Sequence[float],
) -> tuple[RegionalRun, ...]:
    """Regions of the part of a run that its diffusivity is from."""
    first = round(1000 * analysis.run.discarded_ps / source.time_step_fs)
    block = next(iter(source.blocks(1, range(first, first + 1))))
    return regional_runs(
        read_paths(source, mobile, first=first),
        names,
        block.positions[0],
        block.cells[0],
        temperature_k=analysis.run.temperature_k,
        discarded_ps=analysis.run.discarded_ps,
        depth_edges_angstrom=edges,
    )


def _formula(symbols: Sequence[str]) -> str:
    from pymatgen.core import Composition

    return str(Composition(Counter(symbols)).reduced_formula)
