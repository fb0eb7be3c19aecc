"""The speed bench at tiny size: stopwatch, FLOPs, interleaving, the race, packing, the world."""

import json
import subprocess
import sys

import pytest
import torch

from skyloom.bench.child import STOPWATCH
from skyloom.bench.races.peers import RaceShape, racers
from skyloom.bench.races.race import count_flops, interleaved, packing, race
from skyloom.bench.speed import table, world

TINY = RaceShape(width=32, depth=1, heads=2, grid=(2, 2, 2), text=3)


def watch(code):
    command = [sys.executable, "-I", str(STOPWATCH), sys.executable, "-c", code]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_the_stopwatch_sees_time_and_memory_of_the_command_alone():
    ballast = bytearray(150 * 2**20)  # of this process, which must not count
    small = watch("import time; time.sleep(0.3); print('noise')")
    assert small["code"] == 0 and 0.3 < small["seconds"] < 20
    assert small["peak"] < 100 * 2**20 < len(ballast)
    large = watch("x = bytearray(b'1') * (120 * 2**20); raise SystemExit(3)")
    assert large["code"] == 3 and large["peak"] > 120 * 2**20


def test_flops_of_a_known_product_and_of_attention():
    a, b = torch.randn(8, 16), torch.randn(16, 32)
    assert count_flops(lambda: a @ b) == 2 * 8 * 16 * 32
    q = torch.randn(1, 2, 10, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert count_flops(lambda: attend(q, q, q)) == 2 * 2 * (2 * 10 * 10 * 8)


def test_jobs_take_turns():
    calls = []
    jobs = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    seconds = interleaved(jobs, 2)
    assert calls == list("ababab") and [len(times) for times in seconds.values()] == [2, 2]


def test_racers_predict_a_value_for_every_latent():
    field = racers(TINY)
    assert field[0].name == "skyloom"
    with torch.no_grad():
        for racer in field:
            assert racer.step().numel() == 16 * 2 * 4 * 4


def test_the_race_and_packing_and_their_table():
    result = race(TINY, rounds=1, probe=32)
    ours = result["racers"]["skyloom"]
    assert ours["train"]["FLOP"] > 2 * ours["forward"]["FLOP"] > 0
    ceiling = max(result["ceiling"]["matmul"], result["ceiling"]["conv3d"])
    assert ours["forward"]["of ceiling"] == pytest.approx(ours["forward"]["FLOP/s"] / ceiling)
    figures = {
        "cold": {"seconds": 3.25, "peak": 2**30}, "warm": {"seconds": 2.0, "load seconds": 0.5},
        "race": result, "packing": packing(TINY, rounds=1), "world": {"frames/s": 321.0},
    }  # fmt: skip
    assert 0 < figures["packing"]["useful when padded"] < 1
    text = table(figures)
    assert "skyloom" in text and "3.25" in text and "321.00" in text


@pytest.mark.slow
def test_the_world_is_rendered_by_two_processes():
    pytest.importorskip("mujoco")
    figures = world(clips=1, frames=2)
    assert figures["frames/s"] > 0 and figures["clips"] == 2
