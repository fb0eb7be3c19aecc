"""The bench of serving: continuous batching beside one job after the other, and first previews."""

import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyloom.bench.races.race import count_flops, interleaved, machine, matmul
from skyloom.bench.table import Cell, format_table, percent, write_json

if TYPE_CHECKING:
    from torch import Tensor

    from skyloom.pipeline import Skyloom
    from skyloom.request import Request
    from skyloom.serve.engine import Engine

PROMPTS = (
    "a red ball rolls across the snow at sunset",
    "a blue cube falls onto the grass at night",
    "a green cone stands on the sand, the camera orbits left",
    "two balls collide on the road",
    "a yellow cylinder slides left",
    "a white sphere bounces in fog",
    "a purple box tumbles down",
    "a sign says HELLO",
)
SIZES = ((64, 64), (96, 64), (64, 96))
WANTED = "a red ball rolls across the snow at sunset, the camera orbits left"


def run(
    model_folder: Path | None = None, json_path: Path | None = None, rounds: int = 5
) -> dict[str, Any]:
    """Measure in one process, both sides in turns.

    Args:
        model_folder: the model; None is the bundled one.
        rounds: of each side.

    Raises:
        UserError: the model cannot be read.
    """
    from skyloom.pipeline import Skyloom
    from skyloom.serve.engine import Engine

    model = Skyloom.load(model_folder)
    with Engine(model.sampler) as engine:
        figures: dict[str, Any] = {
            "machine": machine(),
            "batching": batching(model, engine, small_jobs(), rounds),
            "preview": previews(model, engine, rounds),
        }
    write_json(figures, json_path)
    return figures


def small_jobs(count: int = len(PROMPTS), **changes: Any) -> list["Request"]:
    """Clips of a second and three small sizes, each with a prompt and steps of its own."""
    from skyloom.request import Request

    fields: list[dict[str, Any]] = [
        {"prompt": PROMPTS[n % len(PROMPTS)], "size": SIZES[n % len(SIZES)], "steps": 18 + n % 5}
        for n in range(count)
    ]
    return [
        Request(**{"seconds": 1.0, "seed": n, **each, **changes}) for n, each in enumerate(fields)
    ]


def batching(
    model: "Skyloom", engine: "Engine", requests: Sequence["Request"], rounds: int
) -> dict[str, Any]:
    """All requests at once by an engine, and one after the other without it, prompt to frames.

    Returns:
        clips/s of "together" and "one by one" and their "ratio"; the same of processor time, which
        a busy machine moves less; whether the frames were the "same bytes"; clips "a pass"; and of
        the machine its "ceiling", FLOP/s of a matrix product of this very run, with the share of it
        that either side reached.
    """
    served = model.sampled_by(engine)
    made: dict[str, list[np.ndarray]] = {}
    spent: dict[str, list[float]] = {"one by one": [], "together": []}

    def one_by_one() -> None:
        start = time.process_time()
        made["one by one"] = [model.generate(request).frames for request in requests]
        spent["one by one"].append(time.process_time() - start)

    with ThreadPoolExecutor(len(requests)) as pool:

        def together() -> None:
            start = time.process_time()
            calls = [pool.submit(served.generate, request) for request in requests]
            made["together"] = [call.result().frames for call in calls]
            spent["together"].append(time.process_time() - start)

        probe = matmul()
        flops, probed = count_flops(one_by_one), count_flops(probe)
        passes, moves = engine.passes, engine.moves
        seconds = interleaved(
            {"one by one": one_by_one, "together": together, "ceiling": probe}, rounds
        )
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ceiling = probed / medians["ceiling"]
    pairs = zip(made["one by one"], made["together"], strict=True)
    sides = ("one by one", "together")
    processor = {name: statistics.median(spent[name][-rounds:]) / len(requests) for name in sides}
    return {
        "clips/s": {name: len(requests) / medians[name] for name in sides},
        "ratio": medians["one by one"] / medians["together"],
        "processor seconds a clip": processor,
        "processor ratio": processor["one by one"] / processor["together"],
        "same bytes": all(np.array_equal(*pair) for pair in pairs),
        "a pass": (engine.moves - moves) / max(1, engine.passes - passes),
        "clips": len(requests),
        "FLOP": flops,
        "ceiling": ceiling,
        "of ceiling": {name: flops / medians[name] / ceiling for name in sides},
    }


def previews(model: "Skyloom", engine: "Engine", rounds: int) -> dict[str, float]:
    """Median seconds from a job's start to pixels of its first clean estimate.

    A clip of 4 seconds at 128x128, "alone" and among "company": the small jobs, over and over.
    "processor" is the processor time of the one alone.
    """
    start = time.process_time()
    alone = statistics.median([_first_preview(model, engine) for _ in range(rounds)])
    processor = (time.process_time() - start) / rounds
    stop = threading.Event()
    others = small_jobs()

    def company(request: "Request") -> None:
        while not stop.is_set():
            model.sampled_by(engine).sample([request])

    with ThreadPoolExecutor(len(others)) as pool:
        calls = [pool.submit(company, request) for request in others]
        try:
            among = statistics.median([_first_preview(model, engine) for _ in range(rounds)])
        finally:
            stop.set()
        for call in calls:
            call.result()
    return {"alone": alone, "company": among, "processor": processor}


def _first_preview(model: "Skyloom", engine: "Engine") -> float:
    from skyloom.request import Request
    from skyloom.serve.engine import Cancelled

    request = Request(WANTED, size=(128, 128), seconds=4.0)

    def watch(step: int, count: int, estimates: "list[Tensor]") -> None:
        middle = estimates[0].shape[1] // 2
        next(model.decode_stream(iter([estimates[0][:, middle : middle + 1]])))
        raise Cancelled("seen")

    start = time.perf_counter()
    try:
        model.sampled_by(engine).sample([request], watch=watch)
    except Cancelled:
        return time.perf_counter() - start
    raise AssertionError("a clip came without a step")


def table(figures: Mapping[str, Any]) -> str:
    """Batching, then previews, with the machine's ceiling below."""
    batch, preview = figures["batching"], figures["preview"]
    rows: list[list[Cell]] = [
        [f"{batch['clips']} small jobs one by one", batch["clips/s"]["one by one"], "clips/s"],
        ["the same at once, in shared passes", batch["clips/s"]["together"], "clips/s"],
        ["at once over one by one", batch["ratio"], "x"],
        ["the same of processor time", batch["processor ratio"], "x"],
        ["clips a pass", batch["a pass"], "clips"],
        ["first preview, 4 s at 128x128, alone", preview["alone"], "s"],
        ["its processor time", preview["processor"], "s"],
        ["first preview among the small jobs", preview["company"], "s"],
    ]
    share = batch["of ceiling"]
    notes = [
        f"frames {'are the same bytes' if batch['same bytes'] else 'DIFFER'} on both sides.",
        f"ceiling of this run: {batch['ceiling'] / 1e9:,.0f} GFLOP/s of a bf16 product; one by one "
        f"reached {percent(share['one by one'])} of it, at once {percent(share['together'])}.",
    ]
    return format_table("serving", ["what", "figure", "unit"], rows, notes)
