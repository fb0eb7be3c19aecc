"""Who may work beside whom: a job that may have killed its worker works alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Many share it, or one has it alone; who waits to be alone goes before newcomers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._alone: Pass | None = None
        self._waiting = 0

    @contextmanager
    def passing(self, alone: bool) -> Iterator["Pass"]:
        """Be inside, with others or alone."""
        mine = Pass(self)
        with self._changed:
            if alone:
                self._waiting += 1
                self._changed.wait_for(lambda: not self._inside and self._alone is None)
                self._waiting -= 1
                self._alone = mine
            else:
                self._changed.wait_for(lambda: not self._waiting and self._alone is None)
            self._inside += 1
        try:
            yield mine
        finally:
            mine.share()
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def _share(self, mine: "Pass") -> None:
        with self._changed:
            if self._alone is mine:
                self._alone = None
                self._changed.notify_all()


class Pass:
    """The right to be inside."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def share(self) -> None:
        """Let others in again, where one was alone."""
        self._gate._share(self)
