"""A run that is killed at any moment goes on, and ends with the bytes of one that never was."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import rows

from skyloom.train.journal import WALL_CLOCK

MANY = Path(__file__).with_name("many.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
STEPS = 1500
PATIENCE = 300.0
"""Seconds after which a run that writes nothing has failed."""


def start(folder: Path, steps: int = STEPS) -> subprocess.Popen[str]:
    """A run of one process that saves every 7 steps."""
    arguments = [sys.executable, MANY, folder, 1, steps, 7, "whole", "no"]
    return subprocess.Popen(
        list(map(str, arguments)), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


def ended(folder: Path, steps: int = STEPS) -> dict[str, object]:
    """All that a run leaves, but for what tells of the machine."""
    (last,) = sorted((folder / "checkpoints").glob("step_*"))[-1:]
    logs = {
        name: [{k: v for k, v in row.items() if k not in WALL_CLOCK} for row in rows(folder / name)]
        for name in ("metrics.jsonl", "evaluations.jsonl")
    }
    state = {file.name: file.read_bytes() for file in last.iterdir() if file.suffix != ".json"}
    state.pop("SHA256SUMS", None)  # of the times in meta.json as well
    assert state and json.loads((last / "meta.json").read_text())["step"] == steps
    return {"logs": logs, "state": state, "model": (folder / "model/weights.json").read_bytes()}


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("never")
    with start(folder) as run:
        _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, said
    return ended(folder)


def newest(folder: Path) -> str:
    """The newest checkpoint, whole or not."""
    return max((path.name for path in (folder / "checkpoints").glob("*")), default="")


def kill(folder: Path, rng: random.Random, steps: int = STEPS) -> None:
    """Start a run and kill it at some moment, a little after it has come to train."""
    before, began = newest(folder), time.monotonic()
    run = start(folder, steps)
    while newest(folder) == before and run.poll() is None:
        assert time.monotonic() < began + PATIENCE
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.05))
    assert run.poll() is None, "it was quicker than so many kills: more steps"
    run.send_signal(signal.SIGKILL)
    run.communicate()


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_it_ends_with_the_same_bytes(
    never_killed: dict[str, object], tmp_path: Path, kills: int
) -> None:
    """kill_often.py does the same 200 times."""
    rng = random.Random(kills)
    for _ in range(kills):
        kill(tmp_path, rng)
    with start(tmp_path) as run:
        _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, said
    assert ended(tmp_path) == never_killed


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with start(tmp_path) as first:
        while not newest(tmp_path):
            time.sleep(0.005)
        with start(tmp_path) as second:
            _, said = second.communicate(timeout=PATIENCE)
        assert second.returncode != 0 and str(tmp_path) in said and "another" in said.lower()
        first.communicate(timeout=PATIENCE)
    assert first.returncode == 0
