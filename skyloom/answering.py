"""A process that answers another one, a line of JSON each time: both ends of the pipe."""

import json
import os
import selectors
import signal
import threading
import time
from typing import IO, Any, TextIO

LONGEST_ANSWER = 256 * 2**20
"""Bytes of one answer: a film of 24 hours in shots of a second stays below it."""


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


class Answers:
    """What a child process says, each line waited for no longer than until a moment.

    Args:
        pipe: its standard output.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe, self._unread = pipe, b""

    def next(self, deadline: float) -> dict[str, Any]:
        """The next answer; {} for a line that is none.

        Args:
            deadline: of `time.monotonic()`.

        Raises:
            TimeoutError: there is none by then.
            EOFError: the child has ended, or says more than anybody needs to.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise TimeoutError
                piece = os.read(self._pipe.fileno(), 2**16)
                if not piece or len(self._unread) > LONGEST_ANSWER:
                    raise EOFError
                self._unread += piece
        line, self._unread = self._unread.split(b"\n", 1)
        try:
            answer = json.loads(line)
        except ValueError:
            return {}
        return answer if isinstance(answer, dict) else {}


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
