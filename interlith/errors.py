"""The error tree. Every message says what came, what is allowed and what to do.

``InputError`` and its children mean that the caller can mend the input; the command line
turns them into exit code 2. ``FailureError`` means that the work itself failed (exit code 1).
"""

from __future__ import annotations


class InterlithError(Exception):
    """Base of every error that interlith raises on purpose."""


class InputError(InterlithError, ValueError):
    """Something the caller gave cannot be used as it is."""


class FormulaError(InputError):
    """A chemical formula that cannot be read."""


class ReferenceSetError(InputError):
    """A reference energy set that cannot be loaded or used."""


class MissingElementError(ReferenceSetError):
    """A composition asks for an element that the reference set does not hold."""


class StudyError(InputError):
    """A study file that does not validate."""


class MissingDependencyError(InterlithError, ImportError):
    """An optional dependency is needed and absent; the message names the extra to install."""


class FailureError(InterlithError, RuntimeError):
    """The input was fine and the work failed."""


class SolverError(FailureError):
    """The linear-programming solver gave no optimum where one must exist."""


class OutputError(InputError, OSError):
    """A result could not be written (no permission, no space)."""
