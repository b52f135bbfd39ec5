"""What became of Fireworks: reports, why one failed, which are lost, running them again.

A worker of ours holds a lock as long as it lives (:func:`.fireworks.working`), and its name is in
the launch. So a Firework whose worker was killed is known at once, and one that still runs is never
run a second time. Of other workers (``rlaunch``) only the age of their last sign of life is known.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fireworks import LaunchPad

from interlith.records import Record
from interlith.workflows.queue.fireworks import WORKERS
from interlith.workflows.queue.jobs import JobStatus
from interlith.workflows.queue.reports import (
    GONE,
    Diagnosis,
    cure_of,
    progress_and_left,
    tail_of,
    the_one,
)
from interlith.workflows.queue.slurm import queue_lines

LOST_AFTER_S = 4 * 3600
UNCLAIMED_S = 30.0
"""A worker takes less than that between taking a Firework and noting its launch."""
STATES: dict[str, JobStatus] = {
    "COMPLETED": "completed",
    "FIZZLED": "failed",
    "DEFUSED": "cancelled",
    "ARCHIVED": "cancelled",
    "PAUSED": "waiting",
    "WAITING": "waiting",
    "READY": "waiting",
    "RESERVED": "waiting",
    "RUNNING": "running",
}
OUTPUTS = ("FW_job*.out", "FW_job*.error", "*.log")


class FireworkReport(Record):
    """One Firework; ``launches`` counts the times that it was started.

    Attributes
    ----------
    progress, left : float and str, or None
        Of the run of dynamics below its folder that was heard of last.
    """

    id: str
    name: str
    status: JobStatus
    state: str
    host: str | None
    queue_id: str | None
    launches: int
    progress: float | None
    left: str | None
    reason: str | None
    cure: str | None


def reports(pad: LaunchPad, folder: Path) -> list[FireworkReport]:
    """Every Firework, the oldest first.

    Parameters
    ----------
    folder : Path
        Of the launches.
    """
    lost = lost_fireworks(pad, folder)
    return [_report(pad, number, lost.get(number)) for number in sorted(pad.get_fw_ids())]


def _report(pad: LaunchPad, number: int, lost: str | None) -> FireworkReport:
    found = pad.get_fw_by_id(number)
    launches = [*found.archived_launches, *found.launches]
    last = launches[-1] if launches else None
    reason = lost
    if found.state == "FIZZLED":
        trace = _trace(last)
        reason = trace[-1] if trace else "no message was stored"
    progress, left = None, None
    if found.state == "RUNNING" and not lost and last is not None:
        begun = last.time_start.replace(tzinfo=last.time_start.tzinfo or UTC).timestamp()
        progress, left = progress_and_left(found.spec.get("folder"), begun)
    return FireworkReport(
        id=str(number),
        name=found.name,
        progress=progress,
        left=left,
        status="lost" if lost else STATES.get(found.state, "waiting"),
        state=found.state,
        host=last.host if last else None,
        queue_id=_reservation(last),
        launches=len(launches),
        reason=reason,
        cure=None if reason is None else cure_of(reason, "fireworks"),
    )


def _reservation(launch: Any) -> str | None:
    if launch is None:
        return None
    return str(launch.state_history[0].get("reservation_id") or "") or None


def _trace(launch: Any) -> list[str]:
    stored = (launch.action.stored_data if launch and launch.action else None) or {}
    return str((stored.get("_exception") or {}).get("_stacktrace", "")).strip().splitlines()


def why_firework(pad: LaunchPad, folder: Path, name: str, lines: int = 20) -> Diagnosis:
    """State, exception, last lines of what it and its queue wrote, and what helps.

    Parameters
    ----------
    name : str
        Number, or a part of the name, of a Firework.

    Raises
    ------
    InputError
        If none, or several, fit.
    """
    one = the_one(reports(pad, folder), name, "Fireworks")
    work = pad.get_fw_by_id(int(one.id))
    launches = [*work.archived_launches, *work.launches]
    place = Path(launches[-1].launch_dir) if launches else folder
    said = tail_of(place, OUTPUTS, lines) if launches else []
    trace = _trace(launches[-1] if launches else None)
    usual = {"completed": "nothing is wrong: it has ended well",
             "waiting": "it waits for a worker (interlith worker --engine fireworks) or the queue",
             "running": "it runs"}  # fmt: skip
    return Diagnosis(
        id=one.id,
        status=one.status,
        reason=one.reason,
        cure=usual.get(one.status) or cure_of("\n".join([one.reason or "", *said]), "fireworks"),
        exception=trace[-1] if trace else None,
        log=tuple(trace[-lines:]),
        queue_output=tuple(said),
        attempts=tuple(
            {"host": launch.host, "state": launch.state, "started": str(launch.time_start or ""),
             "ended": str(launch.time_end or "") or None, "outcome": launch.state.lower()}
            for launch in launches
        ),
        folder=str(place),
    )  # fmt: skip


def lost_fireworks(pad: LaunchPad, folder: Path) -> dict[int, str]:
    """Fireworks that nobody runs although they are said to run, or to be queued, and why."""
    found: dict[int, str] = {}
    wanted = {"state": {"$in": ["RUNNING", "RESERVED"]}}
    for data in list(pad.fireworks.find(wanted, {"fw_id": 1, "state": 1, "updated_on": 1})):
        number = int(data["fw_id"])
        launches = pad.get_fw_by_id(number).launches
        last = launches[-1] if launches else None
        if last is not None and last.state == data["state"] == "RUNNING":
            reason = _dead(last, folder)
        elif last is not None and last.state == "RESERVED":
            reason = _unqueued(_reservation(last))
        else:  # its worker died between two notes
            reason = "its worker died" if _age_s(data.get("updated_on")) > UNCLAIMED_S else None
        # asked again: a worker may have ended well between the two looks
        now = pad.fireworks.find_one({"fw_id": number}, {"state": 1}) if reason else None
        if reason and now is not None and now["state"] == data["state"]:
            found[number] = reason
    return found


def _dead(launch: Any, folder: Path) -> str | None:
    lock = folder / WORKERS / f"{launch.fworker.name}.lock"
    if not lock.is_file():
        if launch.fworker.name.startswith(f"{launch.host}-"):  # one of ours
            return "its worker is gone"
        silent = _age_s(launch.state_history[-1].get("updated_on"))
        return f"not heard of for {silent / 3600:.1f} h" if silent > LOST_AFTER_S else None
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
    return "its worker was killed, or its machine died"


def _unqueued(reservation: str | None) -> str | None:
    """Why a queued Firework will not run, by Slurm; other queues are not asked."""
    if reservation is None or shutil.which("squeue") is None:
        return None
    line = queue_lines([reservation]).get(reservation)
    if line is None or line.state in GONE:
        return f"Slurm: {line.state}" if line else "Slurm does not know it any more"
    return None


def _age_s(moment: Any) -> float:
    """Seconds since a moment as FireWorks writes them; 0 if it cannot be read."""
    try:
        then = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment))
    except ValueError:
        return 0.0
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return (datetime.now(UTC) - then).total_seconds()


def retry_failed(pad: LaunchPad, folder: Path) -> list[str]:
    """Run FIZZLED and lost Fireworks again; their ids."""
    again: set[int] = set()
    for number in lost_fireworks(pad, folder):
        _unlock(pad, number)
        if _finish(pad, number):
            continue
        for launch in pad.get_fw_by_id(number).launches:
            if launch.state == "RUNNING":
                pad.mark_fizzled(launch.launch_id)
            elif launch.state == "RESERVED":
                pad.cancel_reservation(launch.launch_id)
        if pad.get_fw_by_id(number).state != "READY":
            pad.rerun_fw(number)
        again.add(number)
    for number in pad.get_fw_ids({"state": "FIZZLED"}):
        pad.rerun_fw(number)
        again.add(number)
    return [str(number) for number in sorted(again)]


def _finish(pad: LaunchPad, number: int) -> bool:
    """Take over a result that is there although the worker died before noting it everywhere."""
    if not any(launch.state == "COMPLETED" for launch in pad.get_fw_by_id(number).launches):
        return False
    pad._refresh_wf(number)
    return bool(pad.get_fw_by_id(number).state == "COMPLETED")


def _unlock(pad: LaunchPad, number: int) -> None:
    """Take away the lock that a killed worker left on a workflow: one that stays for 3 s."""
    wanted = {"nodes": number, "locked": {"$exists": True}}
    for _ in range(6):
        if pad.workflows.find_one(wanted, {"_id": 1}) is None:
            return
        time.sleep(0.5)
    pad.workflows.update_one(wanted, {"$unset": {"locked": True}})
