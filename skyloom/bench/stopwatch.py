"""Runs a command and prints, as JSON, its wall time in seconds and its peak memory in bytes.

    python stopwatch.py COMMAND ARGUMENT ...

A file of its own, run by a bare interpreter: a process starts with the peak memory of whoever
started it, and a bench that holds a network in memory would be counted with what it measures.
It knows nothing of skyloom.
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Measure the command line's command; its output goes to stderr."""
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"code": code, "seconds": seconds, "peak": usage.ru_maxrss * unit}))


if __name__ == "__main__":
    main()
