"""Many processes, real ones: they learn what one does, go on from each other, and end together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny import Tiny, rows

from skyloom.train.checkpoint import load_newest

MANY = Path(__file__).with_name("many.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(processes: int, *arguments: object) -> list[str]:
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", f"{processes}"]
    return [*start, *map(str, arguments)]


def many(
    processes: int,
    folder: Path,
    steps: int = 10,
    save_every: int = 4,
    kind: str = "whole",
    fails: str = "no",
) -> subprocess.CompletedProcess[str]:
    """Ten steps of two batches each, unless told otherwise."""
    arguments = command(processes, MANY, folder, 2, steps, save_every, kind, fails)
    return subprocess.run(
        arguments, capture_output=True, text=True, timeout=300, env=ENVIRONMENT, check=False
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found = load_newest(folder / "checkpoints")
    assert found is not None
    return {name: found.tensors[name] for name in found.tensors if "step" not in name}


def same(one: Path, other: Path) -> None:
    """The same losses and weights, to rounding."""
    logs = [rows(folder / "metrics.jsonl") for folder in (one, other)]
    assert [row["step"] for row in logs[0]] == [row["step"] for row in logs[1]]
    for key in ("loss", "norm"):
        found = [[row[key] for row in log] for log in logs]
        assert found[0] == pytest.approx(found[1], rel=1e-4)
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        # Muon orthogonalises in bf16: what differs there by rounding moves by a percent or so.
        torch.testing.assert_close(tensor, second[name], atol=2e-3, rtol=2e-3)
    models = [
        json.loads((folder / "model" / "weights.json").read_text()) for folder in (one, other)
    ]
    assert models[0].keys() == models[1].keys() and models[0]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    assert many(1, folder).returncode == 0
    return folder


@pytest.mark.parametrize("kind", ["whole", pytest.param("sharded", marks=pytest.mark.slow)])
def test_two_learn_what_one_does(alone: Path, tmp_path: Path, kind: str) -> None:
    done = many(2, tmp_path, kind=kind)
    assert done.returncode == 0, done.stderr
    same(alone, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whole", "sharded"])
def test_what_two_began_one_ends(tmp_path: Path, kind: str) -> None:
    # One of two is killed in step 5, after the checkpoint of step 4.
    begun, whole = tmp_path / "begun", tmp_path / "whole"
    assert many(2, begun, 20, 4, kind, "killed").returncode != 0
    assert many(1, begun, 20, 4).returncode == 0
    assert many(1, whole, 20, 4).returncode == 0
    same(whole, begun)


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("killed", "SIGKILL"),
        pytest.param(
            "raises", "process 1 has failed: ValueError: a bad day", marks=pytest.mark.slow
        ),
    ],
)
def test_one_that_fails_ends_all_and_is_named(tmp_path: Path, fails: str, said: str) -> None:
    done = many(2, tmp_path, 100_000, fails=fails)
    assert done.returncode != 0
    assert said in done.stderr


def train_transformer(tiny: Tiny, processes: int, *settings: object) -> None:
    """Steps of two batches each, by the command line."""
    arguments = ["-m", "skyloom", "train", "transformer", tiny.transformer_recipe, "loop.batches=2"]
    done = subprocess.run(
        command(processes, *arguments, *settings),
        capture_output=True,
        text=True,
        timeout=300,
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def alike_losses(one: Path, other: Path, steps: list[int]) -> None:
    logs = [rows(folder / "metrics.jsonl") for folder in (one, other)]
    assert [row["step"] for row in logs[0]] == [row["step"] for row in logs[1]] == steps
    for key in ("loss", "norm"):  # bf16: a batch's gradient is rounded after its share of tokens
        found = [[row[key] for row in log] for log in logs]
        assert found[0] == pytest.approx(found[1], rel=0.02)


@pytest.fixture(scope="module")
def by_one(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("by_one")
    train_transformer(tiny, 1, f"out={folder}")
    return folder


@pytest.mark.slow
def test_ctrl_c_to_all(tmp_path: Path) -> None:
    """torchrun passes it on; they save where they stand, together."""
    arguments = command(2, MANY, tmp_path, 2, 1_000_000, 0, "whole", "no")
    with subprocess.Popen(
        arguments, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True
    ) as run:
        deadline = time.monotonic() + 200
        while not (tmp_path / "metrics.jsonl").exists():
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=120)
    assert run.returncode != 0
    found = load_newest(tmp_path / "checkpoints")
    assert found is not None and found.meta["step"] >= 5, errors
    assert rows(tmp_path / "metrics.jsonl")[-1]["step"] <= found.meta["step"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fails", "said"),
    [("stopped", "1 has not been heard of for"), ("sleeps", "1 has stood still in a step for")],
)
def test_one_that_hangs_ends_all_and_is_named(tmp_path: Path, fails: str, said: str) -> None:
    """Patience is 8 seconds here; torchrun gives one that does not end half a minute more."""
    began = time.monotonic()
    done = many(2, tmp_path, 100_000, fails=fails)
    assert done.returncode != 0
    assert f"Process 0 of 2 stops, for process {said}" in done.stderr, done.stderr
    assert time.monotonic() - began < 90


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "settings"),
    [
        (2, ()),
        (2, ("parallel.context=2",)),
        (2, ("parallel.context=2", "parallel.shard=true", "parallel.checkpoint=true")),
    ],
)
def test_the_transformer_by_two(
    tiny: Tiny, tmp_path: Path, by_one: Path, processes: int, settings: tuple[str, ...]
) -> None:
    train_transformer(tiny, processes, f"out={tmp_path}", *settings)
    alike_losses(tmp_path, by_one, [2, 4, 6])
    assert (tmp_path / "model" / "transformer" / "config.json").exists()


@pytest.mark.slow
def test_what_four_began_two_end(tiny: Tiny, tmp_path: Path, by_one: Path) -> None:
    """Tokens shared by two of four, weights by all four; then both by two."""
    settings = [f"out={tmp_path}", "parallel.shard=true", "parallel.context=2"]
    train_transformer(tiny, 4, *settings, "--minutes", "1e-6")
    found = load_newest(tmp_path / "checkpoints")
    assert found is not None and found.meta["step"] == 1
    assert len(list(found.folder.glob("*.safetensors"))) == 4
    train_transformer(tiny, 2, *settings)
    alike_losses(tmp_path, by_one, [2, 4, 6])
