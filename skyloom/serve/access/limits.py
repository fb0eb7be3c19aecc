"""How much one key may do: requests a minute, jobs at once, bytes stored, bytes of an upload."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from skyloom.serve.job import Usage
from skyloom.serve.problem import NO_RETRY, Problem


@dataclass(frozen=True)
class Limits:
    """The limits of a key.

    Attributes:
        requests: a minute; as many may come at once.
        jobs: that wait or run at the same time.
        storage: MiB of results, inputs and characters that are kept.
        upload: MiB of one request.
    """

    requests: int = 600
    jobs: int = 20
    storage: int = 20_480
    upload: int = 256

    def __post_init__(self) -> None:
        for name in ("requests", "jobs", "storage", "upload"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must be 1 or more")

    @property
    def largest_body(self) -> int:
        """Bytes of one request."""
        return self.upload * 2**20

    def check_room(self, usage: Usage, besides: int) -> None:
        """Refuse a job for which there is no room.

        Args:
            besides: bytes stored that belong to no job.

        Raises:
            Problem: 429, which says whether waiting helps.
        """
        if usage.active >= self.jobs:
            raise Problem(
                429,
                f"{usage.active} jobs wait or run already, and {self.jobs} are the most at once: "
                "wait until one has ended.",
                code="too_many_jobs",
                headers={"retry-after": "5"},
            )
        self.check_storage(usage, besides)

    def check_storage(self, usage: Usage, besides: int) -> None:
        """Refuse what would be stored beyond the limit, see `check_room`."""
        if usage.stored + besides >= self.storage * 2**20:
            raise Problem(
                429,
                f"All of the {self.storage} MiB that may be kept are taken: delete videos first.",
                code="storage_full",
                headers=NO_RETRY,
            )


class Streams:
    """Counts the requests of each key that stay open in this process."""

    def __init__(self, most: int = 32) -> None:
        self._most, self._lock = most, threading.Lock()
        self._open: dict[str, int] = {}

    def check(self, name: str) -> None:
        """See that one more may be opened.

        Raises:
            Problem: 429, there are too many.
        """
        if not self.room(name):
            raise Problem(
                429,
                f"{self._most} streams are open, which are the most: close one.",
                code="too_many_streams",
                headers={"retry-after": "2"},
            )

    def room(self, name: str) -> bool:
        """Whether one more may be opened."""
        return self._open.get(name, 0) < self._most

    @contextmanager
    def opened(self, name: str) -> Iterator[None]:
        """Count one while the context lasts."""
        with self._lock:
            self._open[name] = self._open.get(name, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._open[name] -= 1


class Rates:
    """Counts the requests of each key in this process: a bucket that fills as time goes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str, requests: int) -> None:
        """Count one request of `name`.

        Raises:
            Problem: 429, where there were more than `requests` within a minute.
        """
        now, per_second = self._clock(), requests / 60
        with self._lock:
            left, then = self._buckets.get(name, (float(requests), now))
            left = min(float(requests), left + (now - then) * per_second)
            allowed = left >= 1
            self._buckets[name] = (left - 1 if allowed else left, now)
        if not allowed:
            wait = (1 - left) / per_second
            raise Problem(
                429,
                f"More than {requests} requests a minute: the next may come in {wait:.1f} s.",
                code="rate_limit_exceeded",
                headers={"retry-after-ms": f"{1000 * wait:.0f}", "retry-after": f"{wait:.0f}"},
            )
