"""Useful tokens a second of training on clips of native sizes: packed, padded, and one by one.

Ours packs a batch of clips of any size. The peers of diffusers take batches of one size: they pad
every clip to as many tokens as the longest of the mix has, or take one clip at a time. All do the
same work, forward and backward over the same clips and one step of AdamW, and take turns.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skyloom.bench.races.peers import Grid, Racer, RaceShape, Step, packed_step, racers
from skyloom.bench.races.race import count_flops, interleaved, matmul, training_step
from skyloom.data.packing import BatchPlan, costs, idle, waste
from skyloom.transformer.model import Transformer

PICTURES = ((8, 8), (6, 10), (10, 6), (4, 4))
"""(y, x) tokens of a latent frame of the sizes that the bundled model learns from."""
FRAMES = (7, 5, 1, 1)
"""Latent frames that every clip is shown with in an epoch, as in the default recipe."""
MIX = tuple((t, y, x) for y, x in PICTURES for t in FRAMES)
"""Every grid of the mix, as often as it occurs."""
LONGEST = max(MIX, key=lambda grid: grid[0] * grid[1] * grid[2])
BUDGET = 3328
"""Tokens of a batch, as in the default recipe."""
SHAPE = RaceShape(width=512, depth=4, heads=8, grid=LONGEST, text=48)
RANKS = (2, 4, 8, 16)


def tokens_of(grid: Grid) -> int:
    """Video tokens of a clip."""
    return grid[0] * grid[1] * grid[2]


def race(shape: RaceShape = SHAPE, budget: int = BUDGET, rounds: int = 6) -> dict[str, Any]:
    """Useful tokens/s of every racer, padded and one by one, and of ours packed.

    Useful are the video tokens of the clips themselves; what pads them, and prompts, are not.

    Returns:
        "useful tokens/s" by job; "over padded" and "over one by one", ours over the best peer's,
        and None without a peer; "FLOP/s" by job, of all that is executed, and of the "ceiling",
        a bf16 matrix product; "moved", how far that probe moved, as (highest - lowest) / median.
    """
    clips = batch_of_the_mix(budget)
    field = racers(replace(shape, grid=LONGEST))
    probe = matmul()
    jobs: dict[str, Callable[[], object]] = {"ceiling": probe}
    for racer in field:
        network = racer.network
        if isinstance(network, Transformer):
            packed = packed_step(network, clips, shape.text)
            jobs[f"{racer.name}, packed"] = training_step(network, [packed])
        jobs[f"{racer.name}, padded"] = training_step(network, _padded(racer, clips, budget))
        alone = _one_by_one(racer, clips)
        jobs[f"{racer.name}, one by one"] = training_step(network, alone)
    flops = {name: count_flops(job) for name, job in jobs.items()}
    seconds = interleaved(jobs, rounds)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    useful = sum(map(tokens_of, clips))
    speeds = {name: useful / medians[name] for name in jobs if name != "ceiling"}
    ours = speeds[f"{field[0].name}, packed"]
    probed = seconds["ceiling"]
    figures: dict[str, Any] = {
        "clips": len(clips),
        "tokens": useful,
        "useful tokens/s": speeds,
        "FLOP/s": {name: flops[name] / medians[name] for name in jobs},
        "moved": (max(probed) - min(probed)) / medians["ceiling"],
        "useful when padded": useful / (len(clips) * tokens_of(LONGEST)),
    }
    for way in ("padded", "one by one"):
        peers = [speeds[f"{racer.name}, {way}"] for racer in field[1:]]
        figures[f"over {way}"] = ours / max(peers) if peers else None
    return figures


def batch_of_the_mix(budget: int, seed: int = 0) -> list[Grid]:
    """The clips of one packed batch, drawn as training draws them."""
    plan = BatchPlan([tokens_of(grid) for grid in MIX * 50], budget, seed)
    return [(MIX * 50)[sample] for sample in plan.batch(0)]


def wasted(budget: int = BUDGET, samples: int = 20_000) -> dict[str, Any]:
    """Shares of room that packing leaves empty, and of time that ranks wait for each other."""
    rng = np.random.default_rng(0)
    tokens = rng.choice([tokens_of(grid) for grid in MIX], samples)
    plan = BatchPlan(tokens, budget, seed=0)
    batches = [plan.batch(step) for step in range(plan.batches_per_epoch)]
    used = sum(map(len, batches))
    cost = costs(tokens, batches)
    return {
        "waste": waste(tokens, batches, budget),
        "samples used": used / samples,
        "ranks wait": {str(ranks): idle(cost, ranks) for ranks in RANKS},
    }


def _padded(racer: Racer, clips: Sequence[Grid], budget: int) -> list[Step]:
    """The clips, each as long as the longest, in batches of as many tokens as ours has."""
    most = max(1, budget // tokens_of(LONGEST))
    counts = [min(most, len(clips) - start) for start in range(0, len(clips), most)]
    return [racer.clips(count, LONGEST) for count in counts]


def _one_by_one(racer: Racer, clips: Sequence[Grid]) -> list[Step]:
    steps = {grid: racer.clips(1, grid) for grid in set(clips)}
    return [steps[grid] for grid in clips]
