"""The bench of training: its speed on clips of native sizes, its data, and its memory."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from skyloom.bench.races import loader
from skyloom.bench.races.decoding import decoding
from skyloom.bench.races.peers import RaceShape
from skyloom.bench.races.race import machine
from skyloom.bench.races.training import BUDGET, SHAPE, race, wasted
from skyloom.bench.table import Cell, format_table, percent, write_json
from skyloom.train.kernels import bound_kernel_caches

ROUNDS, QUICK_ROUNDS = 6, 3
QUICK_DEPTH = 2
STEPS, QUICK_STEPS = 2000, 200
"""Steps over which memory is watched."""


def run(
    json_path: Path | None = None, quick: bool = False, shape: RaceShape = SHAPE
) -> dict[str, Any]:
    """Measure everything in turn; nothing else should run on the machine meanwhile.

    Args:
        quick: a shallower network and fewer rounds.
        shape: of the transformers that race.
    """
    bound_kernel_caches()  # as every run of training does
    if quick:
        shape = replace(shape, depth=min(shape.depth, QUICK_DEPTH))
    figures: dict[str, Any] = {
        "machine": machine(),
        "shape": asdict(shape),
        "packing": wasted(BUDGET),
        "memory": loader.memory(QUICK_STEPS if quick else STEPS),
        "loader": loader.ratio(rounds=2 if quick else 5),
        "decoding": decoding(rounds=3 if quick else 6),
        "race": race(shape, BUDGET, QUICK_ROUNDS if quick else ROUNDS),
    }
    write_json(figures, json_path)
    return figures


def table(figures: Mapping[str, Any]) -> str:
    """The ratios, then useful tokens a second of everyone beside the machine's ceiling."""
    raced, packing = figures["race"], figures["packing"]
    loading, memory, film = figures["loader"], figures["memory"], figures["decoding"]
    ceiling = raced["FLOP/s"]["ceiling"]
    rows: list[list[Cell]] = [
        ["packed over the best peer, padded to the longest", raced["over padded"], "x"],
        ["packed over the best peer, one clip at a time", raced["over one by one"], "x"],
        ["tokens wasted by packing", percent(packing["waste"]), ""],
        ["useful tokens where clips are padded", percent(raced["useful when padded"]), ""],
        ["8 ranks wait for the slowest", percent(packing["ranks wait"]["8"]), "of their time"],
        ["step with real data over one with batches in memory", loading["ratio"], "x"],
        ["waiting for data", percent(loading["waited"]), "of the time"],
        ["growth of memory", percent(memory["growth"]) if memory else None,
         f"over {memory['steps']:,} steps" if memory else ""],
        ["720p film to training size", film["skyloom"], "frames/s"],
        ["the same, over PyAV's loop to RGB", film["ratio"], "x"],
        ["the same, of what decoding alone gives", percent(film["skyloom"] / film["decoder"]), ""],
    ]  # fmt: skip
    lanes: list[list[Cell]] = [
        [
            name,
            f"{speed:,.0f}",
            f"{raced['FLOP/s'][name] / 1e9:,.0f}",
            percent(raced["FLOP/s"][name] / ceiling),
        ]
        for name, speed in raced["useful tokens/s"].items()
    ]
    notes = [
        f"{raced['clips']} clips and stills of {raced['tokens']:,} tokens; forward, backward and "
        "AdamW in bf16, medians of interleaved rounds.",
        f"ceiling of this run: matmul {ceiling / 1e9:,.0f} GFLOP/s in bf16; the probe moved by "
        f"{percent(raced['moved'])}.",
    ]
    if raced["over padded"] is None:
        notes.append("no peer: pip install 'skyloom[bench]' adds those of diffusers.")
    columns = ["training step", "useful tok/s", "GFLOP/s", "of ceiling"]
    return "\n\n".join(
        [
            format_table("training", ["what", "figure", "unit"], rows),
            format_table("the same clips", columns, lanes, notes),
        ]
    )
