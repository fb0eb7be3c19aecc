"""Draw the batch of the next step while the device is busy with this one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Prefetch(Generic[Batch]):
    """Calls `draw(step)` ahead of time in a thread.

    `draw` is a pure function of the step, so what is drawn ahead and never asked for costs time
    and nothing else.
    """

    def __init__(self, draw: Callable[[int], Batch], ahead: int = 2) -> None:
        self.draw, self.ahead = draw, ahead
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._waiting: dict[int, Future[Batch]] = {}

    def __call__(self, step: int) -> Batch:
        """The batch of `step`."""
        for later in range(step, step + self.ahead + 1):
            if later not in self._waiting:
                self._waiting[later] = self._pool.submit(self.draw, later)
        self._waiting = {s: future for s, future in self._waiting.items() if s >= step}
        return self._waiting.pop(step).result()
