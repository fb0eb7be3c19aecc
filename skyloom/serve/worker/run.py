"""What a worker writes of a job that it runs.

Every run has a token of its own, and a job remembers the token of its latest run: what an earlier
run still writes changes nothing, and tells it that its time is over. So a worker that was taken for
dead and was not can do no harm, and a result is published once.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skyloom.serve.job import PREVIEW, Delivered, Failure, Job
from skyloom.serve.jobs import Jobs, job_of

TELL_SECONDS = 0.5
"""Progress is written at most this often; a deleted job is noticed then."""
MOST_BARREN = 5
"""Runs in which nothing was finished before a job is blamed for the death of its workers."""
SUSPECT_BARREN = 3
"""Runs in which nothing was finished before a job works alone, so that no other is blamed."""


class Stopped(BaseException):
    """This run is over: the job is deleted, another worker has it, or this one leaves.

    It is no `Exception`, so that nothing on the way takes it for a failure of the job: neither the
    pipeline nor the queue, which would put it down as one.
    """


class Run:
    """One run of a job by one worker.

    Attributes:
        job: as it was when the run began.
    """

    def __init__(self, jobs: Jobs, job: Job, token: str, barren: int) -> None:
        self.jobs, self.job, self._token, self._barren = jobs, job, token, barren
        self._told, self._percent = 0.0, job.progress

    @classmethod
    def begin(cls, jobs: Jobs, id: str, worker: str) -> "Run | None":
        """Take a job; None where it is gone or has ended, which leaves only files to clear away."""
        sa, table = jobs.tables.sa, jobs.tables.jobs
        token = secrets.token_hex(8)
        taken = sa.update(table).where(
            table.c.id == id, table.c.status.in_(("queued", "in_progress"))
        )
        found = jobs.tables.written(
            taken.values(
                runner=token,
                worker=worker,
                status="in_progress",
                attempts=table.c.attempts + 1,
                barren=table.c.barren + 1,
            )
        )
        rows = jobs.tables.rows(sa.select(table).where(table.c.id == id))
        if not rows:
            jobs.files.delete_all(f"jobs/{id}")
            return None
        job = job_of(rows[0])
        if not found or rows[0].runner != token:
            if job.ended:
                _tidy(jobs, job)
            return None
        return cls(jobs, job, token, rows[0].barren)

    @staticmethod
    def suspected(jobs: Jobs, id: str) -> bool:
        """Whether earlier runs ended without anything finished: it may kill its worker."""
        table = jobs.tables.jobs
        rows = jobs.tables.rows(jobs.tables.sa.select(table.c.barren).where(table.c.id == id))
        return bool(rows) and rows[0].barren >= SUSPECT_BARREN

    @property
    def hopeless(self) -> bool:
        """Whether so many runs have ended like that that another makes no sense."""
        return self._barren > MOST_BARREN

    @property
    def tries(self) -> int:
        """How many runs in a row, with this one, have finished nothing."""
        return self._barren

    @property
    def folder(self) -> str:
        """Where this run's own results go."""
        return f"jobs/{self.job.id}/{self._token}"

    @property
    def work(self) -> str:
        """Where what is half done lies, for this run and for those after it."""
        return f"jobs/{self.job.id}/work"

    def tell(self, share: float) -> None:
        """Say how much is done, 0..1; most calls write nothing.

        Raises:
            Stopped: the run is over.
        """
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            self._percent = max(self._percent, min(99, int(100 * share)))
            self._write(progress=self._percent)

    def look(self) -> None:
        """See whether the run is over.

        Raises:
            Stopped: it is.
        """
        self._told = time.monotonic()
        self._write(progress=self._percent)

    def something_done(self) -> None:
        """A window is finished: whatever happens next, the job is no dead weight.

        Raises:
            Stopped: the run is over.
        """
        self._barren = 0
        self._write(barren=0)

    def show(self, picture: Path) -> None:
        """Make a small picture the preview.

        Raises:
            Stopped: the run is over.
        """
        key = f"{self.folder}/{PREVIEW}{picture.suffix}"
        self.jobs.files.publish(picture, key)
        previews = self.jobs.tables.jobs.c.previews + 1
        self._write(outputs=json.dumps({PREVIEW: key}), previews=previews)

    def publish(self, results: Mapping[str, Path], delivered: Delivered) -> None:
        """Make results the job's, all at once, and the job completed.

        Raises:
            Stopped: the run is over, and what it has made is deleted again.
        """
        files, now = self.jobs.files, int(self.jobs.clock())
        keys = {name: f"{self.folder}/{name}{path.suffix}" for name, path in results.items()}
        for name, path in results.items():
            files.publish(path, keys[name])
        self._write(
            status="completed",
            progress=100,
            outputs=json.dumps(keys),
            delivered=json.dumps(asdict(delivered)),
            stored=sum(path.stat().st_size for path in results.values()),
            completed_at=now,
            expires_at=now + self.jobs.keep_seconds,
        )
        self._end()

    def fail(self, failure: Failure) -> None:
        """Make the job failed.

        Raises:
            Stopped: the run is over.
        """
        now = int(self.jobs.clock())
        self._write(
            status="failed",
            outputs="{}",
            error=json.dumps(asdict(failure)),
            completed_at=now,
            expires_at=now + self.jobs.keep_seconds,
        )
        self._end()

    def park(self, counted: bool = False) -> None:
        """Give the job back unfinished, for the next worker that has time.

        Args:
            counted: whether this run is held against it.
        """
        barren = self._barren if counted else max(0, self._barren - 1)
        try:
            self._write(status="queued", worker=None, runner=None, barren=barren)
        except Stopped:
            return

    def _end(self) -> None:
        job = self.jobs.get(self.job.id, self.job.owner)
        if job is not None:
            _tidy(self.jobs, job)

    def _write(self, **values: Any) -> None:
        """Change the job's row, if this is still the run that may."""
        table = self.jobs.tables.jobs
        mine = self.jobs.tables.sa.update(table).where(
            table.c.id == self.job.id,
            table.c.runner == self._token,
            table.c.status == "in_progress",
        )
        if not self.jobs.tables.written(mine.values(**values)):
            # What was kept since a job was deleted is nobody's; else the next run goes on from it.
            deleted = self.jobs.get(self.job.id, self.job.owner) is None
            self.jobs.files.delete_all(f"jobs/{self.job.id}" if deleted else self.folder)
            raise Stopped


def _tidy(jobs: Jobs, job: Job) -> None:
    """Delete all files of a job that has ended but its results and inputs."""
    kept = set(job.outputs.values())
    for key in jobs.files.keys(f"jobs/{job.id}"):
        if key not in kept:
            jobs.files.delete(key)
