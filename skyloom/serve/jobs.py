"""All jobs, in one database that API and workers share: SQLite by default, or PostgreSQL.

Here is what the API asks for; what a worker writes is in skyloom/serve/worker/run.py.
"""

import json
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.serve.job import VIDEO, Delivered, Failure, Job, State, Usage
from skyloom.serve.order import Order
from skyloom.serve.store.files import Files
from skyloom.serve.store.tables import APPLICATION, Tables

Allow = Callable[[Order], None]
"""The guard of prompts: raises a `UserError` that says why an order is refused."""

WORKFLOW = "make"
KEEP_SECONDS = 7 * 24 * 3600
ORPHAN_SECONDS = 24 * 3600
"""Age at which files are deleted that no job knows."""
REMIX_STRENGTH = 0.7


def queue_of(model: str) -> str:
    """Name of the queue in which a model's jobs wait: workers that have it listen to it."""
    return f"skyloom:{model}"


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
        keep_seconds: int = KEEP_SECONDS,
        allow: Allow | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.files, self.keep_seconds, self.clock = files, keep_seconds, clock
        self.tables = Tables(database)
        self._allow = allow
        client = need("dbos", extra="serve").DBOSClient
        self.client = client(
            system_database_engine=self.tables.engine, application_name=APPLICATION
        )

    # ------------------------------------------------------------------------------- taking orders

    def submit(self, order: Order, owner: str, idempotency_key: str | None = None) -> Job:
        """Take an order, in one transaction: once this returns the job survives anything.

        The same idempotency key and owner: the job that is there, whose order counts; the files of
        the second order are deleted.

        Raises:
            UserError: the guard refuses it.
        """
        there = self._earlier(owner, idempotency_key)
        if there is None:
            if self._allow is not None:
                self._allow(order)
            there = self._insert(order, owner, idempotency_key)
        for key in set(order.inputs.values()) - set(there.order.inputs.values()):
            self.files.delete(key)
        return there

    def _insert(self, order: Order, owner: str, idempotency_key: str | None) -> Job:
        sa, table = self.tables.sa, self.tables.jobs
        id, now = f"video_{secrets.token_hex(16)}", int(self.clock())
        row = {
            "id": id,
            "owner": owner,
            "idempotency_key": idempotency_key,
            "model": order.model,
            "order": order.to_json(),
            "status": "queued",
            "created_at": now,
        }
        where = {"workflow_name": WORKFLOW, "workflow_id": id, "queue_name": queue_of(order.model)}
        try:
            with self.tables.engine.begin() as connection:
                connection.execute(sa.insert(table).values(row))
                self.client.enqueue_in_transaction(connection, where, id)
        except sa.exc.IntegrityError:
            twin = self._earlier(owner, idempotency_key)  # it was faster
            if twin is None:
                raise
            return twin
        return Job(id, owner, order, "queued", 0, now)

    def _earlier(self, owner: str, idempotency_key: str | None) -> Job | None:
        if idempotency_key is None:
            return None
        table = self.tables.jobs
        return self._one(table.c.owner == owner, table.c.idempotency_key == idempotency_key)

    def remix(self, parent: Job, prompt: str, strength: float | None = None) -> Order:
        """The order that makes a finished job again in other words: its clip restyled.

        Raises:
            UserError: the job has no result.
        """
        delivered = parent.delivered
        if delivered is None:
            raise UserError(f"The video '{parent.id}' is not finished: wait until it is.")
        before = parent.order
        return replace(
            before,
            operation="restyle",
            prompt=prompt,
            size=delivered.size,
            seconds=None,
            fps=delivered.fps if delivered.frames > 1 else None,
            strength=REMIX_STRENGTH if strength is None else strength,
            story=None,
            path=None,
            keep=(),
            trim=None,
            loop=False,
            backward=False,
            at="start",
            inputs={"video": self.borrow(parent)},
            remixed_from=parent.id,
        )

    def borrow(self, job: Job, variant: str = VIDEO) -> str:
        """A copy of a result, as an input of another order.

        Raises:
            UserError: there is no such result.
        """
        try:
            return self.files.copy(job.outputs[variant])
        except (KeyError, FileNotFoundError):
            raise UserError(f"The video '{job.id}' has no {variant} to start from.") from None

    # ------------------------------------------------------------------------------------- reading

    def get(self, id: str, owner: str) -> Job | None:
        """The job, if there is one and it is this owner's."""
        return self._one(self.tables.jobs.c.id == id, self.tables.jobs.c.owner == owner)

    def list(
        self,
        owner: str,
        after: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> "tuple[list[Job], bool]":
        """Jobs by the time of their making, those after the job `after`, and whether there are
        more. An unknown `after` begins at the start."""
        sa, table = self.tables.sa, self.tables.jobs
        query = sa.select(table).where(table.c.owner == owner)
        if after is not None:
            last = sa.select(table.c.number).where(table.c.id == after, table.c.owner == owner)
            found = self.tables.rows(last)
            if found:
                number = found[0].number
                later = table.c.number > number if order == "asc" else table.c.number < number
                query = query.where(later)
        by = table.c.number.asc() if order == "asc" else table.c.number.desc()
        rows = self.tables.rows(query.order_by(by).limit(limit + 1))
        return [job_of(row) for row in rows[:limit]], len(rows) > limit

    def states(self, ids: Collection[str]) -> Mapping[str, State]:
        """How far jobs are, by id, of those that there are; whose they are is for who asks."""
        table = self.tables.jobs
        said = (table.c.id, table.c.status, table.c.progress, table.c.previews)
        rows = self.tables.rows(self.tables.sa.select(*said).where(table.c.id.in_(ids)))
        return {row.id: State(row.status, row.progress, row.previews) for row in rows}

    def counts(self) -> Mapping[str, int]:
        """Jobs by status, of all owners."""
        sa, status = self.tables.sa, self.tables.jobs.c.status
        found = self.tables.rows(sa.select(status, sa.func.count()).group_by(status))
        zero = {"queued": 0, "in_progress": 0, "completed": 0, "failed": 0}
        return zero | {name: int(count) for name, count in found}

    def ahead(self, job: Job) -> int:
        """Jobs of all owners that wait before a job that waits, 0 for others."""
        sa, table = self.tables.sa, self.tables.jobs
        if job.status != "queued":
            return 0
        number = sa.select(table.c.number).where(table.c.id == job.id).scalar_subquery()
        query = sa.select(sa.func.count()).where(table.c.status == "queued")
        query = query.where(table.c.model == job.order.model, table.c.number < number)
        return int(self.tables.rows(query)[0][0])

    def usage(self, owner: str) -> Usage:
        """What an owner holds."""
        sa, table = self.tables.sa, self.tables.jobs
        active = table.c.status.in_(("queued", "in_progress"))
        query = sa.select(
            sa.func.coalesce(sa.func.sum(table.c.stored), 0),
            sa.func.coalesce(sa.func.sum(sa.case((active, 1), else_=0)), 0),
            sa.func.count(),
        ).where(table.c.owner == owner)
        return Usage(*map(int, self.tables.rows(query)[0]))

    def workers(self) -> int:
        """Workers that are known, those that died a moment ago among them."""
        sa = self.tables.sa
        query = sa.select(sa.func.count()).select_from(self.tables.workers)
        return int(self.tables.rows(query)[0][0])

    def _one(self, *where: Any) -> Job | None:
        rows = self.tables.rows(self.tables.sa.select(self.tables.jobs).where(*where))
        return job_of(rows[0]) if rows else None

    # -------------------------------------------------------------------------------------- ending

    def delete(self, id: str, owner: str) -> bool:
        """Cancel what runs, forget the job, delete its files; False where there is no such job."""
        job = self.get(id, owner)
        return job is not None and self._forget(job)

    def _forget(self, job: Job) -> bool:
        """Whether this call was the one that deleted the job.

        The row goes first: a worker that runs the job sees at its next word that it is gone.
        """
        table = self.tables.jobs
        gone = self.tables.written(self.tables.sa.delete(table).where(table.c.id == job.id))
        self.client.delete_workflow(job.id)
        self.files.delete_all(f"jobs/{job.id}")
        for key in job.order.inputs.values():
            self.files.delete(key)
        return gone == 1

    def expire(self) -> int:
        """Delete finished jobs whose time is over, and files that belong to nobody; how many jobs.
        Workers call it now and then."""
        table, now = self.tables.jobs, self.clock()
        over = self.tables.sa.select(table).where(table.c.expires_at <= int(now))
        count = sum(self._forget(job_of(row)) for row in self.tables.rows(over))
        self._clear_orphans(now - ORPHAN_SECONDS)
        return count

    def _clear_orphans(self, before: float) -> None:
        """Files that were written before that time and belong to no job: what a crash left."""
        stale = [key for key, at in self.files.listed("uploads") if 0 < at < before]
        stale += [key for key, at in self.files.listed("jobs") if 0 < at < before]
        if not stale:
            return
        known: set[str] = set()
        running: set[str] = set()
        for row in self.tables.rows(self.tables.sa.select(self.tables.jobs)):
            job = job_of(row)
            known.update(job.order.inputs.values(), job.outputs.values())
            if not job.ended:
                running.add(job.id)
        for key in stale:
            if key not in known and key.split("/")[1] not in running:
                self.files.delete(key)

    def close(self) -> None:
        """Let go of the database."""
        self.client.destroy()
        self.tables.engine.dispose()


def suffix_of(job: Job, variant: str = VIDEO) -> str:
    """The suffix of a result's file, as in ".mp4"; "" where there is none."""
    return Path(job.outputs.get(variant, "")).suffix


def job_of(row: Any) -> Job:
    """A row of the table `jobs` as a job."""
    delivered = json.loads(row.delivered) if row.delivered else None
    if delivered is not None:
        lists = {name: tuple(delivered[name]) for name in ("size", "made", "notes")}
        delivered = Delivered(**{**delivered, **lists})
    return Job(
        id=row.id,
        owner=row.owner,
        order=Order.from_json(row.order),
        status=row.status,
        progress=row.progress,
        created_at=row.created_at,
        completed_at=row.completed_at,
        expires_at=row.expires_at,
        error=Failure(**json.loads(row.error)) if row.error else None,
        outputs=json.loads(row.outputs),
        previews=row.previews,
        delivered=delivered,
        attempts=row.attempts,
    )
