"""The bench of speed: from a cold start to a file, a clip when warm, tokens, and the world."""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skyloom.bench.child import run_verb
from skyloom.bench.races.peers import RaceShape
from skyloom.bench.races.race import machine, packing, race
from skyloom.bench.table import Cell, format_table, percent, write_json

PROMPT = "a red ball rolls across the snow at sunset, the camera orbits left"
SIZE, SECONDS = (128, 128), 4.0
WORLD_SEED = 8_000_000
WORKERS = 2


def run(
    model_folder: Path | None = None,
    json_path: Path | None = None,
    rounds: int = 6,
    shape: RaceShape | None = None,
    world_clips: int = 8,
) -> dict[str, Any]:
    """Measure everything in turn; nothing else should run on the machine meanwhile.

    Args:
        model_folder: the model; None is the bundled one.
        rounds: of the races and of warm clips.
        shape: of the transformers that race.
        world_clips: clips that each of two processes renders.

    Raises:
        UserError: the model cannot be read, or its command line fails.
    """
    shape = shape or RaceShape()
    figures: dict[str, Any] = {
        "machine": machine(),
        "cold": cold_start(model_folder),
        "warm": warm(model_folder, max(rounds // 2, 1)),
        "shape": asdict(shape),
        "race": race(shape, rounds),
        "packing": packing(shape, rounds),
        "world": world(world_clips),
    }
    write_json(figures, json_path)
    return figures


def cold_start(model_folder: Path | None = None) -> dict[str, Any]:
    """Seconds from the command to the file, and peak memory in bytes, of a fresh process."""
    width, height = SIZE
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "clip.mp4"
        words = [
            "generate", PROMPT, "-o", str(output), "--size", f"{width}x{height}",
            "--seconds", str(SECONDS), "--seed", "0",
        ]  # fmt: skip
        if model_folder is not None:
            words += ["--model", str(model_folder)]
        figures = run_verb(words)
        figures["file bytes"] = output.stat().st_size
    return figures


def warm(model_folder: Path | None = None, rounds: int = 3) -> dict[str, Any]:
    """Median seconds of a clip when the model is loaded and has run once, and loading it."""
    from skyloom.pipeline import Skyloom
    from skyloom.request import Request

    start = time.perf_counter()
    model = Skyloom.load(model_folder)
    loading = time.perf_counter() - start
    request = Request(prompt=PROMPT, size=SIZE, seconds=SECONDS)
    times = []
    for number in range(rounds + 1):
        start = time.perf_counter()
        model.generate(request)
        if number:
            times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times), "load seconds": loading, "steps": request.steps}


def world(clips: int = 8, frames: int = 49) -> dict[str, Any]:
    """Frames a second of the world at 128x128, rendered by two processes that are already up."""
    from skyloom.world.dataset import one_thread_each

    context = multiprocessing.get_context("spawn")
    seeds = [WORLD_SEED + number for number in range(WORKERS * clips)]
    with one_thread_each(), ProcessPoolExecutor(WORKERS, context) as pool:
        list(pool.map(_render, range(2 * WORKERS), [frames] * 2 * WORKERS))
        start = time.perf_counter()
        list(pool.map(_render, seeds, [frames] * len(seeds)))
        seconds = time.perf_counter() - start
    return {"frames/s": len(seeds) * frames / seconds, "processes": WORKERS, "clips": len(seeds)}


def _render(seed: int, frames: int) -> None:
    from skyloom.world import render_clip, sample_scene

    render_clip(sample_scene(seed), SIZE, frames)


def table(figures: Mapping[str, Any]) -> str:
    """Times and memory; then the race, each racer beside the machine's ceiling and beside ours."""
    cold, at_once, race_ = figures["cold"], figures["warm"], figures["race"]
    rows: list[list[Cell]] = [
        ["cold start to file, 4 s at 128x128", cold["seconds"], "s"],
        ["peak memory of that", cold["peak"] / 2**30, "GiB"],
        ["the same clip, warm", at_once["seconds"], "s"],
        ["loading the model", at_once["load seconds"], "s"],
        ["world rendering, 128x128, two processes", figures["world"]["frames/s"], "frames/s"],
        ["packing native sizes over padding them", figures["packing"]["over padded"], "x"],
        ["packing over one by one", figures["packing"]["over one by one"], "x"],
    ]
    first = format_table("speed", ["what", "figure", "unit"], rows)
    ceiling = race_["ceiling"]
    columns = ["transformer", "M param"]
    for kind in ("forward", "train"):
        columns += [f"{kind} tok/s", "GFLOP/s", "of ceiling"]
    lanes: list[list[Cell]] = []
    for name, racer in race_["racers"].items():
        lane: list[Cell] = [name, round(racer["parameters"] / 1e6, 1)]
        for kind in ("forward", "train"):
            lane += [
                f"{racer[kind]['tokens/s']:,.0f}",
                f"{racer[kind]['FLOP/s'] / 1e9:,.0f}",
                percent(racer[kind]["of ceiling"]),
            ]
        lanes.append(lane)
    notes = [
        f"ceiling of this run: matmul {ceiling['matmul'] / 1e9:,.0f}, conv3d "
        f"{ceiling['conv3d'] / 1e9:,.0f} GFLOP/s in bf16; the probes moved by "
        f"{percent(ceiling['moved'])}."
    ]
    if race_["train_ratio"] is None:
        notes.append("no peer: pip install 'skyloom[bench]' adds those of diffusers.")
    else:
        notes.append(
            f"tokens/s over the best peer's: forward {race_['forward_ratio']:.2f}x, training step "
            f"{race_['train_ratio']:.2f}x; with {percent(race_['routed']['share'])} of the tokens "
            f"routed past the middle blocks (routed=0.5 in a recipe) {race_['routed_ratio']:.2f}x."
        )
    return "\n\n".join([first, format_table("race at equal shape", columns, lanes, notes)])
