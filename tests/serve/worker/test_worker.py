"""Workers as processes: what they make, what is left when they are killed, and how they leave.

All jobs of the same order are compared with one that nobody disturbed. `tests/kills.py` does the
same with many more kills.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import postgres
import pytest
import workers
from tiny import Tiny
from workers import OWNER, Mixed, WorkerProcess, digests, finished, opened, until, working

from skyloom.serve.jobs import Jobs
from skyloom.serve.order import Order

LONG = {"prompt": "a ball", "size": (32, 32), "seconds": 24.0, "model": "model", "steps": 8}
SHORT = {**LONG, "seconds": 0.5, "steps": 2}
Digests = Mapping[int, Mapping[str, str]]


class Place:
    """A database, a store and a model."""

    def __init__(self, root: Path, model: Path, database: str | None = None) -> None:
        self.database = database or f"sqlite:///{root / 'jobs.sqlite'}"
        self.files, self._model, self._log = root / "files", model, root / "log"

    def working(self, *flags: str) -> AbstractContextManager[WorkerProcess]:
        """A worker here."""
        return working(self.database, self.files, self._model, self._log, *flags)

    def opened(self) -> AbstractContextManager[Jobs]:
        """The jobs here."""
        return opened(self.database, self.files)


@pytest.fixture
def place(tiny: Tiny, tmp_path: Path) -> Place:
    return Place(tmp_path, tiny.model)


@pytest.fixture
def jobs(place: Place) -> Iterator[Jobs]:
    with place.opened() as jobs:
        yield jobs


@pytest.fixture(scope="module")
def served(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """Jobs that a worker makes whom nobody disturbs."""
    place = Place(tmp_path_factory.mktemp("served"), tiny.model)
    with place.opened() as jobs, place.working("--concurrency", "2"):
        yield jobs


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Jobs], Mixed]:
    clip, picture = workers.write_inputs(tmp_path_factory.mktemp("inputs"))
    return lambda jobs: Mixed(jobs, clip, picture)


@pytest.fixture(scope="module")
def reference(served: Jobs, mixed: Callable[[Jobs], Mixed]) -> Digests:
    """What each order of `Mixed` comes to, made one after the other."""
    orders, found = mixed(served), {}
    for kind in range(len(orders)):
        (job,) = finished(served, [served.submit(orders.order(kind), OWNER).id])
        assert job.error is None and job.attempts == 1
        found[kind] = digests(served, job)
    return found


def check_all(jobs: Jobs, ids: list[str], reference: Digests) -> None:
    """Nothing is lost, done twice, or other than it would have been."""
    done = finished(jobs, ids)
    assert [job.error for job in done] == [None] * len(ids)
    assert {kind: digests(jobs, job) for kind, job in enumerate(done)} == reference
    assert workers.published(jobs) == dict.fromkeys(ids, 1)
    kept = {key for job in done for key in job.outputs.values()}
    until(lambda: set(jobs.files.keys("jobs")) == kept)  # what runs left behind is cleared away


def progress(jobs: Jobs) -> int:
    return sum(job.progress for job in jobs.list(OWNER)[0])


def test_killed_workers_lose_nothing_and_do_nothing_twice(
    place: Place, jobs: Jobs, mixed: Callable[[Jobs], Mixed], reference: Digests
) -> None:
    workers.count_publishing(jobs)
    orders, chance = mixed(jobs), random.Random(0)
    ids = [jobs.submit(orders.order(kind), OWNER).id for kind in range(len(orders))]
    for _ in range(2):
        with place.working("--concurrency", "3") as worker:
            before = progress(jobs)
            until(lambda before=before: progress(jobs) > before)
            time.sleep(chance.uniform(0, 0.3))
            worker.kill()
    with place.working("--concurrency", "3"):
        check_all(jobs, ids, reference)


def test_one_of_two_workers_on_postgresql_is_killed(
    tiny: Tiny, tmp_path: Path, mixed: Callable[[Jobs], Mixed], reference: Digests
) -> None:
    """Nobody starts it again: the other makes all."""
    with postgres.cluster() as url, ExitStack() as stack:
        place = Place(tmp_path, tiny.model, url)
        jobs = stack.enter_context(place.opened())
        workers.count_publishing(jobs)
        orders = mixed(jobs)
        ids = [jobs.submit(orders.order(kind), OWNER).id for kind in range(len(orders))]
        first, _ = (stack.enter_context(place.working("--concurrency", "2")) for _ in range(2))
        until(lambda: jobs.counts()["in_progress"] > 2 or jobs.counts()["completed"] > 0)
        first.kill()
        check_all(jobs, ids, reference)
        until(lambda: jobs.workers() == 1)  # it is missed after a while


def test_a_successor_goes_on_in_the_middle_of_a_clip(place: Place, jobs: Jobs) -> None:
    """One worker is killed, the next told to leave, and the third has only the rest to make."""
    id = jobs.submit(Order(**LONG), OWNER).id

    def windows() -> dict[str, int]:
        paths = {key: jobs.files.path(key) for key in jobs.files.keys(f"jobs/{id}/work")}
        return {key: path.stat().st_mtime_ns for key, path in paths.items() if path}

    with place.working() as worker:
        until(lambda: len(windows()) >= 2)
        worker.kill()
    killed = windows()
    with place.working("--drain", "0.01") as worker:
        until(lambda: len(windows()) > len(killed))
        assert worker.leave() == 0
    parked, job = windows(), jobs.get(id, OWNER)
    assert job is not None and job.status == "queued" and 0 < job.progress < 100
    assert parked.items() >= killed.items(), "a window was made again"
    assert jobs.workers() == 0
    with place.working("--drain", "100") as worker:
        until(lambda: jobs.get(id, OWNER).status == "in_progress")
        assert worker.leave(120) == 0  # it has time to end what it makes
        (job,) = finished(jobs, [id], seconds=0.1)
    assert job.status == "completed" and job.attempts == 3


def test_a_successor_goes_on_in_the_middle_of_a_large_picture(
    place: Place, jobs: Jobs, served: Jobs
) -> None:
    order = Order(
        operation="image", prompt="a ball", size=(768, 512), steps=40, seed=3, model="model"
    )
    id = jobs.submit(order, OWNER).id

    def kept() -> dict[str, int]:
        paths = {key: jobs.files.path(key) for key in jobs.files.keys(f"jobs/{id}/work")}
        return {key: path.stat().st_mtime_ns for key, path in paths.items() if path}

    with place.working() as worker:
        until(lambda: len(kept()) >= 4)  # the small picture, and steps of tiles
        worker.kill()
    killed = kept()
    with place.working("--drain", "0.01") as worker:
        until(lambda: len(kept()) > len(killed))
        assert worker.leave() == 0
    assert kept().items() >= killed.items(), "a step was made again"
    with place.working():
        (job,) = finished(jobs, [id])
    (whole,) = finished(served, [served.submit(order, OWNER).id])
    assert job.status == "completed" and job.attempts == 3 and whole.attempts == 1
    assert digests(jobs, job) == digests(served, whole)


def test_deleting_cancels_what_runs(served: Jobs) -> None:
    ids = [served.submit(Order(**LONG | {"seconds": 300.0}), OWNER).id for _ in range(2)]
    until(lambda: all(served.files.keys(f"jobs/{id}/work") for id in ids))
    assert served.delete(ids[0], OWNER) and served.delete(ids[1], OWNER)
    assert finished(served, [served.submit(Order(**SHORT), OWNER).id])[0].status == "completed"
    until(lambda: not any(served.files.keys(f"jobs/{id}") for id in ids))
    assert served.get(ids[0], OWNER) is None


def test_a_preview_is_seen_while_a_clip_is_made(served: Jobs) -> None:
    id = served.submit(Order(**LONG | {"seconds": 240.0}), OWNER).id
    quiet = served.submit(Order(**SHORT, preview=False), OWNER).id
    until(lambda: served.get(id, OWNER).previews > 1)
    with served.files.open(served.get(id, OWNER).outputs["preview"]) as file:
        assert file.read(4) == b"RIFF"
    done, unseen = finished(served, [id, quiet])
    assert "preview" not in done.outputs and unseen.previews == 0


def test_a_job_that_kills_its_workers_fails_and_others_expire(place: Place, jobs: Jobs) -> None:
    poison, other = (jobs.submit(Order(**SHORT), OWNER).id for _ in range(2))
    sa, table = jobs.tables.sa, jobs.tables.jobs
    # Five runs of it have ended with nothing to show.
    jobs.tables.written(sa.update(table).where(table.c.id == poison).values(barren=5))
    with place.working("--keep-hours", "0.05"):
        failed, done = finished(jobs, [poison, other])
    assert failed.error is not None and failed.error.code == "worker_lost" and not failed.outputs
    assert failed.error.message.startswith("The worker died each time")
    assert done.status == "completed" and done.expires_at == done.completed_at + 180
    assert jobs.expire() == 0
    with opened(place.database, place.files, clock=lambda: time.time() + 200) as later:
        assert later.expire() == 2 and later.list(OWNER) == ([], False)
    assert jobs.files.keys("jobs") == []


def test_what_cannot_be_made_fails_with_a_sentence_and_no_path(served: Jobs) -> None:
    text = served.files.put(b"this is no film", suffix=".mp4")
    order = Order(operation="extend", inputs={"video": text}, model="model")
    (job,) = finished(served, [served.submit(order, OWNER).id])
    assert job.status == "failed" and job.error is not None and job.expires_at is not None
    assert job.error.code == "invalid_request"
    assert "'video'" in job.error.message and "/" not in job.error.message
