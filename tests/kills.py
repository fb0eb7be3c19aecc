"""Server and workers are killed at random moments while jobs of all kinds run: what comes of it.

    python tests/kills.py MODEL --kills 30               a server, its worker, SQLite
    python tests/kills.py MODEL --kills 30 --postgres    two workers, PostgreSQL

Prints the kills, the jobs lost, those done twice and those whose frames are other than where nobody
is killed; ends with 1 if there are any.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import postgres
import workers
from workers import OWNER, Mixed, WorkerProcess, digests, opened

from skyloom.serve.jobs import Jobs

ROUNDS_AHEAD = 2
"""Jobs of each kind that wait or run at any time."""
PATIENCE = 900.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=4.0, help="seconds of work before a kill")
    parser.add_argument("--postgres", action="store_true")
    args = parser.parse_args()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kills")))
        clip, picture = workers.write_inputs(root)
        reference = _undisturbed(root, args.model, clip, picture)
        url = f"sqlite:///{root / 'jobs.sqlite'}"
        if args.postgres:
            url = stack.enter_context(postgres.cluster())
        jobs = stack.enter_context(opened(url, root / "files"))
        workers.count_publishing(jobs)
        pair = Pair(url, root, args.model) if args.postgres else Served(url, root, args.model)
        stack.callback(pair.end)
        mixed = Mixed(jobs, clip, picture, args.model.name)
        return _killing(jobs, mixed, pair, reference, args)


def _undisturbed(root: Path, model: Path, clip: Path, picture: Path) -> dict:
    """What each order comes to where nobody is killed, by two workers' worth of jobs at once."""
    url, files = f"sqlite:///{root / 'reference.sqlite'}", root / "reference"
    with opened(url, files) as jobs, workers.working(url, files, model, root / "log"):
        mixed = Mixed(jobs, clip, picture, model.name)
        ids = [jobs.submit(mixed.order(kind), OWNER).id for kind in range(len(mixed))]
        done = workers.finished(jobs, ids, PATIENCE)
        return {kind: digests(jobs, job) for kind, job in enumerate(done)}


def _killing(jobs: Jobs, mixed: Mixed, pair: "Pair | Served", reference: dict, args) -> int:
    chance, kinds, killed = random.Random(args.seed), {}, 0
    began = time.monotonic()
    while killed < args.kills:
        pair.start()
        waiting = jobs.counts()["queued"] + jobs.counts()["in_progress"]
        for _ in range(ROUNDS_AHEAD * len(mixed) - waiting):
            kind = len(kinds) % len(mixed)
            kinds[jobs.submit(mixed.order(kind), OWNER).id] = kind
        if chance.random() < 0.9:  # else before anything is begun again, or while it is
            _until_work(jobs)
        time.sleep(chance.uniform(0, args.longest))
        print(f"{time.monotonic() - began:6.1f} s  kill {killed + 1}: {pair.kill(chance)}, "
              f"{jobs.counts()}", flush=True)  # fmt: skip
        killed += 1
    pair.start()
    end = time.monotonic() + PATIENCE
    while jobs.counts()["queued"] + jobs.counts()["in_progress"] and time.monotonic() < end:
        time.sleep(0.2)
    return _verdict(jobs, kinds, killed, reference)


def _until_work(jobs: Jobs) -> None:
    """Wait until somebody makes progress."""
    total = jobs.tables.sa.text(
        "SELECT sum(progress), sum(CASE WHEN status = 'completed' THEN 1 ELSE 0 END) "
        "FROM skyloom_jobs"
    )
    before = jobs.tables.rows(total)

    def moved() -> bool:
        counts = jobs.counts()
        return jobs.tables.rows(total) != before or not counts["queued"] + counts["in_progress"]

    workers.until(moved, workers.START_SECONDS)


def _verdict(jobs: Jobs, kinds: dict, killed: int, reference: dict) -> int:
    found = {id: jobs.get(id, OWNER) for id in kinds}
    lost = [id for id, job in found.items() if job is None or job.status != "completed"]
    times = workers.published(jobs)
    twice = [id for id in kinds if times.get(id, 0) > 1]
    other = [id for id, job in found.items()
             if id not in lost and digests(jobs, job) != reference[kinds[id]]]  # fmt: skip
    again = sum(job.attempts > 1 for job in found.values() if job)
    print(f"kills {killed}, jobs {len(kinds)}, begun again {again}, lost {len(lost)}, "
          f"done twice {len(twice)}, different bytes {len(other)}")  # fmt: skip
    for id in lost + other:
        print(kinds[id], found[id])
    return 1 if lost or twice or other else 0


class Pair:
    """Two workers; one is killed at a time, now and then both."""

    def __init__(self, url: str, root: Path, model: Path) -> None:
        self._make: Callable[[], WorkerProcess] = lambda: WorkerProcess(
            url, root / "files", model, root / "log", "--concurrency", "3"
        )
        self._all: list[WorkerProcess] = []

    def start(self) -> None:
        """See that both are there."""
        while len(self._all) < 2:
            self._all.append(self._make().ready())

    def kill(self, chance: random.Random) -> str:
        count = 1 if chance.random() < 0.8 else 2
        for _ in range(count):
            self._all.pop(chance.randrange(len(self._all))).kill()
        return f"{count} of 2 workers"

    def end(self) -> None:
        for worker in self._all:
            worker.kill()


class Served:
    """A server and the worker that it keeps."""

    def __init__(self, url: str, root: Path, model: Path) -> None:
        self._command = [sys.executable, "-m", "skyloom", "serve", "--port", "0", "--database", url]
        self._command += ["--files", str(root / "files"), "--model", str(model)]
        self._log = root / "log"
        self._server: subprocess.Popen | None = None

    def start(self) -> None:
        """See that both are there."""
        if self._server is None:
            with self._log.open("ab") as log:
                self._server = subprocess.Popen(
                    self._command, stdout=subprocess.PIPE, stderr=log,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )  # fmt: skip
            assert self._server.stdout is not None
            assert self._server.stdout.readline().startswith(b"skyloom serve: http")
        end = time.monotonic() + workers.START_SECONDS
        while not self._children():
            assert time.monotonic() < end, "the server started no worker"
            time.sleep(0.05)

    def _children(self) -> list[int]:
        assert self._server is not None
        listed = Path(f"/proc/{self._server.pid}/task")
        return [int(pid) for task in listed.glob("*/children") for pid in task.read_text().split()]

    def kill(self, chance: random.Random) -> str:
        assert self._server is not None
        if chance.random() < 0.5:
            children = self._children()
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            return "the worker"
        self._server.kill()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()
        self._server = None
        return "the server"

    def end(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(60)
            assert self._server.stdout is not None
            self._server.stdout.close()


if __name__ == "__main__":
    sys.exit(main())
