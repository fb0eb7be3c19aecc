"""All jobs, in one database that API and workers share: SQLite by default, or PostgreSQL."""

import time
from collections.abc import Callable, Mapping
from typing import Literal

from skyloom.serve.files import Files
from skyloom.serve.job import Job, Usage
from skyloom.serve.order import Order

Allow = Callable[[Order], None]
"""The guard of prompts: raises a `UserError` that says why an order is refused."""


class Jobs:
    """The jobs of a database; safe to use from many threads and processes.

    Args:
        database: an SQLAlchemy URL, "sqlite:///jobs.sqlite" or "postgresql://host/name"; tables
            are made where there are none.
        files: where inputs and results lie.
        keep_seconds: how long a finished job is kept.
        allow: is asked about each order before it is taken.
        clock: seconds of the Unix clock.

    Raises:
        UserError: the database cannot be reached.
    """

    def __init__(
        self,
        database: str,
        files: Files,
        *,
        keep_seconds: int = 7 * 24 * 3600,
        allow: Allow | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        raise NotImplementedError

    def submit(self, order: Order, owner: str, idempotency_key: str | None = None) -> Job:
        """Take an order, in one transaction: once this returns the job survives anything.

        The same idempotency key and owner: the job that is there, whose order counts; the files of
        the second order are deleted.

        Raises:
            UserError: the guard refuses it.
        """
        raise NotImplementedError

    def remix(self, parent: Job, prompt: str, strength: float | None = None) -> Order:
        """The order that makes a finished job again in other words: its clip restyled."""
        raise NotImplementedError

    def borrow(self, job: Job, variant: str = "video") -> str:
        """A copy of a result, as an input of another order; KeyError where there is none."""
        raise NotImplementedError

    def get(self, id: str, owner: str) -> Job | None:
        """The job, if there is one and it is this owner's."""
        raise NotImplementedError

    def list(
        self,
        owner: str,
        after: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> tuple[list[Job], bool]:
        """Jobs by the time of their making, those after the job `after`, and whether there are
        more. An unknown `after` begins at the start."""
        raise NotImplementedError

    def delete(self, id: str, owner: str) -> bool:
        """Cancel what runs, forget the job, delete its files; False where there is no such job."""
        raise NotImplementedError

    def expire(self) -> int:
        """Delete finished jobs whose time is over, and files that belong to nobody; how many jobs.
        Workers call it now and then."""
        raise NotImplementedError

    def counts(self) -> Mapping[str, int]:
        """Jobs by status, of all owners."""
        raise NotImplementedError

    def usage(self, owner: str) -> Usage:
        """What an owner holds."""
        raise NotImplementedError

    def workers(self) -> int:
        """Workers that have been heard of within the last seconds."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the database."""
        raise NotImplementedError
