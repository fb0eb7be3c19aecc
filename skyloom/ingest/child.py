"""The process that opens what strangers sent: limits first, then one job after the other.

Jobs come as lines of JSON on stdin, answers go as lines of JSON to stdout; see `guard.Guard`, the
other end. A film that takes over this process can still say nothing but JSON.
"""

import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import TextIO

from skyloom.errors import UserError
from skyloom.ingest.stages import STAGES, Rejected, Stage


def main(stages: Mapping[str, Stage] = STAGES) -> None:
    """Answer jobs until stdin ends or the parent is gone."""
    wire = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints must not get between the answers
    _limit(int(float(sys.argv[1]) * 2**30))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to decide
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    _tell(wire, {"ready": True})
    for line in sys.stdin:
        message = json.loads(line)
        _tell(wire, _answer(stages[message["stage"]], message["job"], wire))


def _answer(stage: Stage, job: dict, wire: TextIO) -> dict:
    told = time.monotonic()

    def alive() -> None:
        nonlocal told
        if time.monotonic() - told > 0.5:
            told = time.monotonic()
            _tell(wire, {"alive": True})

    try:
        return {"done": stage(job, alive)}
    except Rejected as error:
        return {"rejected": str(error)}
    except UserError as error:
        return {"fatal": str(error)}
    except MemoryError:
        return {"rejected": f"it needs more than the {sys.argv[1]} GiB of memory it may use"}
    except Exception as error:  # a film must not stop the others, whatever it does
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(last.filename)}:{last.lineno}"
        return {"rejected": f"{type(error).__name__} at {where}: {error}"[:500]}


def _limit(memory: int) -> None:
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # macOS has no limit on address space
            continue


def _leave_with(parent: int) -> None:
    """End when the parent does, in the middle of a film too."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _tell(wire: TextIO, message: dict) -> None:
    wire.write(json.dumps(message) + "\n")


if __name__ == "__main__":
    main()
