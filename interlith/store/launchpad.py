"""The LaunchPad of a project's FireWorks, on the MongoDB server of its credentials."""

from __future__ import annotations

import os
from typing import Any

from interlith.store.credentials import mongo_uri
from interlith.store.jobstore import connect_mongo
from interlith.store.project import Project


def open_launchpad(project: Project) -> Any:
    """The LaunchPad in the database ``NAME_fireworks``; its address is in no file.

    Also names the project's job store to jobflow, if the user has named none.

    Raises
    ------
    StoreError
        If the server does not answer.
    InputError
        If its address is not known.
    """
    os.environ.setdefault("JOBFLOW_CONFIG_FILE", str(project.jobflow_config))
    uri = mongo_uri()
    name = f"{project.config.database}_fireworks"
    connect_mongo(uri, name)
    from fireworks import LaunchPad

    pad = LaunchPad(host=uri.reveal(), name=name, uri_mode=True, strm_lvl="ERROR")
    if pad.fw_id_assigner.find_one() is None and pad.fireworks.find_one() is None:
        pad.reset("", require_password=False)  # nothing is there yet: makes counters and indexes
    return pad
