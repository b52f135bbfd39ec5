"""The built structures over OPTIMADE, through optimade-python-tools: read-only, on this machine.

The structures are those among the files of the records. Fields of ours have the prefix
``_interlith_``. The server keeps a copy in memory: it cannot change the database.
"""

from __future__ import annotations

import ipaddress
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from interlith import __version__
from interlith.errors import InputError, MissingDependencyError
from interlith.store.documents import Document
from interlith.store.exporting import structures_of
from interlith.store.projection import subject
from interlith.store.results import ResultsDatabase

PREFIX = "interlith"
FIELDS = (
    ("key", "string", "Key of the record in the results database."),
    ("kind", "string", "Kind of the record."),
    ("subject", "string", "What the record is about, such as the two sides of an interface."),
    ("file", "string", "Name of the structure's file."),
    ("potential", "string", "Potential behind the record, if there is one."),
    ("strain_von_mises", "float", "Larger equivalent strain of the two sides of an interface."),
    ("interface_energy", "float", "Energy of the potential for the cell, if computed (eV)."),
)
"""Fields that the server declares: name, type, description."""


def entries(database: ResultsDatabase) -> list[dict[str, Any]]:
    """Structures as OPTIMADE entries.

    Raises
    ------
    MissingDependencyError
        If optimade-python-tools is absent.
    """
    try:
        from optimade.adapters.structures.ase import from_ase_atoms
    except ImportError as error:
        raise MissingDependencyError(
            "serving needs optimade-python-tools; run pip install 'interlith[optimade]'"
        ) from error
    found: list[dict[str, Any]] = []
    for document in database.query():
        for atoms in structures_of(database, [document]):
            attributes = json.loads(from_ase_atoms(atoms).model_dump_json())
            attributes |= _own(document, str(atoms.info["interlith_file"]))
            attributes["last_modified"] = _moment(document.created)
            found.append(
                {
                    "id": f"{document.key[:16]}-{len(found)}",
                    "type": "structures",
                    "attributes": attributes,
                }
            )
    return found


def _own(document: Document, file: str) -> dict[str, Any]:
    data = document.record
    row: dict[str, Any] = next(
        (c for c in data.get("candidates", ()) if file.endswith(Path(c.get("file") or "?").stem
         + ".extxyz")), {},
    )  # fmt: skip
    sha256 = next(a.sha256 for a in document.artefacts if a.name == file)
    return {  # the server puts the prefix before the names that it declares
        "key": document.key,
        "kind": document.kind,
        "subject": subject(data),
        "file": file,
        "potential": (data.get("potential") or {}).get("name"),
        "strain_von_mises": (row.get("strain") or {}).get("von_mises"),
        "interface_energy": row.get("energy_ev"),
        "immutable_id": sha256,
    }


def _moment(created: str) -> str:
    return created.replace("+00:00", "Z")


def check_address(host: str, public: bool) -> None:
    """Refuse an address that other machines reach, unless that is meant.

    Raises
    ------
    InputError
        Naming the option.
    """
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local and not public:
        raise InputError(
            f"{host} may be reached from other machines, and the server asks for no password; add "
            "--public if that is meant, or leave --host out"
        )


def application(database: ResultsDatabase) -> Any:
    """The server's application, with the structures of now."""
    lines = [{"x-optimade": {"meta": {"api_version": "1.2.0"}}}, *entries(database)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "structures.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        # it reads settings of the home directory and logs to /var/log unless told otherwise
        settings = Path(folder) / "settings.json"
        settings.write_text(json.dumps({"insert_test_data": False, "log_dir": folder}))
        os.environ["OPTIMADE_CONFIG_FILE"] = str(settings)
        from optimade.server.config import ServerConfig
        from optimade.server.create_app import create_app

        config = ServerConfig(
            insert_test_data=False,
            insert_from_jsonl=path,
            database_backend="mongomock",
            log_dir=Path(folder),
            implementation={"name": "interlith", "version": __version__},
            provider={"name": "interlith", "description": "Results of interlith", "prefix": PREFIX},
            provider_fields={
                "structures": [
                    {"name": name, "type": kind, "description": text} for name, kind, text in FIELDS
                ]
            },
        )
        return create_app(config)


def serve(database: ResultsDatabase, *, host: str, port: int, public: bool = False) -> None:
    """Serve until interrupted.

    Raises
    ------
    InputError
        If the address is not of this machine alone and ``public`` is not set.
    MissingDependencyError
        If the extra is not installed.
    """
    check_address(host, public)
    made = application(database)
    import uvicorn

    uvicorn.run(made, host=host, port=port, log_level="warning")
