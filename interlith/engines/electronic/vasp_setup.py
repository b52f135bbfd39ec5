"""Whether VASP can run here: its command, its potentials, and what to do where one is missing."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from interlith.errors import InputError, MissingDependencyError

LAUNCHERS = ("mpirun", "mpiexec", "srun", "ibrun", "aprun", "jsrun", "orterun")
PACKED = ("", ".gz", ".bz2", ".xz", ".Z")


def check_vasp_command(command: str | None = None) -> str:
    """The command that runs VASP, if its program can be found.

    Parameters
    ----------
    command : str, optional
        atomate2's setting ``VASP_CMD`` if left out.

    Raises
    ------
    MissingDependencyError
        If a program that it names is not on the path.
    """
    if command is None:
        from atomate2 import SETTINGS

        command = str(SETTINGS.VASP_CMD)
    words = [word for word in shlex.split(os.path.expandvars(command)) if word]
    programs = words[:1]
    if words and Path(words[0]).name in LAUNCHERS:
        programs += [word for word in words[1:] if "vasp" in Path(word).name.lower()][:1]
    missing = [program for program in programs if shutil.which(program) is None]
    if missing or not words:
        raise MissingDependencyError(
            f"the VASP command '{command}' cannot run here: there is no program "
            f"{' or '.join(missing) or '(the command is empty)'}. Load the module that has VASP, "
            "or name the command in ~/.atomate2.yaml (VASP_CMD: srun vasp_std) or in "
            "ATOMATE2_VASP_CMD; without a licence use --engine gpaw or a potential"
        )
    return command


def check_potentials(elements: Iterable[str], inputs: Any) -> None:
    """Refuse a run whose potentials are not there, before any is queued.

    Parameters
    ----------
    elements : iterable of str
        Chemical symbols.
    inputs : pymatgen VaspInputSet
        Names the potential of each element and their functional.

    Raises
    ------
    MissingDependencyError
        If no folder of potentials is set, it is not there, or it lacks some.
    InputError
        If an element has no potential in the input set.
    """
    from pymatgen.core import SETTINGS

    place = SETTINGS.get("PMG_VASP_PSP_DIR") or os.environ.get("PMG_VASP_PSP_DIR")
    functional = str(inputs.user_potcar_functional)
    advice = (
        "set PMG_VASP_PSP_DIR (in ~/.config/.pmgrc.yaml or the environment) to the folder that "
        f"holds {_subfolder(functional)}, which `pmg config -p FROM TO` makes of VASP's own archive"
    )
    if not place:
        raise MissingDependencyError(f"VASP's potentials are not set up: {advice}")
    if not Path(place).is_dir():
        raise MissingDependencyError(f"PMG_VASP_PSP_DIR is '{place}', which is no folder: {advice}")
    names = inputs.CONFIG["POTCAR"]
    wanted = sorted(set(elements))
    unknown = [element for element in wanted if element not in names]
    if unknown:
        raise InputError(
            f"the Materials Project's VASP settings have no potential for {', '.join(unknown)}"
        )
    folder = Path(place).expanduser() / _subfolder(functional)
    missing = [names[e] for e in wanted if not _has_potential(folder, names[e])]
    if missing:
        raise MissingDependencyError(f"'{folder}' has no potential {', '.join(missing)}; {advice}")


def _subfolder(functional: str) -> str:
    from pymatgen.core import SETTINGS
    from pymatgen.io.vasp.inputs import PotcarSingle

    named = SETTINGS.get("PMG_VASP_PSP_SUB_DIRS") or {}
    return str(named.get(functional, PotcarSingle.functional_dir[functional]))


def _has_potential(folder: Path, symbol: str) -> bool:
    """Either way that pymatgen looks for it, packed or not."""
    plain = (folder / f"POTCAR.{symbol}", folder / symbol / "POTCAR")
    return any(path.with_name(path.name + end).is_file() for path in plain for end in PACKED)
