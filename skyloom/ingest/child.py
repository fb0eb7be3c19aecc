"""The process that opens what strangers sent: limits first, then one job after the other.

Jobs come as lines of JSON on stdin, answers go as lines of JSON to stdout; see `guard.Guard`, the
other end. A film that takes over this process can still say nothing but JSON.
"""

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Mapping
from typing import TextIO

from skyloom.answering import tell, wire_to_parent
from skyloom.errors import UserError
from skyloom.ingest.stages import STAGES, Rejected, Stage


def main(stages: Mapping[str, Stage] = STAGES) -> None:
    """Answer jobs until stdin ends or the parent is gone."""
    _limit(int(float(sys.argv[1]) * 2**30))
    wire = wire_to_parent()
    tell(wire, {"ready": True})
    for line in sys.stdin:
        message = json.loads(line)
        tell(wire, _answer(stages[message["stage"]], message["job"], wire))


def _answer(stage: Stage, job: dict, wire: TextIO) -> dict:
    told = time.monotonic()

    def alive() -> None:
        nonlocal told
        if time.monotonic() - told > 0.5:
            told = time.monotonic()
            tell(wire, {"alive": True})

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


if __name__ == "__main__":
    main()
