"""What a potential is: its exact identity, and a calculator on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from interlith.errors import InputError
from interlith.records import Record

UNSTATED = "not stated by its maker"


class PotentialIdentity(Record):
    """Names a potential exactly.

    Attributes
    ----------
    sha256 : str
        Hash of the weight file; of the hashes of all files for a committee; of name and version
        for a potential without one.
    functional : str
        What its training energies were computed with.
    corrections : str
        Energy corrections already inside its energies: such energies never meet uncorrected ones
        in one hull. Empty where nothing is known.
    elements : tuple of str
        The elements it was made for, by atomic number; empty where nothing is known.
    files : tuple of str
        The weight files; loading one runs the code inside it.
    members : tuple of str
        Hashes of the members of a committee.
    """

    name: str
    sha256: str
    versions: dict[str, str]
    dtype: str
    device: str
    licence: str
    functional: str = ""
    corrections: str = ""
    elements: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Potential:
    """A named potential; ``calculator()`` makes a new ASE calculator, importing what it needs.

    Attributes
    ----------
    make : callable
        Takes the keywords ``stress`` and ``elements`` of :meth:`calculator`.
    computes : tuple of str
        ASE's names of what its calculator gives.
    """

    identity: PotentialIdentity
    make: Callable[..., Any]
    computes: tuple[str, ...] = ("energy", "forces", "stress")

    def calculator(self, *, stress: bool = True, elements: Iterable[str] | None = None) -> Any:
        """A new ASE calculator.

        Parameters
        ----------
        stress : bool
            False leaves the stress out where the model allows, as constant-volume runs want it.
        elements : iterable of str, optional
            The only elements that will come: a MACE model is cut down to them, which is exact
            and faster. Other potentials ignore it.

        Raises
        ------
        InputError
            If the potential does not know one of ``elements``.
        """
        wanted = None if elements is None else tuple(sorted(set(elements)))
        if wanted is not None:
            self.check_elements(wanted)
        return self.make(stress=stress, elements=wanted)

    def check_elements(self, symbols: Iterable[str]) -> None:
        """Refuse elements that the potential was not made for, before anything is spent.

        Raises
        ------
        InputError
            Names the missing elements and the known ones.
        """
        known = self.identity.elements
        missing = sorted(set(symbols) - set(known))
        if known and missing:
            raise InputError(unknown_elements(self.identity.name, missing, known))


def unknown_elements(name: str, missing: Iterable[str], known: Iterable[str]) -> str:
    """The message for elements that a potential does not know."""
    shown = list(known)
    listed = ", ".join(shown) if len(shown) <= 12 else f"{len(shown)} elements"
    return (
        f"the potential '{name}' does not know {', '.join(missing)}; it knows {listed}. "
        "Choose another potential or another material"
    )
