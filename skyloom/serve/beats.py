"""Which workers are alive: each counts up in its row of the database, and the others watch.

No clock is compared between machines: a worker is dead to another when its count has stood still
for so long by that other's own clock, or at once where both are on one machine and its process is
gone. Its jobs go back into the queue.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from skyloom.extras import need
from skyloom.serve.jobs import Jobs, queue_of

LEASE_SECONDS = 10.0
"""A count that stands still for so long belongs to a dead worker."""
BEAT_SECONDS = 1.0


class Beats:
    """The row of one worker, and its watch over the others.

    Args:
        worker: the id of this one, new with each start.
    """

    def __init__(self, jobs: Jobs, worker: str, lease: float = LEASE_SECONDS) -> None:
        self._jobs, self._worker, self._lease = jobs, worker, lease
        self._machine, self._process = this_machine(), this_process(os.getpid())
        self._seen: dict[str, tuple[int, float]] = {}

    def beat(self) -> None:
        """Say that this worker is alive; its row is made anew if it was taken for dead."""
        tables = self._jobs.tables
        sa, table = tables.sa, tables.workers
        mine = sa.update(table).where(table.c.id == self._worker)
        if not tables.written(mine.values(beats=table.c.beats + 1, taken_by=None)):
            row = {"id": self._worker, "machine": self._machine, "process": self._process}
            tables.written(sa.insert(table).values(**row, beats=1))

    def leave(self) -> None:
        """This worker is going, and has no jobs left."""
        table = self._jobs.tables.workers
        delete = self._jobs.tables.sa.delete(table)
        self._jobs.tables.written(delete.where(table.c.id == self._worker))

    def take_over(self) -> int:
        """Put the jobs of dead workers back into the queue; how many."""
        tables = self._jobs.tables
        table = tables.workers
        others = [
            row
            for row in tables.rows(tables.sa.select(table))
            if row.id != self._worker and not self._alive(row)
        ]
        dead = [row.id for row in others]
        count = 0
        for id in dead:
            free = tables.sa.or_(table.c.taken_by.is_(None), table.c.taken_by.in_([*dead, id]))
            mine = tables.sa.update(table).where(table.c.id == id, free)
            if tables.written(mine.values(taken_by=self._worker)):
                count += self.requeue(self.unfinished(id))
                tables.written(tables.sa.delete(table).where(table.c.id == id))
                self._seen.pop(id, None)
        return count

    def unfinished(self, worker: str) -> dict[str, str]:
        """The jobs that are put down as a worker's, and the model of each."""
        tables = self._jobs.tables
        sa, table = tables.sa, tables.jobs
        theirs = sa.select(table.c.id, table.c.model)
        theirs = theirs.where(table.c.worker == worker, table.c.status == "in_progress")
        found = {row.id: row.model for row in tables.rows(theirs)}
        # Those that it had taken from the queue and not begun, or given back.
        taken = self._jobs.client.list_workflows(
            executor_id=worker, status="PENDING", load_input=False, load_output=False
        )
        ids = [state.workflow_id for state in taken if state.workflow_id not in found]
        if ids:
            query = sa.select(table.c.id, table.c.model).where(table.c.id.in_(ids))
            found |= {row.id: row.model for row in tables.rows(query)}
        return found

    def requeue(self, models: Mapping[str, str]) -> int:
        """Put jobs back into the queues of their models; how many there were."""
        for id, model in models.items():
            # One that is deleted in this moment needs no queue.
            with suppress(need("dbos", extra="serve").error.DBOSNonExistentWorkflowError):
                self._jobs.client.resume_workflow(id, queue_name=queue_of(model))
        return len(models)

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
