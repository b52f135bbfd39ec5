"""Many pairs at once, on several cores."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from interlith.analysis.hull import Hull
from interlith.analysis.reactions import closed_minimum
from interlith.analysis.references import ReferenceSet
from interlith.analysis.reservations import caution
from interlith.errors import InputError, SolverError
from interlith.records import Amount, Record

CHUNK = 500

_hull: Hull | None = None


class PairRow(Record):
    """Closed reaction of one pair, short form; ``error`` says why there is none.

    ``reason`` says why an energy is not to be trusted.
    """

    a: str
    b: str
    energy_ev_per_atom: float | None = None
    mixing_fraction_a: float | None = None
    products: tuple[Amount, ...] = ()
    reason: str | None = None
    error: str | None = None


def react_pairs(
    reference: ReferenceSet,
    pairs: Sequence[tuple[str, str]],
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[PairRow]:
    """Closed reaction energies of many pairs, in order, as they are done.

    Parameters
    ----------
    reference : ReferenceSet
        The energies; its stable phases are found first (and kept).
    pairs : sequence of (str, str)
        Formulas.
    workers : int
        Processes; 1 stays in this one.
    progress : callable, optional
        Called with (done, all).
    """
    _start(reference)
    chunks = [pairs[i : i + CHUNK] for i in range(0, len(pairs), CHUNK)]
    done = 0
    if workers == 1:
        for chunk in chunks:
            rows = _solve(chunk)
            done += len(rows)
            yield from rows
            if progress is not None:
                progress(done, len(pairs))
        return
    context = multiprocessing.get_context()
    with ProcessPoolExecutor(workers, context, _start, (reference,)) as pool:
        for rows in pool.map(_solve, chunks):
            done += len(rows)
            yield from rows
            if progress is not None:
                progress(done, len(pairs))


def _start(reference: ReferenceSet) -> None:
    global _hull  # one hull per worker process
    if _hull is None or _hull.reference is not reference:
        _hull = Hull(reference, screening=True)


def _solve(pairs: Sequence[tuple[str, str]]) -> list[PairRow]:
    if _hull is None:
        raise RuntimeError("the worker was not started with a reference set")
    rows = []
    for a, b in pairs:
        try:
            one, other = _hull.compound(a), _hull.compound(b)
            energy, corner = closed_minimum(_hull, one, other)
        except (InputError, SolverError) as error:
            rows.append(PairRow(a=a, b=b, error=str(error)))
            continue
        reacts = energy < 0.0
        rows.append(
            PairRow(
                a=a,
                b=b,
                energy_ev_per_atom=energy,
                mixing_fraction_a=corner.position if reacts else None,
                products=_hull.amounts(corner.phases) if reacts else (),
                reason=caution(_hull.reference, one.composition, other.composition),
            )
        )
    return rows
