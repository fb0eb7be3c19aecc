"""Which workers are alive: each counts up in its row of the database, and the others watch.

No clock is compared between machines: a worker is dead to another when its count has stood still
for so long by that other's own clock, or at once where both are on one machine and its process is
gone. Its jobs go back into the queue.
"""

import os
import time
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from skyloom.extras import need
from skyloom.serve.jobs import Jobs, queue_of

LEASE_SECONDS = 10.0
"""A count that stands still for so long belongs to a dead worker."""
BEAT_SECONDS = 1.0


class Heartbeats:
    """The row of one worker, and its watch over the others.

    Args:
        worker: the id of this one, new with each start.
    """

    def __init__(self, jobs: Jobs, worker: str, lease: float = LEASE_SECONDS) -> None:
        self._jobs, self._worker, self._lease = jobs, worker, lease
        self._machine, self._process = this_machine(), this_process(os.getpid())
        self._seen: dict[str, tuple[int, float]] = {}
        self._lost: set[str] = set()

    def beat(self) -> None:
        """Say that this worker is alive; its row is made anew if it was taken for dead."""
        tables = self._jobs.tables
        sa, table = tables.sa, tables.workers
        mine = sa.update(table).where(table.c.id == self._worker)
        if not tables.written(mine.values(beats=table.c.beats + 1)):
            row = {"id": self._worker, "machine": self._machine, "process": self._process}
            tables.written(sa.insert(table).values(**row, beats=1))

    def leave(self) -> None:
        """This worker is going: its row goes, and what it had not finished into the queue."""
        self._delete(self._worker)
        self._requeue(
            {id: model for id, (model, who) in self._held().items() if who == self._worker}
        )

    def take_over(self, running: Callable[[], Container[str]]) -> int:
        """Put what nobody makes any more back into the queue; how many jobs.

        Those are jobs of dead workers; jobs of workers that have no row, for someone died who was
        about to do this; and jobs of this worker that no thread of it runs. What has just been
        taken from the queue looks like the latter two for a moment, but not twice.

        Args:
            running: ids of the jobs that threads of this worker run.
        """
        rows = self._jobs.tables.rows(self._jobs.tables.sa.select(self._jobs.tables.workers))
        dead = {row.id for row in rows if row.id != self._worker and not self._alive(row)}
        buried = {id for id in dead if self._delete(id)}  # by this worker and by no other
        known = {row.id for row in rows} - {self._worker} - buried
        again, lost = {}, set()
        held = self._held()
        here = running()
        for id, (model, worker) in held.items():
            if worker in known or (worker == self._worker and id in here):
                continue
            if worker in buried or id in self._lost:
                again[id] = model
            else:
                lost.add(id)
        self._lost = lost
        self._requeue(again)
        return len(again)

    def _held(self) -> dict[str, tuple[str, str]]:
        """The model and the worker of each job that a worker has and has not finished."""
        tables = self._jobs.tables
        sa, table = tables.sa, tables.jobs
        made = sa.select(table.c.id, table.c.model, table.c.worker)
        made = made.where(table.c.status == "in_progress")
        found = {row.id: (row.model, row.worker) for row in tables.rows(made)}
        # Those that were taken from the queue and not begun, given back, or ended just now.
        taken = self._jobs.client.list_workflows(
            status="PENDING", load_input=False, load_output=False
        )
        others = {state.workflow_id: state.executor_id for state in taken}
        others = {id: worker or "" for id, worker in others.items() if id not in found}
        if others:
            query = sa.select(table.c.id, table.c.model).where(table.c.id.in_(list(others)))
            found |= {row.id: (row.model, others[row.id]) for row in tables.rows(query)}
        return found

    def _requeue(self, models: Mapping[str, str]) -> None:
        """Put jobs back into the queues of their models."""
        for id, model in models.items():
            # One that is deleted in this moment needs no queue.
            with suppress(need("dbos", extra="serve").error.DBOSNonExistentWorkflowError):
                self._jobs.client.resume_workflow(id, queue_name=queue_of(model))

    def _delete(self, worker: str) -> bool:
        """Whether there was such a row until now."""
        table = self._jobs.tables.workers
        delete = self._jobs.tables.sa.delete(table).where(table.c.id == worker)
        return bool(self._jobs.tables.written(delete))

    def _alive(self, row: Any) -> bool:
        if row.machine and row.machine == self._machine:
            pid = row.process.partition(":")[0]
            if this_process(int(pid)) != row.process:
                return False
        beats, since = self._seen.get(row.id, (-1, 0.0))
        if beats != row.beats:
            self._seen[row.id] = (row.beats, time.monotonic())
            return True
        return time.monotonic() - since < self._lease


def this_machine() -> str:
    """What processes share that can see each other: one start of one machine, one container; ""
    where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def this_process(pid: int) -> str:
    """ "pid:start" of a running process, which no later one repeats; "pid:" where there is none."""
    try:
        # The name of the program, in brackets, may hold anything: count from its end.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return f"{pid}:"
    return f"{pid}:" if fields[0] in "ZX" else f"{pid}:{fields[19]}"
