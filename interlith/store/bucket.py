"""Files by their content in an S3 bucket, with a local folder in front of it.

What is written goes into the folder and then to the bucket; what is read and not in the folder is
fetched, checked against its hash, and kept. Its credentials are those that boto3 finds: the
environment, or the AWS credentials file, which nobody else may read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from interlith.errors import InputError
from interlith.store.artefacts import BLOCK, HASH, PART, Artefact, ArtefactFault, ArtefactFolder
from interlith.store.credentials import redact
from interlith.store.errors import ArtefactError, StoreError

PREFIX = "artefacts/"
Found = TypeVar("Found")


class BucketArtefacts(ArtefactFolder):
    """A bucket of files by hash; the folder is a copy of what was used here.

    Parameters
    ----------
    folder : Path
        May be deleted at any time.
    endpoint_url : str, optional
        Of a server that is not Amazon's.
    """

    def __init__(self, folder: Path, bucket: str, endpoint_url: str | None = None) -> None:
        super().__init__(folder)
        self.bucket = bucket
        self._client = s3_client(endpoint_url)

    def _put(self, source: BinaryIO, name: str) -> Artefact:
        kept = super()._put(source, name)
        if self._size(kept.sha256) != kept.size_bytes:
            place = str(self.path_of(kept.sha256))
            self._guard(lambda: self._client.upload_file(place, self.bucket, _key(kept.sha256)))
        return kept

    def get(self, artefact: Artefact) -> Path:
        """As in a folder; fetched from the bucket if it is not there."""
        path = self.path_of(artefact.sha256)
        if not path.is_file() or path.stat().st_size != artefact.size_bytes:
            self._fetch(artefact.sha256, artefact.name)
        return super().get(artefact)

    def read(self, sha256: str) -> bytes:
        """As in a folder; fetched from the bucket if it is not there."""
        if not self.path_of(sha256).is_file():
            self._fetch(sha256, sha256)
        return super().read(sha256)

    def stored(self) -> Iterator[str]:
        """Hashes of all files of the bucket, sorted."""
        yield from sorted(name for name in self._names() if HASH.fullmatch(name))

    def verify(self, wanted: Iterable[Artefact] = ()) -> list[ArtefactFault]:
        """Fetch and hash every file of the bucket, and look for what is wanted and absent."""
        faults, present = [], set()
        for name in sorted(self._names()):
            if not HASH.fullmatch(name):
                reason = "its name is no hash; interlith did not write it"
                faults.append(ArtefactFault(file=name, fault="foreign", reason=reason))
                continue
            present.add(name)
            if self._hash_of(name) != name:
                reason = "its content has another sha256; restore a copy or import again"
                faults.append(ArtefactFault(file=name, fault="corrupted", reason=reason))
        for one in {a.sha256: a for a in wanted if a.sha256 not in present}.values():
            reason = f"{one.name} of {one.size_bytes} bytes is in a record and not in the bucket"
            faults.append(ArtefactFault(file=one.sha256, fault="missing", reason=reason))
        return faults

    def remove(self, sha256: str) -> None:
        """Delete a file; absent ones are no error."""
        super().remove(sha256)
        self._guard(lambda: self._client.delete_object(Bucket=self.bucket, Key=_key(sha256)))

    def _fetch(self, sha256: str, name: str) -> None:
        place = self.path_of(sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{PART}{uuid.uuid4().hex}"
        try:
            if self._size(sha256) is None:
                raise ArtefactError(
                    f"the file {name} (sha256 {sha256[:12]}) is missing from the bucket "
                    f"{self.bucket}; import the study's folder again, or restore a copy"
                )
            self._guard(lambda: self._client.download_file(self.bucket, _key(sha256), str(part)))
            with part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise ArtefactError(
                    f"the file {name} in the bucket {self.bucket} is damaged: its content has "
                    "another sha256; restore a copy or import the study's folder again"
                )
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)

    def _size(self, sha256: str) -> int | None:
        from botocore.exceptions import ClientError

        def ask() -> int | None:
            try:
                found = self._client.head_object(Bucket=self.bucket, Key=_key(sha256))
            except ClientError as error:
                if str(error.response.get("Error", {}).get("Code")) in ("404", "NoSuchKey"):
                    return None
                raise
            return int(found["ContentLength"])

        return self._guard(ask)

    def _names(self) -> list[str]:
        """What is in the bucket, names without the prefix."""

        def ask() -> list[str]:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=PREFIX
            )
            return [one["Key"][len(PREFIX) :] for page in pages for one in page.get("Contents", ())]

        return [name.rpartition("/")[2] for name in self._guard(ask)]

    def _hash_of(self, sha256: str) -> str:
        def ask() -> str:
            body = self._client.get_object(Bucket=self.bucket, Key=_key(sha256))["Body"]
            digest = hashlib.sha256()
            for block in body.iter_chunks(BLOCK):
                digest.update(block)
            return digest.hexdigest()

        return self._guard(ask)

    def _guard(self, work: Callable[[], Found]) -> Found:
        """Do it; errors of the server without what it was asked with."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        reason = ""
        try:
            return work()
        except (Boto3Error, BotoCoreError, ClientError) as error:
            reason = redact(str(error))[:300]
        raise StoreError(f"the bucket {self.bucket} cannot be used: {reason}")


def _key(sha256: str) -> str:
    return f"{PREFIX}{sha256[:2]}/{sha256}"


def s3_client(endpoint_url: str | None) -> Any:
    """A client with the credentials that boto3 finds.

    Raises
    ------
    InputError
        If others may read the credentials file that it would take.
    """
    import boto3

    check_credentials_file()
    return boto3.client("s3", endpoint_url=endpoint_url)


def check_credentials_file() -> None:
    """Refuse an AWS credentials file that others may read, where none are in the environment.

    Raises
    ------
    InputError
        With the command that mends it.
    """
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return
    named = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    path = Path(named).expanduser()
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return  # boto3 has further places, such as a machine's role
    if mode & 0o077:
        raise InputError(
            f"the credentials file {path} has mode {mode:04o}, so others may read it; run "
            f"chmod 600 {path}"
        )
