"""A process that answers another one line by line: its end of the pipe, and how it ends."""

import json
import os
import signal
import threading
import time
from typing import Any, TextIO


def wire_to_parent() -> TextIO:
    """Where answers go; afterwards standard output is standard error.

    From now on the process leaves Ctrl-C to its parent, and ends when the parent does, in the
    middle of whatever it is at.
    """
    wire = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints must not get between the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    return wire


def tell(wire: TextIO, message: dict[str, Any]) -> None:
    """One answer, as a line of JSON."""
    wire.write(json.dumps(message) + "\n")


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
