"""The training loop: draw, forward, backward, step, log, checkpoint. It knows no network.

A `Task` brings the networks and the loss. Whatever the task draws at step k is a pure function
of (seed, k), so the loop resumes with one integer and two files, bit for bit.
"""

import json
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Protocol, runtime_checkable

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


@runtime_checkable
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
        UserError: the folder cannot be written, the gradients were not finite `loop.skip_limit`
            times in a row, or the checkpoint in `folder` belongs to another network.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder '{folder}': {error.strerror}.") from error
    return _Run(task, optim, loop, folder, recipe).train(minutes, name)


class _Run:
    """A run under way: its weights, where it stands, and the figures since the last log line."""

    def __init__(
        self, task: Task, optim: OptimConfig, loop: LoopConfig, folder: Path, recipe: Mapping
    ) -> None:
        self.task, self.config, self.folder, self.recipe = task, loop, folder, recipe
        self.optimizer = Optimizer(task.modules, optim)
        self.step, self.spent = _restore(folder / "checkpoints", self.optimizer)
        self.skipped = 0
        self.since_log: list[dict[str, float]] = []
        self.started = self.logged = time.monotonic()

    def train(self, minutes: float | None, name: str) -> int:
        """Go on to the last step, or for `minutes`; see `run`."""
        steps = self.optimizer.config.steps
        saving, judging = _Timer(self.config.save_minutes), _Timer(self.config.evaluate_minutes)
        end = math.inf if minutes is None else self.started + 60 * minutes
        with track(steps, name, unit="steps", start=self.step) as bar:
            try:
                while self.step < steps and time.monotonic() <= end:
                    self._one_step()
                    bar.advance(1)
                    if self.step % self.config.log_every == 0:
                        bar.say(f"loss {self._log()['loss']:.4f}")
                    if saving.due():
                        self._save()
                        saving.restart()
                    if judging.due():
                        self._evaluate()
                        judging.restart()
            except KeyboardInterrupt:
                self._save()
                raise
        self._save()
        self._evaluate()
        return self.step

    def _one_step(self) -> None:
        loss, figures = self.task.loss(self.step)
        loss.backward()
        with _interrupts_held_back():
            norm = self.optimizer.step(self.step)
            self.step += 1
        self.since_log.append({"loss": loss.item(), "norm": norm, **figures})
        self.skipped = 0 if math.isfinite(norm) else self.skipped + 1
        if self.skipped >= self.config.skip_limit:
            raise UserError(
                f"Training stopped at step {self.step}: the gradient was not finite "
                f"{self.skipped} times in a row; a lower optim.lr than "
                f"{self.optimizer.config.lr} may work."
            )

    def _log(self) -> dict[str, float]:
        """A line of metrics.jsonl: the means since the line before it."""
        rows, now = self.since_log, time.monotonic()
        keys = dict.fromkeys(key for row in rows for key in row)  # a step may lack some
        means = {key: fmean(row[key] for row in rows if key in row) for key in keys}
        rate = learning_rate(self.optimizer.config, self.step)
        speed = len(rows) / (now - self.logged)
        line = {**self._clock(), "lr": rate, "steps_per_second": speed, **means}
        _append(self.folder / "metrics.jsonl", line)
        self.since_log, self.logged = [], now
        return means

    def _save(self) -> None:
        meta = {"step": self.step, "seconds": self._seconds(), "recipe": self.recipe}
        checkpoint.save(self.folder / "checkpoints", self.optimizer.tensors(), meta)

    @torch.no_grad()
    def _evaluate(self) -> None:
        """Judge and export the averaged weights, then put the training weights back."""
        self.optimizer.use_averages()
        try:
            figures = self.task.evaluate()
            self.task.export(self.folder / "model")
        finally:
            self.optimizer.use_masters()
        _append(self.folder / "evaluations.jsonl", {**self._clock(), **figures})

    def _seconds(self) -> float:
        """Seconds of training, those before an interruption too."""
        return self.spent + time.monotonic() - self.started

    def _clock(self) -> dict[str, float]:
        return {"step": self.step, "seconds": round(self._seconds(), 1)}


class _Timer:
    """Says when so many minutes have passed."""

    def __init__(self, minutes: float) -> None:
        self.seconds = 60 * minutes
        self.restart()

    def restart(self) -> None:
        self.since = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self.since > self.seconds


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C waits until the block is done: a step that was taken by half could not be resumed."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals never arrive here
        return
    caught = []
    former = signal.signal(signal.SIGINT, lambda *arrived: caught.append(arrived))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
    if caught:
        signal.raise_signal(signal.SIGINT)


def _restore(folder: Path, optimizer: Optimizer) -> tuple[int, float]:
    """Step and seconds of the newest checkpoint, loaded into `optimizer`; zeros without one."""
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


def _append(file: Path, row: Mapping[str, float]) -> None:
    with open(file, "a", encoding="utf-8") as handle:
        handle.write(json.dumps(row) + "\n")
