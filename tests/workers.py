"""Real workers for tests, which are killed, and jobs whose results are compared byte by byte."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skyloom import video
from skyloom.serve.job import Job
from skyloom.serve.jobs import Jobs
from skyloom.serve.order import Order
from skyloom.serve.store.files import Files
from skyloom.video import Video

START_SECONDS = 120
OWNER = "tester"


class WorkerProcess:
    """`skyloom worker` as a process of its own.

    Args:
        log: a file to which its standard error goes.
    """

    def __init__(self, database: str, files: Path, model: Path, log: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "skyloom", "worker", "--database", database]
        command += ["--files", str(files), "--model", str(model), *flags]
        self._log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def ready(self) -> "WorkerProcess":
        """Wait until it takes jobs."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == b"skyloom worker: ready\n", self._log.read_text()[-3000:]
        return self

    def kill(self) -> None:
        """As the kernel does when memory is short: no word of warning."""
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def leave(self, seconds: float = 60) -> int:
        """Ask it to go, and wait for that; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(seconds)
        return self._end()

    def _end(self) -> int:
        code = self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def working(
    database: str, files: Path, model: Path, log: Path, *flags: str
) -> Iterator[WorkerProcess]:
    """A worker that is ready; it is killed at the end, if it is still there."""
    worker = WorkerProcess(database, files, model, log, *flags)
    try:
        yield worker.ready()
    finally:
        if worker.process.poll() is None:
            worker.kill()


@contextmanager
def opened(database: str, files: Path, **options: Any) -> Iterator[Jobs]:
    """The jobs of a database."""
    jobs = Jobs(database, Files(files), **options)
    try:
        yield jobs
    finally:
        jobs.close()


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


def finished(jobs: Jobs, ids: Iterable[str], seconds: float = 120) -> list[Job]:
    """The jobs once all of them have ended."""
    end, found = time.monotonic() + seconds, []
    for id in ids:
        while (job := jobs.get(id, OWNER)) is not None and not job.ended:
            assert time.monotonic() < end, f"{job} has not ended within {seconds} s"
            time.sleep(0.02)
        assert job is not None, f"{id} is lost"
        found.append(job)
    return found


def digests(jobs: Jobs, job: Job) -> Mapping[str, str]:
    """What each result of a job shows, in its bytes.

    They are those of the frames that are decoded from it: around them a file has a signature, and
    no two signatures are alike.
    """
    found = {}
    for name, key in job.outputs.items():
        with jobs.files.local(key) as path:
            clip = video.read(path)
        shape = repr((clip.frames.shape, clip.fps)).encode()
        found[name] = hashlib.sha256(shape + clip.frames.tobytes()).hexdigest()
    return found


def count_publishing(jobs: Jobs) -> None:
    """Let the database itself write down each time that a result is published."""
    sa, engine = jobs.tables.sa, jobs.tables.engine
    statements = ["CREATE TABLE published (id TEXT)"]
    if engine.dialect.name == "sqlite":
        statements.append(
            "CREATE TRIGGER publishing AFTER UPDATE OF completed_at ON skyloom_jobs "
            "BEGIN INSERT INTO published VALUES (new.id); END"
        )
    else:
        statements += [
            "CREATE FUNCTION publishing() RETURNS trigger AS $$ BEGIN "
            "INSERT INTO published VALUES (NEW.id); RETURN NEW; END $$ LANGUAGE plpgsql",
            "CREATE TRIGGER publishing AFTER UPDATE OF completed_at ON skyloom_jobs "
            "FOR EACH ROW EXECUTE FUNCTION publishing()",
        ]
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def published(jobs: Jobs) -> Mapping[str, int]:
    """How often each job was published, by the database's own account."""
    rows = jobs.tables.rows(jobs.tables.sa.text("SELECT id, count(*) FROM published GROUP BY id"))
    return {id: int(count) for id, count in rows}


def write_inputs(folder: Path) -> tuple[Path, Path]:
    """A short clip, a ball that moves, and its first frame as a picture."""
    clip, picture = folder / "clip.mp4", folder / "picture.png"
    rows, columns = np.ogrid[:34, :60]
    balls = [np.hypot(rows - 17, columns - 10 - 3 * n) < 8 for n in range(12)]
    red = np.stack([np.where(ball[..., None], [200, 30, 20], [90, 120, 160]) for ball in balls])
    frames = red.astype(np.uint8)
    video.write(Video(frames, 12.0), clip)
    video.write(Video(frames[:1], 1.0), picture)
    return clip, picture


class Mixed:
    """Jobs of all kinds, over and over, and what each should come to.

    Args:
        clip, picture: files to start from.
    """

    def __init__(self, jobs: Jobs, clip: Path, picture: Path, model: str = "model") -> None:
        self.jobs, self._clip, self._picture, self._model = jobs, clip, picture, model

    def order(self, kind: int) -> Order:
        """One of `len(self)` orders, with files of its own; the same number asks for the same."""
        said: dict[str, Any] = {"model": self._model, "steps": 6, "seed": kind}
        clip, picture = self._given(self._clip), self._given(self._picture)
        match kind:
            case 0:  # six windows
                return Order(prompt="a ball rolls", size=(32, 32), seconds=16.0, **said)
            case 1:
                return Order(
                    operation="extend", prompt="on", seconds=6.0, size=(60, 34),
                    inputs={"video": clip()}, **said,
                )  # fmt: skip
            case 2:
                return Order(operation="image", prompt="a cube", size=(300, 200), **said)
            case 3:
                story = {
                    "subjects": "a ball",
                    "shots": [
                        {"prompt": "rolls", "seconds": 5.0},
                        {"prompt": "rests", "seconds": 1.0, "cut": False},
                        {"picture": "story:0", "seconds": 1.0},
                    ],
                }
                return Order(
                    operation="storyboard", size=(32, 32), story=story,
                    inputs={"story:0": picture()}, **said,
                )  # fmt: skip
            case 4:
                return Order(
                    operation="restyle", prompt="in snow", strength=0.7,
                    inputs={"video": clip()}, **said,
                )  # fmt: skip
            case _:
                return Order(
                    operation="animate", prompt="it falls", seconds=1.0, size=(48, 32),
                    inputs={"picture": picture()}, **said,
                )  # fmt: skip

    def __len__(self) -> int:
        return 6

    def _given(self, path: Path) -> Callable[[], str]:
        return lambda: self.jobs.files.put(path, suffix=path.suffix)
