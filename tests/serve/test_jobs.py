"""The database of jobs: taken once, seen by their owner, written by their latest run."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyloom.errors import UserError
from skyloom.serve.job import Delivered, Failure
from skyloom.serve.jobs import KEEP_SECONDS, ORPHAN_SECONDS, Jobs
from skyloom.serve.order import Order
from skyloom.serve.store import tables
from skyloom.serve.store.files import Files
from skyloom.serve.worker.heartbeats import Heartbeats
from skyloom.serve.worker.run import MOST_BARREN, Run, Stopped

ORDER = Order(prompt="a ball")
MADE = Delivered((64, 48), 2.0, 12.0, 24, (128, 96), ("made at 128x96 and scaled to 64x48",))


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(tmp_path: Path, clock: Clock) -> Iterator[Jobs]:
    made = Jobs(f"sqlite:///{tmp_path / 'jobs.sqlite'}", Files(tmp_path / "files"), clock=clock)
    yield made
    made.close()


def result(tmp_path: Path, text: bytes = b"film") -> Path:
    path = tmp_path / "made.mp4"
    path.write_bytes(text)
    return path


def begun(jobs: Jobs, worker: str = "worker_1") -> Run:
    run = Run.begin(jobs, jobs.submit(ORDER, "anna").id, worker)
    assert run is not None
    return run


def test_a_job_is_what_was_ordered(jobs: Jobs, clock: Clock) -> None:
    job = jobs.submit(ORDER, "anna")
    assert jobs.get(job.id, "anna") == job
    assert (job.status, job.progress, job.created_at) == ("queued", 0, int(clock.now))
    assert job.id.startswith("video_") and not job.ended
    assert jobs.counts() == {"queued": 1, "in_progress": 0, "completed": 0, "failed": 0}
    (state,) = jobs.client.list_workflows()
    assert (state.workflow_id, state.queue_name) == (job.id, "skyloom:skyloom")


def test_another_owner_sees_nothing(jobs: Jobs) -> None:
    job = jobs.submit(ORDER, "anna")
    assert jobs.get(job.id, "ben") is None
    assert jobs.list("ben") == ([], False)
    assert not jobs.delete(job.id, "ben")
    assert jobs.usage("ben").jobs == 0 and jobs.usage("anna").active == 1
    jobs.submit(ORDER, "ben")
    first, _ = jobs.list("ben", after=job.id)  # a job of hers is none to page from
    assert len(first) == 1


def test_one_idempotency_key_is_one_job(jobs: Jobs) -> None:
    first, again = jobs.files.put(b"clip"), jobs.files.put(b"clip")
    order = Order(operation="extend", inputs={"video": first})
    job = jobs.submit(order, "anna", "key")
    twin = Order(operation="extend", inputs={"video": again})
    assert jobs.submit(twin, "anna", "key") == job
    assert jobs.submit(order, "anna", "key") == job
    assert jobs.files.exists(first) and not jobs.files.exists(again)
    assert jobs.submit(ORDER, "ben", "key").id != job.id
    assert jobs.submit(ORDER, "anna").id != job.id


def test_twins_at_the_same_moment_are_one_job(jobs: Jobs) -> None:
    found, start = [], threading.Barrier(6)

    def submit() -> None:
        start.wait()
        found.append(jobs.submit(ORDER, "anna", "key").id)

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len(set(found)) == 1
    assert len(jobs.client.list_workflows()) == 1


def test_what_the_guard_refuses_is_no_job(tmp_path: Path) -> None:
    def allow(order: Order) -> None:
        raise UserError(f"Nothing is made of '{order.prompt}'.")

    jobs = Jobs(f"sqlite:///{tmp_path / 'jobs.sqlite'}", Files(tmp_path / "files"), allow=allow)
    with pytest.raises(UserError, match="Nothing is made of 'a ball'"):
        jobs.submit(ORDER, "anna")
    assert jobs.list("anna") == ([], False) and jobs.client.list_workflows() == []
    jobs.close()


def test_pages_go_both_ways(jobs: Jobs) -> None:
    ids = [jobs.submit(ORDER, "anna").id for _ in range(5)]
    page, more = jobs.list("anna", limit=2)
    assert [job.id for job in page] == ids[:2:-1] and more
    page, more = jobs.list("anna", after=ids[3], limit=3)
    assert [job.id for job in page] == ids[2::-1] and not more
    page, more = jobs.list("anna", after=ids[1], limit=2, order="asc")
    assert [job.id for job in page] == ids[2:4] and more
    assert jobs.ahead(page[0]) == 2


def test_a_run_tells_and_publishes(jobs: Jobs, tmp_path: Path, clock: Clock) -> None:
    run = begun(jobs)
    run.tell(0.5)
    run.tell(0.9)  # too soon after the other to be written
    job = jobs.get(run.job.id, "anna")
    assert job is not None and (job.status, job.progress, job.attempts) == ("in_progress", 50, 1)
    jobs.files.publish(result(tmp_path), f"{run.work}/0000.safetensors")
    run.show(result(tmp_path))
    run.show(result(tmp_path))
    job = jobs.get(run.job.id, "anna")
    assert job is not None and job.previews == 2 and list(job.outputs) == ["preview"]
    clock.now += 60
    run.publish({"video": result(tmp_path)}, MADE)
    job = jobs.get(run.job.id, "anna")
    assert job is not None and job.ended and job.progress == 100 and job.delivered == MADE
    assert job.completed_at == int(clock.now) and job.expires_at == clock.now + KEEP_SECONDS
    assert jobs.files.keys("jobs") == [job.outputs["video"]], "only results are left"
    assert jobs.usage("anna").stored == len(b"film") and jobs.usage("anna").active == 0


def test_an_earlier_run_changes_nothing_any_more(jobs: Jobs, tmp_path: Path) -> None:
    """Its worker was taken for dead and was not."""
    late = begun(jobs, "worker_1")
    run = Run.begin(jobs, late.job.id, "worker_2")
    assert run is not None
    for act in (
        late.look,
        late.something_done,
        lambda: late.publish({"video": result(tmp_path, b"late")}, MADE),
        lambda: late.fail(Failure("server_error", "It was late.")),
    ):
        with pytest.raises(Stopped):
            act()
    late.park()
    run.publish({"video": result(tmp_path, b"film")}, MADE)
    job = jobs.get(run.job.id, "anna")
    assert job is not None and job.status == "completed" and job.attempts == 2
    with jobs.files.open(job.outputs["video"]) as file:
        assert file.read() == b"film"
    with pytest.raises(Stopped):
        late.publish({"video": result(tmp_path, b"late")}, MADE)
    assert jobs.files.keys("jobs") == [job.outputs["video"]]


def test_a_run_of_what_has_ended_only_clears_away(jobs: Jobs, tmp_path: Path) -> None:
    """Killed between publishing and telling the queue."""
    run = begun(jobs)
    run.publish({"video": result(tmp_path)}, MADE)
    jobs.files.publish(result(tmp_path), f"{run.work}/0007.safetensors")
    before = jobs.get(run.job.id, "anna")
    assert Run.begin(jobs, run.job.id, "worker_2") is None
    assert jobs.get(run.job.id, "anna") == before
    assert before is not None and jobs.files.keys("jobs") == [before.outputs["video"]]


def test_a_deleted_job_is_gone_and_its_run_notices(jobs: Jobs, tmp_path: Path) -> None:
    clip = jobs.files.put(b"clip")
    job = jobs.submit(Order(operation="extend", inputs={"video": clip}), "anna")
    run = Run.begin(jobs, job.id, "worker_1")
    assert run is not None and jobs.delete(job.id, "anna") and not jobs.delete(job.id, "anna")
    with pytest.raises(Stopped):
        run.look()
    with pytest.raises(Stopped):
        run.publish({"video": result(tmp_path)}, MADE)
    assert Run.begin(jobs, job.id, "worker_2") is None
    assert jobs.files.keys("jobs") == jobs.files.keys("uploads") == []
    assert jobs.client.list_workflows() == []


def test_a_job_is_blamed_only_for_runs_without_any_result(jobs: Jobs) -> None:
    id = jobs.submit(ORDER, "anna").id
    for _ in range(MOST_BARREN):
        run = Run.begin(jobs, id, "worker_1")
        assert run is not None and not run.hopeless
    assert Run.suspected(jobs, id)
    run.something_done()
    assert not Run.suspected(jobs, id)
    for _ in range(MOST_BARREN + 1):
        run = Run.begin(jobs, id, "worker_1")
        assert run is not None
    assert run.hopeless
    run.fail(Failure("worker_lost", "It dies each time."))
    job = jobs.get(id, "anna")
    assert job is not None and job.error == Failure("worker_lost", "It dies each time.")


def test_parking_is_not_held_against_a_job(jobs: Jobs) -> None:
    id = jobs.submit(ORDER, "anna").id
    for _ in range(3 * MOST_BARREN):
        run = Run.begin(jobs, id, "worker_1")
        assert run is not None and not run.hopeless
        run.park()
        job = jobs.get(id, "anna")
        assert job is not None and job.status == "queued"


def test_a_remix_is_the_clip_in_other_words(jobs: Jobs, tmp_path: Path) -> None:
    run = begun(jobs)
    with pytest.raises(UserError, match="is not finished"):
        jobs.remix(run.job, "in snow")
    run.publish({"video": result(tmp_path)}, MADE)
    job = jobs.get(run.job.id, "anna")
    assert job is not None
    order = jobs.remix(job, "in snow")
    assert (order.operation, order.prompt, order.size) == ("restyle", "in snow", (64, 48))
    assert order.remixed_from == job.id
    assert jobs.delete(job.id, "anna")  # the parent may go: the remix has a clip of its own
    with jobs.files.open(order.inputs["video"]) as file:
        assert file.read() == b"film"
    with pytest.raises(UserError, match="has no video"):
        jobs.borrow(job)


def test_what_is_over_goes_and_what_belongs_to_nobody(
    jobs: Jobs, tmp_path: Path, clock: Clock
) -> None:
    run = begun(jobs)
    run.publish({"video": result(tmp_path)}, MADE)
    running = begun(jobs)
    kept = jobs.files.put(b"clip")
    jobs.submit(Order(operation="extend", inputs={"video": kept}), "anna")
    orphans = [jobs.files.put(b"nobody's"), "jobs/video_gone/1/video.mp4"]
    others = ["characters/anna.png", f"{running.work}/0000.safetensors"]
    for key in (orphans[1], *others):
        jobs.files.publish(result(tmp_path), key)
    fresh = jobs.files.put(b"of a request that is being read")
    old = clock.now - ORPHAN_SECONDS - 60
    for key in (*orphans, *others, kept, fresh):
        path = jobs.files.path(key)
        assert path is not None
        at = clock.now if key == fresh else old
        os.utime(path, (at, at))
    assert jobs.expire() == 0
    assert not any(map(jobs.files.exists, orphans))
    assert all(map(jobs.files.exists, [*others, kept, fresh]))
    clock.now += KEEP_SECONDS
    assert jobs.expire() == 1 and jobs.get(run.job.id, "anna") is None
    assert jobs.get(running.job.id, "anna") is not None


def test_the_living_take_over_from_the_dead(jobs: Jobs) -> None:
    """One whose count stands still, on another machine; and one that has no row any more."""
    first, second = begun(jobs, "dead"), begun(jobs, "vanished")
    third = begun(jobs, "alive")
    dead, alive = Heartbeats(jobs, "dead", lease=0.0), Heartbeats(jobs, "alive", lease=0.0)
    dead._machine = "another"
    dead.beat()
    alive.beat()
    resumed: list[str] = []
    jobs.client.resume_workflow = lambda id, queue_name: resumed.append(id)
    here = lambda: {third.job.id}  # noqa: E731
    assert alive.take_over(here) == 0, "a count is seen twice before anything is concluded"
    assert alive.take_over(here) == 2
    assert set(resumed) == {first.job.id, second.job.id}
    resumed.clear()
    third_lost = lambda: set()  # noqa: E731
    assert alive.take_over(third_lost) == 0 or resumed  # seen once
    alive.take_over(third_lost)
    assert third.job.id in resumed


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/name", "Jobs cannot be kept in 'mysql'"),
        ("nonsense", "'nonsense' is no database"),
        ("sqlite:////nowhere/at/all/jobs.sqlite", "cannot be used: unable to open"),
        ("postgresql://nobody:secret@127.0.0.1:9/none", "cannot be used"),
    ],
)
def test_a_database_that_is_none_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setattr(tables, "PATIENCE", 0.1)
    with pytest.raises(UserError, match=said) as error:
        Jobs(url, Files(tmp_path))
    assert "secret" not in str(error.value)
