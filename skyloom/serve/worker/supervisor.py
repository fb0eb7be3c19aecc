"""Keeps a worker running beside the server: a child process, started again when it dies.

The worker leaves when its standard input is closed, which the kernel sees to even where the server
is killed: nobody else would look after it.
"""

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from skyloom.children import python_command
from skyloom.serve.logs import FIELDS

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STEADY_SECONDS = 60.0
"""A worker that ran for so long is started again at once."""

log = logging.getLogger("skyloom.supervisor")


class Supervisor:
    """Runs `skyloom worker --attached` with these flags until `stop`.

    Args:
        flags: of `skyloom worker`.
        restarted: is called each time that it is started again.
    """

    def __init__(self, flags: Sequence[str], restarted: Callable[[], None]) -> None:
        self._command = python_command("skyloom", ["worker", "--attached", *flags])
        self._restarted = restarted
        self._leaving = threading.Event()
        self._lock = threading.Lock()
        self._child: subprocess.Popen | None = None
        self._thread = threading.Thread(target=self._look_after, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the worker, and look after it in a thread."""
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Let the worker end or give back what it makes; kill it where it takes longer.

        Args:
            patience: seconds that it has.
        """
        self._leaving.set()
        with self._lock:
            child = self._child
        if child is not None:
            assert child.stdin is not None
            child.stdin.close()
            try:
                child.wait(patience)
            except subprocess.TimeoutExpired:
                log.warning("worker killed: its jobs go on when a worker starts again")
                child.kill()
                child.wait()
        self._thread.join(5)

    def _look_after(self) -> None:
        pause = FIRST_PAUSE
        while (child := self._started()) is not None:
            began = time.monotonic()
            code = child.wait()
            if self._leaving.is_set():
                return
            lived = time.monotonic() - began
            pause = FIRST_PAUSE if lived > STEADY_SECONDS else min(2 * pause, LONGEST_PAUSE)
            fields = {"code": code, "seconds": round(lived, 1), "again_in": pause}
            log.error("worker died", extra={FIELDS: fields})
            self._leaving.wait(pause)
            self._restarted()

    def _started(self) -> subprocess.Popen | None:
        """A new worker; None where the server leaves."""
        with self._lock:
            if self._leaving.is_set():
                return None
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is the server's to decide
            )
            log.info("worker started", extra={FIELDS: {"pid": self._child.pid}})
            return self._child
