"""Many films at once: on the processes of this machine, or on a cluster that Ray runs.

Both run the same stages through the same guards and answer alike, in any order.
"""

import os
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.ingest.guard import Guard
from skyloom.ingest.recipe import Limits
from skyloom.ingest.stages import Rejected


@runtime_checkable
class Pool(Protocol):
    """Runs a stage over jobs."""

    def run(self, stage: str, jobs: Sequence[dict]) -> Iterator[tuple[int, dict]]:
        """(number of the job, {"done": result} or {"rejected": why}), as they come.

        Raises:
            UserError: the machine is at fault, such as a full disk; the rest is left undone.
        """


def answer(guard: Guard, stage: str, job: dict) -> dict:
    """A stage's result or why there is none, as plain values."""
    try:
        return {"done": guard.call(stage, job)}
    except Rejected as error:
        return {"rejected": str(error)}


class LocalPool:
    """A guard for each worker, each watched by a thread of this process."""

    def __init__(self, workers: int, limits: Limits) -> None:
        self._guards = [Guard(limits) for _ in range(workers)]
        self._idle: queue.SimpleQueue[Guard] = queue.SimpleQueue()
        for guard in self._guards:
            self._idle.put(guard)

    def run(self, stage: str, jobs: Sequence[dict]) -> Iterator[tuple[int, dict]]:
        """See `Pool.run`."""
        threads = ThreadPoolExecutor(len(self._guards))
        try:
            numbers = {threads.submit(self._one, stage, job): n for n, job in enumerate(jobs)}
            for future in as_completed(numbers):
                yield numbers[future], future.result()
        except BaseException:
            self.close()  # the calls under way end now, and no thread is left to wait for
            raise
        finally:
            threads.shutdown(wait=True, cancel_futures=True)

    def _one(self, stage: str, job: dict) -> dict:
        guard = self._idle.get()
        try:
            return answer(guard, stage, job)
        finally:
            self._idle.put(guard)

    def close(self) -> None:
        """Kill the children."""
        for guard in self._guards:
            guard.close()


class RayPool:
    """A guard in each of the actors of a Ray cluster; all see the folders under the same paths."""

    def __init__(self, address: str, workers: int | None, limits: Limits) -> None:
        self._ray = need("ray", extra="ray")
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"No Ray cluster answers at '{address}': `ray start --head` starts one, "
                "and 'local' is one on this machine alone."
            ) from error
        wanted = workers or int(self._ray.cluster_resources().get("CPU", 1))
        actor = self._ray.remote(Guarded)
        self._actors = [actor.options(num_cpus=1).remote(limits) for _ in range(wanted)]

    def run(self, stage: str, jobs: Sequence[dict]) -> Iterator[tuple[int, dict]]:
        """See `Pool.run`."""
        waiting, idle = list(enumerate(jobs))[::-1], list(self._actors)
        running: dict = {}
        while waiting or running:
            while waiting and idle:
                number, job = waiting.pop()
                actor = idle.pop()
                running[actor.answer.remote(stage, job)] = (number, actor)
            ready, _ = self._ray.wait(list(running), num_returns=1)
            number, actor = running.pop(ready[0])
            idle.append(actor)
            told = self._ray.get(ready[0])
            if "fatal" in told:
                raise UserError(told["fatal"])
            yield number, told

    def close(self) -> None:
        """Leave the cluster; its actors and their children end."""
        self._ray.shutdown()


class Guarded:
    """What an actor runs. Errors travel as words, for they are for a person in the end."""

    def __init__(self, limits: Limits) -> None:
        self._guard = Guard(limits)

    def answer(self, stage: str, job: dict) -> dict:
        """See `answer`; {"fatal": why} besides."""
        try:
            return answer(self._guard, stage, job)
        except UserError as error:
            return {"fatal": str(error)}


@contextmanager
def pool_of(workers: int | None, address: str | None, limits: Limits) -> Iterator[Pool]:
    """The pool for these flags, closed at the end.

    Args:
        workers: None is one for every core, of this machine or the cluster.
        address: of a Ray cluster, or None for this machine.
    """
    pool: LocalPool | RayPool
    if address is None:
        pool = LocalPool(workers or os.cpu_count() or 1, limits)
    else:
        pool = RayPool(address, workers, limits)
    try:
        yield pool
    finally:
        pool.close()
