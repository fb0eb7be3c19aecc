"""Draw the batches of the next steps while the device is busy with this one."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Prefetch(Generic[Batch]):
    """Calls `draw(step)` ahead of time in a thread.

    `draw` is a pure function of the step, so what is drawn ahead and never asked for costs time
    and nothing else: a run may be interrupted, resumed at any step, and asked for again.

    Args:
        draw: makes the batch of a step. What it raises comes to who asks for that step.
        stride: what lies between the steps that are asked for: where several processes train
            together, each skips those of the others.
        ahead: steps that are drawn, or being drawn, beyond the one asked for; as many batches
            wait in memory. More of them even out batches that take long now and then.

    Attributes:
        waited: seconds, in all, that callers waited for batches that were not ready. Where it
            grows nearly as fast as the clock, training is starved of data.
    """

    def __init__(self, draw: Callable[[int], Batch], ahead: int = 2, stride: int = 1) -> None:
        self.draw, self.ahead, self.stride = draw, ahead, stride
        self.waited = 0.0
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
        self._coming: dict[int, Future[Batch]] = {}

    def __call__(self, step: int) -> Batch:
        """The batch of `step`.

        Raises:
            What `draw` raises, with a note that says which step it was for.
        """
        wanted = range(step, step + self.ahead * self.stride + 1, self.stride)
        for other in [each for each in self._coming if each not in wanted]:
            self._coming.pop(other).cancel()
        for later in wanted:
            if later not in self._coming:
                self._coming[later] = self._pool.submit(self._drawn, later)
        start = time.perf_counter()
        try:
            # Ctrl-C may come here: what was taken out is drawn again for who asks again.
            return self._coming.pop(step).result()
        finally:
            self.waited += time.perf_counter() - start

    def close(self) -> None:
        """Draw nothing more. What is being drawn just now is finished and dropped."""
        self._coming.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _drawn(self, step: int) -> Batch:
        try:
            return self.draw(step)
        except Exception as error:
            error.add_note(f"while the batch of step {step} was drawn")
            raise
