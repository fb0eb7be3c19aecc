"""The bench of training at tiny size: the same clips for everyone, the race, its table."""

import json
import math
from dataclasses import replace

import pytest

from skyloom.bench import training
from skyloom.bench.races import loader
from skyloom.bench.races.decoding import decoding
from skyloom.bench.races.peers import RaceShape
from skyloom.bench.races.training import LONGEST, MIX, batch_of_the_mix, race, tokens_of, wasted

TINY = RaceShape(width=32, depth=1, heads=2, grid=LONGEST, text=3)


def test_a_batch_of_the_mix_fills_its_budget():
    clips = batch_of_the_mix(1664)
    assert set(clips) <= set(MIX) and len(set(clips)) > 2
    assert 0.97 * 1664 < sum(map(tokens_of, clips)) <= 1664
    assert tokens_of(LONGEST) == max(map(tokens_of, MIX)) == 448


def test_little_is_wasted():
    figures = wasted(3328, samples=5000)
    assert figures["waste"] < 0.01 and figures["samples used"] > 0.98
    assert all(0 <= share < 0.02 for share in figures["ranks wait"].values())


def test_everyone_trains_on_the_same_clips(tmp_path):
    raced = race(TINY, budget=448, rounds=1)
    useful = sum(map(tokens_of, batch_of_the_mix(448)))
    assert raced["tokens"] == useful
    flops = raced["FLOP/s"]
    assert {"ceiling", "skyloom, packed", "skyloom, padded", "skyloom, one by one"} <= set(flops)
    assert raced["useful when padded"] == pytest.approx(useful / (448 * raced["clips"]))
    figures = {
        "race": raced, "packing": wasted(448, samples=500),
        "loader": {"ratio": 1.01, "waited": 0.25}, "memory": None,
        "decoding": {"skyloom": 300.0, "decoder": 400.0, "PyAV": 200.0, "ratio": 1.5},
    }  # fmt: skip
    text = training.table(figures)
    assert "skyloom, packed" in text and "one clip at a time" in text
    assert "1.01" in text and "25.0%" in text and "75.0%" in text
    json.dumps(figures)


def test_steps_with_real_data_beside_steps_without():
    figures = loader.ratio(loader.SMALL, tokens=512, steps=2, rounds=1)
    assert figures["ratio"] > 0 and 0 <= figures["waited"] <= 1


def test_memory_is_watched_while_training():
    figures = loader.memory(steps=10, model=loader.SMALL, tokens=512)
    if figures is not None:
        assert figures["bytes"] > 2**26 and math.isfinite(figures["growth"])


def test_memory_that_grows_is_seen(monkeypatch):
    if not loader.STATUS.exists():
        pytest.skip("no /proc")
    kept = []
    step = loader._step
    monkeypatch.setattr(loader, "_step", lambda model: (lambda train: lambda batch: (
        train(batch), kept.append(bytearray(b"1") * 2**24)))(step(model)))  # fmt: skip
    figures = loader.memory(steps=20, model=replace(loader.SMALL, width=16), tokens=512)
    assert figures is not None and figures["growth"] * figures["bytes"] > 2**26


def test_a_film_is_decoded_in_three_ways():
    figures = decoding(frames=6, rounds=1, film=(64, 48), size=(16, 12))
    assert figures["ratio"] == pytest.approx(figures["skyloom"] / figures["PyAV"])
    assert figures["decoder"] > 0
