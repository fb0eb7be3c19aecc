"""A tiny run that a test starts as a real process, alone or among others: a line through points,
with matrices enough for Muon. Arguments are settings of the loop, FOLDER first."""

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from skyloom.train.loop import LoopConfig, run
from skyloom.train.optim import OptimConfig
from skyloom.train.parallel import ParallelConfig, shard, together

OPTIM = OptimConfig(lr=0.02, warmup=0, steps=40, ema=0.9, muon=True)


class Net(nn.Module):
    """Two hidden layers."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(3, 7)
        self.blocks = nn.ModuleList(nn.Linear(7, 7) for _ in range(2))
        self.leave = nn.Linear(7, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = block(torch.tanh(x))
        return self.leave(x)


class Curve:
    """Learns a function from batches of different sizes; may be told to fail."""

    def __init__(self, rank: int, fails: str) -> None:
        torch.manual_seed(0)
        self.net = Net()
        self.modules: dict[str, nn.Module] = {"net": self.net}
        self.rank, self.fails = rank, fails

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        if self.rank == 1 and step > 9 and self.fails == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.rank == 1 and step > 9 and self.fails == "raises":
            raise ValueError("a bad day")
        if self.rank == 1 and step > 9 and self.fails == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        if self.rank == 1 and step > 9 and self.fails == "sleeps":
            time.sleep(10_000)
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(4 + step % 5, 3, generator=generator)
        error = self.net(x).squeeze(1) - x.prod(dim=1).sin()
        return error.square().mean(), {"weight": float(len(x))}

    def samples(self, step: int) -> tuple[str, ...]:
        return (f"batch{step}",)

    def evaluate(self) -> dict[str, float]:
        return {"held_out": self.net(torch.ones(1, 3)).item()}

    def export(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        weights = {name: weight.tolist() for name, weight in self.net.named_parameters()}
        (folder / "weights.json").write_text(json.dumps(weights))


def main() -> None:
    """FOLDER BATCHES STEPS SAVE_EVERY whole|sharded FAILS."""
    folder, batches, steps, save_every, kind, fails = sys.argv[1:]
    loop = LoopConfig(
        batches=int(batches), save_every=int(save_every), evaluate_every=10, log_every=5
    )
    with together(ParallelConfig(patience=8.0)) as ranks:
        task = Curve(ranks.rank, fails)
        if kind == "sharded":
            shard(task.modules, ranks)
        optim = replace(OPTIM, steps=int(steps))
        run(task, optim, loop, Path(folder), {"a": 1}, ranks=ranks)


if __name__ == "__main__":
    main()
