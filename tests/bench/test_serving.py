"""The bench of serving at tiny size: both sides make the same bytes, and what its table says."""

import pytest

from skyloom.bench import serving
from skyloom.pipeline import Skyloom
from skyloom.serve.engine import Engine


def test_small_jobs_differ_and_are_small():
    jobs = serving.small_jobs()
    assert len(jobs) == 8 and len({job.prompt for job in jobs}) == 8
    assert len({job.size for job in jobs}) == 3 and len({job.steps for job in jobs}) == 5
    assert all(job.seconds == 1.0 and job.size[0] * job.size[1] <= 96 * 64 for job in jobs)


@pytest.fixture(scope="module")
def figures(skyloom: Skyloom) -> dict:
    jobs = serving.small_jobs(3, steps=2, seconds=0.5)
    with Engine(skyloom.sampler) as engine:
        return {
            "batching": serving.batching(skyloom, engine, jobs, 1),
            "preview": serving.previews(skyloom, engine, 1),
        }


def test_batching_and_previews(figures: dict) -> None:
    batch, preview = figures["batching"], figures["preview"]
    assert batch["same bytes"] and batch["clips"] == 3
    assert 1 <= batch["a pass"] <= 3
    speeds = batch["clips/s"]
    assert batch["ratio"] == pytest.approx(speeds["together"] / speeds["one by one"])
    assert batch["processor ratio"] > 0
    assert batch["FLOP"] > 0 and all(0 < share < 1 for share in batch["of ceiling"].values())
    assert all(0 < seconds < 60 for seconds in preview.values())


def test_the_table_says_what_was_measured(figures: dict) -> None:
    text = serving.table(figures)
    assert "3 small jobs one by one" in text and "the same bytes on both sides" in text
    differing = {**figures, "batching": {**figures["batching"], "same bytes": False}}
    assert "DIFFER" in serving.table(differing)
