"""A trainer that leaves when the process that started it is gone, even by ``kill -9``.

Run as ``python -m interlith.workflows.training.trainer_process PARENT MODULE ARGUMENTS``: the
module runs as ``python -m MODULE ARGUMENTS`` would.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time

POLL_S = 1.0


def main(parent: int, module: str) -> None:
    """Run a module as a script; its arguments are left in ``sys.argv``."""
    threading.Thread(target=leave_with, args=(parent,), daemon=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def leave_with(parent: int) -> None:
    """End this process when ``parent`` is no longer the one that started it."""
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os._exit(1)


if __name__ == "__main__":
    number, name = int(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    main(number, name)
