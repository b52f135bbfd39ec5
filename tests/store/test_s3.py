"""Artefacts and blobs in S3: the endpoint of s3.py, or INTERLITH_TEST_S3_ENDPOINT if set."""

from __future__ import annotations

import importlib.util
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from interlith.errors import InputError
from interlith.store.bucket import PREFIX, BucketArtefacts, check_credentials_file
from interlith.store.errors import ArtefactError, StoreError
from interlith.store.jobstore import job_store
from interlith.store.project import Project, init_project
from interlith.store.results import ResultsDatabase
from interlith.store.verifying import verify

OWN = "INTERLITH_TEST_S3_ENDPOINT"


def _beside(name: str) -> Any:
    """A module of this folder (importlib mode puts none of them on the path)."""
    spec = importlib.util.spec_from_file_location(
        f"interlith_{name}", Path(__file__).with_name(f"{name}.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-of-s3")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def server(credentials: None) -> Iterator[Any]:
    with _beside("s3").S3Server() as made:
        yield made


@pytest.fixture
def bucket(server: Any) -> tuple[str, str]:
    """Name of a new bucket and the address of its server."""
    url, name = os.environ.get(OWN) or server.url, f"test-{uuid.uuid4().hex[:10]}"
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket=name)
    return name, url


@pytest.fixture
def project(tmp_path: Path, bucket: tuple[str, str]) -> Project:
    """An embedded database with its files in the bucket."""
    return init_project(tmp_path / "p", artefacts="s3", bucket=bucket[0], endpoint_url=bucket[1])


def _object(project: Project, sha256: str) -> dict[str, str]:
    return {"Bucket": str(project.config.bucket), "Key": f"{PREFIX}{sha256[:2]}/{sha256}"}


def _client(project: Project) -> Any:
    return boto3.client("s3", endpoint_url=project.config.endpoint_url)


def test_a_file_is_in_the_bucket_and_comes_back(project: Project, tmp_path: Path) -> None:
    """Also where the local copies are gone; once for the same content."""
    with ResultsDatabase(project) as database:
        files = database.artefacts
        assert isinstance(files, BucketArtefacts)
        kept = [files.put_bytes(f"content {n}".encode(), f"md/{n}.txt") for n in range(8)]
        assert files.put_bytes(b"content 3", "other.txt").sha256 == kept[3].sha256
        assert list(files.stored()) == sorted(one.sha256 for one in kept)
        shutil.rmtree(project.artefacts)
        assert files.read(kept[1].sha256) == b"content 1"
        assert files.write_out(kept[2], tmp_path / "out").read_bytes() == b"content 2"
        assert files.verify(kept) == []
        files.remove(kept[0].sha256)
        assert len(list(files.stored())) == 7
        with pytest.raises(ArtefactError, match="missing from the bucket"):
            files.get(kept[0])


def test_a_large_file_goes_in_parts(project: Project, tmp_path: Path) -> None:
    """As a trajectory does: boto3 cuts what is longer than 8 MB."""
    frames = tmp_path / "trajectory.h5"
    frames.write_bytes(os.urandom(1_000_003) * 20)
    with ResultsDatabase(project) as database:
        kept = database.artefacts.put(frames)
        shutil.rmtree(project.artefacts)
        assert database.artefacts.get(kept).read_bytes() == frames.read_bytes()
        assert database.artefacts.verify([kept]) == []


def test_damage_in_the_bucket_is_found(project: Project, make: Any) -> None:
    with ResultsDatabase(project) as database:
        kept = database.artefacts.put_bytes(b"frames", "x.h5")
        database.add(make.window(), artefacts=[kept])
        assert verify(database).sound
        _client(project).put_object(Body=b"framez", **_object(project, kept.sha256))
        (fault,) = verify(database).file_faults
        assert (fault.file, fault.fault) == (kept.sha256, "corrupted")
        shutil.rmtree(project.artefacts)
        with pytest.raises(ArtefactError, match="damaged"):
            database.artefacts.get(kept)
        assert not list(project.artefacts.rglob("*.part*"))
        database.artefacts.remove(kept.sha256)
        (fault,) = verify(database).file_faults
        assert fault.fault == "missing"


def test_a_server_that_refuses_says_so_without_secrets(
    project: Project, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.environ.get(OWN):
        pytest.skip("a real server is not told to refuse")
    server.refuse = True
    with ResultsDatabase(project) as database, pytest.raises(StoreError) as caught:
        database.artefacts.put_bytes(b"x", "x.txt")
    text = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "cannot be used" in text
    assert "hunter2" not in text.replace("hunter2@host", "")


def test_a_bucket_that_is_not_there_says_so(tmp_path: Path, bucket: tuple[str, str]) -> None:
    files = BucketArtefacts(tmp_path / "files", "no-such-bucket-here", bucket[1])
    with pytest.raises(StoreError, match="no-such-bucket-here"):
        files.put_bytes(b"x", "x.txt")


def test_no_secret_is_written(project: Project) -> None:
    with ResultsDatabase(project) as database:
        database.artefacts.put_bytes(b"x", "x.txt")
    written = [path for path in project.folder.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"hunter2" in path.read_bytes()]


def test_a_credentials_file_that_others_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = x\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    file.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        check_credentials_file()
    file.chmod(0o600)
    check_credentials_file()


def test_a_bucket_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--bucket"):
        init_project(tmp_path, artefacts="s3")


@pytest.fixture
def mongo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with _beside("wire").WireServer() as server:
        monkeypatch.setenv("INTERLITH_MONGO_URI", server.uri)
        monkeypatch.delenv("JOBFLOW_CONFIG_FILE", raising=False)
        yield


@pytest.mark.usefixtures("mongo")
def test_large_outputs_of_jobs_go_to_the_bucket(tmp_path: Path, bucket: tuple[str, str]) -> None:
    """Through the project, and through the jobflow.yaml that it wrote."""
    from jobflow import JobStore
    from jobflow.utils.find import find_key

    settings = {"store": "mongo", "database": f"x{bucket[0][5:]}", "blobs": "s3"}
    project = init_project(tmp_path / "p", bucket=bucket[0], endpoint_url=bucket[1], **settings)
    text = project.jobflow_config.read_text()
    assert "hunter2" not in text
    import yaml

    made: Callable[[], Any] = lambda: JobStore.from_dict(yaml.safe_load(text)["JOB_STORE"])  # noqa: E731
    output = {"uuid": "u", "index": 1, "output": {"array": {"data": list(range(9))}, "small": 1}}
    for number, store in enumerate((job_store(project), made())):
        store.connect()
        store.update(output | {"uuid": f"u{number}"}, save={"data": ["array"]})
        raw = store.query_one({"uuid": f"u{number}"}, load=False)
        assert find_key(raw, "blob_uuid")
    for reader in (job_store(project), made()):
        reader.connect()
        for number in range(2):
            found = reader.get_output(f"u{number}", load=True)
            assert found["array"]["data"] == list(range(9))
    keys = boto3.client("s3", endpoint_url=bucket[1]).list_objects_v2(Bucket=bucket[0])
    assert all(one["Key"].startswith("blobs/") for one in keys["Contents"])
