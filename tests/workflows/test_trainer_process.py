"""A trainer is not left behind by a parent that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from interlith.workflows.training.fit import TRAINER_PROCESS

SLEEPER = """
import sys, time
if __name__ == "__main__":
    print(sys.argv[1], flush=True)
    time.sleep(60)
"""


def _gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_a_trainer_leaves_when_its_parent_is_killed(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    parent = (
        "import os, subprocess, sys, time;"
        f"p = subprocess.Popen([sys.executable, '-m', '{TRAINER_PROCESS}', str(os.getpid()),"
        " 'sleeper', '--name', 'x'], stdout=subprocess.PIPE, text=True);"
        "print(p.pid, p.stdout.readline().strip(), flush=True); time.sleep(60)"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert started.stdout is not None
    child, argument = started.stdout.readline().split()
    assert argument == "--name"
    assert not _gone(int(child))
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    started.stdout.close()
    end = time.monotonic() + 20
    while not _gone(int(child)) and time.monotonic() < end:
        time.sleep(0.1)
    assert _gone(int(child))
