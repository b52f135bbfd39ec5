"""What can go wrong in a store; bad input ends with exit code 2, failed work with 1."""

from __future__ import annotations

from interlith.errors import FailureError, InputError


class StoreError(FailureError):
    """The store cannot be reached, read or written."""


class NoProjectError(InputError):
    """No folder ``.interlith`` where one is needed."""


class NoSuchRecordError(InputError):
    """Nothing, or more than one thing, is stored under this key."""


class NewerSchemaError(InputError):
    """Written by a newer interlith than this one."""


class ForeignDocumentError(InputError):
    """A document that no interlith wrote, or that names code it must not load."""


class DocumentTooLargeError(InputError):
    """A document that would come near MongoDB's limit of 16 MB."""


class ArtefactError(FailureError):
    """A stored file is missing, half-written or not what its hash says."""


class ArtefactNameError(InputError):
    """A file name that would leave its folder."""
