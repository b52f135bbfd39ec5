"""Transport from trajectory files that any program wrote."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from interlith.analysis.crossing_records import CrossingRun
from interlith.analysis.crossing_results import crossings_of
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
    crossing_margin_angstrom: float | None = None,
    interphase_angstrom: float | None = None,
    wrapped: bool | None = None,
) -> DiffusionRecord:
    """Analyse one trajectory for each temperature.

    Parameters
    ----------
    regions : bool or path
        Diffusion region by region too: by the labels that the trajectory carries, or by those of
        a structure file with the same atoms in the same order.
    depth_edges_angstrom : sequence of float
        Edges of bins of the distance to the nearest interface plane.
    crossing_margin_angstrom : float, optional
        Count crossings between regions too: how deep an atom must come into one to have crossed.
    interphase_angstrom : float, optional
        For crossings, a region of this width about each interface plane.
    wrapped : bool, optional
        Whether atoms come back on the other side of the cell; by default as the file tells.

    Raises
    ------
    InputError
        If a file cannot be read, holds no mobile ion or has no time step, a setting is not finite
        or positive, the equilibration leaves nothing of a run, or the files are of different
        compositions.
    """
    _check(equilibration_ps, depth_edges_angstrom, crossing_margin_angstrom, interphase_angstrom)
    begin = time.monotonic()
    analyses: list[TransportAnalysis] = []
    formulas: set[str] = set()
    regional: list[RegionalRun] = []
    across: list[CrossingRun] = []
    wanted = bool(regions) or len(depth_edges_angstrom) > 0
    if interphase_angstrom is not None and crossing_margin_angstrom is None:
        raise InputError(
            "an interphase is a region for counting crossings; give --crossings MARGIN too"
        )
    for path, temperature in zip(paths, temperatures_k, strict=True):
        source = open_trajectory(path, time_step_fs=time_step_fs, symbols=symbols, wrapped=wrapped)
        _check_length(equilibration_ps, source)
        formulas.add(_formula(source.symbols))
        analyses.append(_analysed(source, path, temperature, mobile, charge_e, equilibration_ps))
        if wanted or crossing_margin_angstrom is not None:
            names = region_names(regions if isinstance(regions, Path) else path)
            part = _Labelled(source, names, mobile, analyses[-1])
        if wanted:
            regional += part.regional(depth_edges_angstrom)
        if crossing_margin_angstrom is not None:
            across.append(part.crossings(charge_e, crossing_margin_angstrom, interphase_angstrom))
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
        crossings=across,
        provenance=provenance(None, time.monotonic() - begin),
    )


def _check(
    equilibration_ps: float | None,
    depth_edges_angstrom: Sequence[float],
    crossing_margin_angstrom: float | None,
    interphase_angstrom: float | None,
) -> None:
    """Refuse what is not finite or negative before a file is read."""
    if equilibration_ps is not None and not 0 <= equilibration_ps < math.inf:
        raise InputError(
            f"an equilibration of {equilibration_ps:g} ps (--equilibration-ps); give 0 or more, or "
            "leave it out to have it found"
        )
    if not all(0 <= edge < math.inf for edge in depth_edges_angstrom):
        edges = ",".join(f"{edge:g}" for edge in depth_edges_angstrom)
        raise InputError(
            f"edges {edges} of distance bins (--depth-bins); each is a finite distance in "
            "Angstrom, 0 or more"
        )
    for words, value in (
        ("a margin (--crossings)", crossing_margin_angstrom),
        ("an interphase (--interphase)", interphase_angstrom),
    ):
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"{words} of {value:g} Angstrom; give a finite one above 0")


def _check_length(equilibration_ps: float | None, source: Trajectory) -> None:
    length = source.n_frames * source.time_step_fs / 1000
    if equilibration_ps is not None and equilibration_ps >= length:
        raise InputError(
            f"an equilibration of {equilibration_ps:g} ps leaves nothing of {source.path.name}, "
            f"which is {length:g} ps long; leave out less (--equilibration-ps)"
        )


def _analysed(
    source: Trajectory,
    path: Path,
    temperature_k: float,
    mobile: str,
    charge_e: float,
    equilibration_ps: float | None,
) -> TransportAnalysis:
    found = read_paths(source, mobile)
    return analyse(
        found,
        temperature_k,
        charge_e=charge_e,
        equilibration_fs=None if equilibration_ps is None else 1000 * equilibration_ps,
        trajectory=TrajectoryIdentity(
            path=str(path),
            sha256=file_sha256(path),
            frames=found.n_frames,
            time_step_fs=found.time_step_fs,
        ),
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


class _Labelled:
    """Regions of the part of a run that its diffusivity is from."""

    def __init__(
        self, source: Trajectory, names: Sequence[str], mobile: str, analysis: TransportAnalysis
    ) -> None:
        run = analysis.run
        first = round(1000 * run.discarded_ps / source.time_step_fs)
        block = next(iter(source.blocks(1, range(first, first + 1))))
        self.where = (read_paths(source, mobile, first=first), names)
        self.frame = (block.positions[0], block.cells[0])
        self.temperature_k, self.discarded_ps = run.temperature_k, run.discarded_ps
        self.intact = run.framework_intact

    def regional(self, edges: Sequence[float]) -> tuple[RegionalRun, ...]:
        return regional_runs(
            *self.where,
            *self.frame,
            temperature_k=self.temperature_k,
            discarded_ps=self.discarded_ps,
            depth_edges_angstrom=edges,
        )

    def crossings(self, charge_e: float, margin: float, interphase: float | None) -> CrossingRun:
        return crossings_of(
            *self.where,
            *self.frame,
            temperature_k=self.temperature_k,
            charge_e=charge_e,
            margin_angstrom=margin,
            interphase_angstrom=interphase,
            framework_intact=self.intact,
            discarded_ps=self.discarded_ps,
        )


def _formula(symbols: Sequence[str]) -> str:
    from pymatgen.core import Composition

    return str(Composition(Counter(symbols)).reduced_formula)
