"""Racing transformers on one machine: interleaved rounds, medians, and the machine's own ceiling.

Absolute figures of a machine that others use too are worth little. All racers therefore run in
turns in one process, round after round, together with probes that do nothing but multiply; what
counts are ratios of medians.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from skyloom.bench.races.peers import ROUTED, RaceShape, Step, packed_step, racers
from skyloom.progress import track
from skyloom.transformer.model import Transformer

PROBE = 2048
"""Rows and columns of the matrices that the ceiling is measured with."""
NATIVE_GRIDS = ((7, 8, 8), (7, 6, 10), (7, 10, 6), (7, 4, 4), (3, 8, 8), (1, 8, 8), (1, 6, 10))
"""(t, y, x) tokens of clips and images as the bundled model sees them, for packing."""


def race(shape: RaceShape, rounds: int = 6, probe: int = PROBE) -> dict[str, Any]:
    """Tokens a second and FLOP/s of every racer, forward and in a training step.

    A training step is forward, backward and AdamW on bf16 weights.

    Returns:
        "ceiling": FLOP/s of a bf16 matrix product and of a bf16 3-D convolution, and how far the
            probes moved during the race, as (highest - lowest) / median; by racer its figures,
            with its share of the ceiling; "forward_ratio" and "train_ratio", ours over the best
            peer's tokens/s, None without a peer; "routed" and "routed_ratio", the same of our
            training step with tokens routed past the middle blocks.
    """
    field = racers(shape)
    probes = {"matmul": matmul(probe), "conv3d": _conv3d()}
    jobs: dict[str, Callable[[], object]] = {}
    for racer in field:
        jobs[f"forward {racer.name}"] = _forward(racer.step)
        jobs[f"train {racer.name}"] = training_step(racer.network, [racer.step])
    routed = field[0].routed
    if routed is not None:
        jobs["routed"] = training_step(field[0].network, [routed])
    flops = {name: count_flops(job) for name, job in (probes | jobs).items()}
    seconds = interleaved(probes | jobs, rounds)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    rates = {name: flops[name] / medians[name] for name in medians}
    ceiling = max(rates[name] for name in probes)
    figures: dict[str, Any] = {"ceiling": {name: rates[name] for name in probes}}
    figures["ceiling"]["moved"] = max(
        (max(seconds[name]) - min(seconds[name])) / medians[name] for name in probes
    )
    figures["racers"] = {
        racer.name: {
            "parameters": sum(p.numel() for p in racer.network.parameters()),
            **{
                kind: {
                    "tokens/s": shape.tokens / medians[f"{kind} {racer.name}"],
                    "FLOP": flops[f"{kind} {racer.name}"],
                    "FLOP/s": rates[f"{kind} {racer.name}"],
                    "of ceiling": rates[f"{kind} {racer.name}"] / ceiling,
                }
                for kind in ("forward", "train")
            },
        }
        for racer in field
    }
    for kind in ("forward", "train"):
        speeds = [row[kind]["tokens/s"] for row in figures["racers"].values()]
        figures[f"{kind}_ratio"] = speeds[0] / max(speeds[1:]) if speeds[1:] else None
    if routed is not None:
        speed = shape.tokens / medians["routed"]
        figures["routed"] = {"tokens/s": speed, "share": ROUTED}
        figures["routed_ratio"] = speed / max(speeds[1:]) if speeds[1:] else None
    return figures


def packing(shape: RaceShape, rounds: int = 6) -> dict[str, Any]:
    """What packing clips of native sizes gains over padding them, and over one by one.

    Padded means each as long as the longest, the only batch that fixed sizes allow. Useful tokens
    a second of a forward pass; "of ideal" is the share of all executed tokens that are useful.
    """
    racer = racers(shape)[0]
    longest = max(NATIVE_GRIDS, key=lambda grid: grid[0] * grid[1] * grid[2])
    useful = sum(t * y * x for t, y, x in NATIVE_GRIDS)
    network = racer.network
    assert isinstance(network, Transformer)
    jobs: dict[str, Callable[[], object]] = {
        "packed": _forward(packed_step(network, NATIVE_GRIDS, shape.text)),
        "padded": _forward(racer.clips(len(NATIVE_GRIDS), longest)),
        "one by one": _each([_forward(racer.clips(1, grid)) for grid in NATIVE_GRIDS]),
    }
    times = interleaved(jobs, rounds)
    speeds = {name: useful / statistics.median(seconds) for name, seconds in times.items()}
    executed = len(NATIVE_GRIDS) * longest[0] * longest[1] * longest[2]
    return {
        "useful tokens/s": speeds,
        "over padded": speeds["packed"] / speeds["padded"],
        "over one by one": speeds["packed"] / speeds["one by one"],
        "useful when padded": useful / executed,
    }


def machine() -> dict[str, Any]:
    """What the figures of a bench stand for: processor, cores, threads, torch."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def interleaved(jobs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each job in each round: all take turns, after one turn to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    with track((rounds + 1) * len(jobs), "racing", unit="runs") as bar:
        for number in range(rounds + 1):
            for name, job in jobs.items():
                start = time.perf_counter()
                job()
                if number:
                    seconds[name].append(time.perf_counter() - start)
                bar.advance()
    return seconds


def count_flops(job: Callable[[], object]) -> int:
    """Floating point operations of a job, attention included, as PyTorch counts them."""
    # The counter knows products of matrices and not the CPU's fused attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        job()
    return counter.get_total_flops()


def matmul(size: int = PROBE) -> Callable[[], object]:
    """The probe of the ceiling: a bf16 product of two square matrices."""
    a, b = (torch.randn(size, size, dtype=torch.bfloat16) for _ in range(2))
    return lambda: a @ b


def _conv3d() -> Callable[[], object]:
    convolution = nn.Conv3d(96, 96, 3, padding=1, dtype=torch.bfloat16)
    convolution.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    x = torch.randn(1, 96, 8, 32, 32, dtype=torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last_3d)

    @torch.no_grad()
    def job() -> Tensor:
        return convolution(x)

    return job


def _forward(step: Step) -> Callable[[], object]:
    @torch.no_grad()
    def job() -> Tensor:
        return step()

    return job


def training_step(network: nn.Module, steps: Sequence[Step]) -> Callable[[], object]:
    """Forward and backward of each of `steps`, one after another, then AdamW once."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)

    def job() -> None:
        for step in steps:
            step().float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return job


def _each(jobs: Sequence[Callable[[], object]]) -> Callable[[], object]:
    def job() -> None:
        for one in jobs:
            one()

    return job
