"""The training loop: draw, forward, backward, step, log, checkpoint. It knows no network.

A `Task` brings the networks and the loss. Whatever the task draws at step k is a pure function
of (seed, k), so the loop resumes with one integer and two files, bit for bit.
"""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from skyloom.errors import UserError
from skyloom.progress import track
from skyloom.train import checkpoint
from skyloom.train.optim import OptimConfig, Optimizer, learning_rate


@dataclass(frozen=True)
class LoopConfig:
    """How a run is driven.

    Attributes:
        save_minutes: minutes between two checkpoints.
        log_every: steps between two lines of metrics.jsonl.
        evaluate_minutes: minutes between two evaluations with the averaged weights.
        skip_limit: batches in a row whose gradient may be not finite before the run stops.
    """

    save_minutes: float = 3.0
    log_every: int = 20
    evaluate_minutes: float = 10.0
    skip_limit: int = 5


class Task(Protocol):
    """What the loop trains."""

    modules: dict[str, nn.Module]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """The scalar loss of step `step` and figures to log."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Figures on held-out data, of the weights that are in the modules."""
        ...

    def export(self, folder: Path) -> None:
        """Write the weights that are in the modules as a model folder."""
        ...


def run(
    task: Task,
    optim: OptimConfig,
    loop: LoopConfig,
    folder: Path,
    recipe: Mapping,
    minutes: float | None = None,
    name: str = "train",
) -> int:
    """Train until `optim.steps` or until `minutes` have passed; return the steps done in all.

    Ends with a checkpoint and an export of the averaged weights to `folder`/model. Ctrl-C saves
    a checkpoint and goes on to the caller.

    Raises:
        UserError: the gradients were not finite `loop.skip_limit` times in a row, or the
            checkpoint in `folder` belongs to another recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = Optimizer(task.modules, optim)
    step, spent = _restore(folder / "checkpoints", optimizer, recipe)
    started = saved = evaluated = logged = time.monotonic()
    skipped, sums, since = 0, dict[str, float](), 0

    def elapsed() -> float:
        return spent + time.monotonic() - started

    def save() -> None:
        meta = {"step": step, "seconds": elapsed(), "recipe": recipe}
        checkpoint.save(folder / "checkpoints", optimizer.tensors(), meta)

    with track(optim.steps, name, unit="steps", start=step) as bar:
        try:
            while step < optim.steps and not _over(started, minutes):
                loss, figures = task.loss(step)
                loss.backward()
                norm = optimizer.step(step)
                skipped = 0 if math.isfinite(norm) else skipped + 1
                if skipped >= loop.skip_limit:
                    raise UserError(
                        f"Training stopped at step {step}: the gradient was not finite "
                        f"{skipped} times in a row; a lower optim.lr than {optim.lr} may work."
                    )
                for key, value in {"loss": loss.item(), "norm": norm, **figures}.items():
                    sums[key] = sums.get(key, 0.0) + value
                step, since = step + 1, since + 1
                bar.advance(1)
                if step % loop.log_every == 0:
                    means = {key: value / since for key, value in sums.items()}
                    now = time.monotonic()
                    rate = since / (now - logged)
                    _log(folder, step, elapsed(), learning_rate(optim, step), rate, means)
                    bar.say(f"loss {means['loss']:.4f}")
                    sums, since, logged = {}, 0, now
                if time.monotonic() - saved > 60 * loop.save_minutes:
                    save()
                    saved = time.monotonic()
                if time.monotonic() - evaluated > 60 * loop.evaluate_minutes:
                    _evaluate(task, optimizer, folder, step, elapsed())
                    evaluated = time.monotonic()
        except KeyboardInterrupt:
            save()
            raise
    save()
    _evaluate(task, optimizer, folder, step, elapsed())
    return step


def _over(started: float, minutes: float | None) -> bool:
    return minutes is not None and time.monotonic() - started > 60 * minutes


def _restore(folder: Path, optimizer: Optimizer, recipe: Mapping) -> tuple[int, float]:
    found = checkpoint.load_newest(folder)
    if found is None:
        return 0, 0.0
    try:
        optimizer.load_tensors(found.tensors)
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"The checkpoint in '{folder}' is of another network than the recipe's: "
            "name another folder with out=FOLDER, or remove it."
        ) from error
    return found.meta["step"], found.meta["seconds"]


@torch.no_grad()
def _evaluate(task: Task, optimizer: Optimizer, folder: Path, step: int, seconds: float) -> None:
    """Judge and export the averaged weights, then put the training weights back."""
    optimizer.use_averages()
    figures = task.evaluate()
    task.export(folder / "model")
    optimizer.use_masters()
    _append(folder / "evaluations.jsonl", {"step": step, "seconds": round(seconds, 1), **figures})


def _log(
    folder: Path, step: int, seconds: float, lr: float, rate: float, means: dict[str, float]
) -> None:
    row = {"step": step, "seconds": round(seconds, 1), "lr": lr, "steps_per_second": rate, **means}
    _append(folder / "metrics.jsonl", row)


def _append(file: Path, row: dict) -> None:
    with open(file, "a", encoding="utf-8") as handle:
        handle.write(json.dumps(row) + "\n")
