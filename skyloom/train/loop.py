"""The training loop: draw, forward, backward, step, log, checkpoint. It knows no network.

A `Task` brings the networks and the loss. Whatever the task draws for batch k is a pure function
of (seed, k), so the loop resumes with one integer and a few files, bit for bit.
"""

import math
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError

from skyloom.errors import UserError
from skyloom.progress import Tracker, track
from skyloom.ranges import check_ranges
from skyloom.train import checkpoint, interrupts, watch
from skyloom.train.board import Board
from skyloom.train.diskfull import disk_is_full
from skyloom.train.logbook import Logbook, means
from skyloom.train.optim import OptimConfig, Optimizer
from skyloom.train.ranks import ALONE, Ranks
from skyloom.train.runfolder import check_unchanged, only_run
from skyloom.train.saving import Saver
from skyloom.train.sharding import whole_weights
from skyloom.train.spikes import Spikes
from skyloom.train.task import MakesClips, NamesSamples, Task


@dataclass(frozen=True)
class LoopConfig:
    """How a run is driven.

    Attributes:
        batches: batches of a step, over all processes: their losses are averaged by weight. 0 is
            one for each replica that the run was begun with.
        save_minutes: minutes between two checkpoints.
        save_every: steps between two checkpoints, beside those by the clock; 0 is none.
        unsaved_minutes: minutes that a run goes on while its disk is full.
        log_every: steps between two lines of metrics.jsonl.
        evaluate_minutes: minutes between two evaluations with the averaged weights.
        evaluate_every: steps between two evaluations, beside those by the clock; 0 is none.
        spike: a batch whose loss or gradient norm is this many times the running median of 64 steps
            is skipped; 0 skips only what is not finite.
        skip_limit: batches in a row that may be skipped before the run stops.
        tensorboard: write the figures for TensorBoard too, to tensorboard/ in the run's folder;
            skyloom[tensorboard] installs what that needs.
    """

    batches: int = 0
    save_minutes: float = 3.0
    save_every: int = 0
    unsaved_minutes: float = 60.0
    log_every: int = 20
    evaluate_minutes: float = 10.0
    evaluate_every: int = 0
    spike: float = 20.0
    skip_limit: int = 5
    tensorboard: bool = False

    def __post_init__(self) -> None:
        some = ("batches", "save_minutes", "save_every", "unsaved_minutes", "evaluate_minutes",
                "evaluate_every", "spike")  # fmt: skip
        check_ranges(self, {name: (0, math.inf) for name in some})
        check_ranges(self, {"log_every": (1, math.inf), "skip_limit": (1, math.inf)})


def run(
    task: Task,
    optim: OptimConfig,
    loop: LoopConfig,
    folder: Path,
    recipe: Mapping,
    minutes: float | None = None,
    name: str = "train",
    allow_changes: bool = False,
    ranks: Ranks = ALONE,
) -> int:
    """Train until `optim.steps` or until `minutes` have passed; return the steps done in all.

    Ends with an export of the averaged weights to `folder`/model and a checkpoint. Ctrl-C saves
    a checkpoint and goes on to the caller.

    Args:
        recipe: what decides the run, kept in its checkpoints.
        allow_changes: go on even where the recipe is not the one that the run was begun with.
        ranks: this process among those that train together.

    Raises:
        UserError: the folder cannot be written or another run writes to it, the recipe has
            changed, `loop.skip_limit` batches in a row were skipped, the disk was full for too
            long, or the checkpoint in `folder` belongs to another network.
    """
    with ExitStack() as stack:
        if ranks.first:
            stack.enter_context(only_run(folder))
        ranks.meet()
        stop = stack.enter_context(interrupts.noticed(ranks.ranks > 1))
        this = _Run(task, optim, loop, folder, recipe, ranks, allow_changes)
        stack.callback(this.saver.abandon)
        silent = None if ranks.first else stack.enter_context(open(os.devnull, "w"))
        bar = track(optim.steps, name, unit="steps", start=this.step, stream=silent)
        return this.train(minutes, stack.enter_context(bar), stop)


class _Run:
    """A run under way: its weights and where it stands."""

    def __init__(
        self,
        task: Task,
        optim: OptimConfig,
        loop: LoopConfig,
        folder: Path,
        recipe: Mapping,
        ranks: Ranks,
        allow_changes: bool,
    ) -> None:
        self.task, self.config, self.folder, self.recipe = task, loop, folder, recipe
        self.ranks = ranks
        self.optimizer = Optimizer(task.modules, optim, ranks)
        self.saver = Saver(folder / "checkpoints", ranks, 60 * loop.unsaved_minutes)
        meta = _restore(folder, self.optimizer, ranks, None if allow_changes else recipe)
        self.step = meta.get("step", 0)
        self.batches = loop.batches or meta.get("batches", ranks.replicas)
        ranks.batches(self.step, self.batches)  # says at once if they cannot be shared
        self.skipped = meta.get("skipped", 0)
        self.spikes = Spikes(loop.spike, *meta.get("of_late", ([], [])))
        self.saved, self.evaluated = meta.get("step"), meta.get("evaluated")
        where, since_log = folder if ranks.first else None, meta.get("since_log", [])
        spent = meta.get("seconds", 0.0)
        board = Board(folder, self.step) if loop.tensorboard and ranks.first else None
        self.log = Logbook(where, self.step, spent, since_log, optim, task, board)

    def train(self, minutes: float | None, bar: Tracker, stop: interrupts.Noticed) -> int:
        """Go on to the last step, or for `minutes`; see `run`."""
        steps, config = self.optimizer.config.steps, self.config
        if self.step >= steps and (self.folder / "model").exists():
            return self.step  # it was complete
        saving = _Timer(config.save_minutes, config.save_every)
        judging = _Timer(config.evaluate_minutes, config.evaluate_every)
        end = math.inf if minutes is None else time.monotonic() + 60 * minutes
        over = asked = self.step >= steps
        try:
            while not over:
                self.ranks.does(watch.WORKING)
                self._one_step()
                self.ranks.does(watch.WAITING)
                bar.advance(1)
                if self.step % config.log_every == 0:
                    bar.say(self.log.line(self.step))
                votes = (judging.due(self.step), saving.due(self.step), time.monotonic() > end)
                judge, save, written, over, asked = self._agreed(*votes, stop.asked)
                self.ranks.does(watch.BUSY)
                over = over or self.step >= steps
                if written:
                    self.saver.finish()
                if asked:
                    raise KeyboardInterrupt
                if judge and not over:
                    self._evaluate()
                    judging.restart()
                if save and not over:
                    self._save()
                    saving.restart()
        except KeyboardInterrupt:
            self._save()
            self.saver.finish()
            raise
        self._evaluate()
        self._save()
        self.saver.finish(last=True)
        return self.step

    def _agreed(self, judge: bool, save: bool, over: bool, asked: bool) -> tuple[bool, ...]:
        """What to do after a step, the same in all processes: (judge, save, written, over, asked).

        The first one's clock counts, and anybody's wish to stop.
        """
        if self.ranks.ranks == 1:
            return judge, save, self.saver.written(), over, asked
        first = self.ranks.first
        votes = (judge and first, save and first, self.saver.written(), over and first, asked)
        found = self.ranks.sum([float(vote) for vote in votes])
        needed = (1, 1, self.ranks.ranks, 1, 1)
        return tuple(votes >= enough for votes, enough in zip(found, needed, strict=True))

    def _one_step(self) -> None:
        """Forward and backward for every batch of the step, then one update.

        The step's loss is the mean over all batches by weight, and so is its gradient. Processes
        that share a batch each have its whole loss and count a part of it.
        """
        alone = self.batches == 1 and self.ranks.ranks == 1
        shares, rows = [], []
        for index in self.ranks.batches(self.step, self.batches):
            loss, figures = self.task.loss(index)
            share = figures.pop("weight", 1.0) / self.ranks.context
            (loss if alone else loss * share).backward()
            if not alone:
                self.optimizer.gather()
            shares.append(share)
            rows.append({"loss": loss.item(), **figures})
        row, total = means(rows, shares), 1.0
        if not alone:
            self.ranks.does(watch.WAITING)
            every = self.ranks.gather_figures(row, sum(shares))
            self.ranks.does(watch.WORKING)
            row = means([each for each, _ in every], [share for _, share in every])
            total = sum(share for _, share in every)
        with interrupts.held_back():
            self._update(row, total)
        if self.skipped >= self.config.skip_limit:
            raise UserError(
                f"Training stopped at step {self.step}: {self.skipped} batches in a row were "
                f"skipped, the last because {self.reason}; a lower optim.lr than "
                f"{self.optimizer.config.lr} may work."
            )

    def _update(self, row: dict[str, float], total: float) -> None:
        """Move the weights, or skip a step that would do harm."""
        limit = self.spikes.largest_norm(row["loss"])
        norm = self.optimizer.step(self.step, total, limit)
        self.step += 1
        self.reason = self.spikes.why_not(row["loss"], norm)
        if self.reason is None:
            self.skipped = 0
            self.log.rows.append({"loss": row["loss"], "norm": norm, **row})
            return
        self.skipped += 1
        names: list[str] = []
        if isinstance(self.task, NamesSamples):
            for index in range((self.step - 1) * self.batches, self.step * self.batches):
                names += self.task.samples(index)
        self.log.skipped(self.step, self.reason, names)

    def _save(self) -> None:
        """Begin a checkpoint of where the run stands, unless there is one."""
        if self.saved == self.step:
            return
        meta = {
            "step": self.step,
            "seconds": self.log.seconds(),
            "recipe": self.recipe,
            "batches": self.batches,
            "evaluated": self.evaluated,
            "skipped": self.skipped,
            "of_late": [self.spikes.losses[:], self.spikes.norms[:]],
            "since_log": self.log.rows[:],
        }
        self.saver.start(self.optimizer.tensors(), meta)
        self.saved = self.step

    @torch.no_grad()
    def _evaluate(self) -> None:
        """Judge and export the averaged weights, then put the training weights back.

        The first process does it alone, unless each has some rows of the weights alone.
        """
        if self.evaluated == self.step:
            return
        self.log.averaged(self.step, self.optimizer.distance())
        figures: dict[str, float] = {}
        self.optimizer.use_averages()
        try:
            if self.ranks.first or self.optimizer.sharded:
                figures |= self.task.evaluate()
            if self.ranks.first and isinstance(self.task, MakesClips):
                figures |= self.task.sample(self.step)
            with whole_weights(self.task.modules, self.ranks):
                if self.ranks.first:
                    self._export()
        finally:
            self.optimizer.use_masters()
        self.log.evaluated(self.step, figures)
        self.evaluated = self.step

    def _export(self) -> None:
        """Write the model folder; where the disk is full, the one from before stays."""
        try:
            self.task.export(self.folder / "model")
        except (OSError, SafetensorError, UserError) as error:
            if not disk_is_full(error):
                raise
            if self.step >= self.optimizer.config.steps:
                raise UserError(
                    f"Training stopped after step {self.step}: the disk of '{self.folder}' is full "
                    "and the model cannot be written; free some space, and the same command goes "
                    "on from the last checkpoint."
                ) from error
            self.log.tell(f"the disk of '{self.folder}' is full: the model is not exported")


class _Timer:
    """Says when so many minutes have passed, or a number of steps is full."""

    def __init__(self, minutes: float, steps: int) -> None:
        self.seconds, self.steps = 60 * minutes, steps
        self.restart()

    def restart(self) -> None:
        self.since = time.monotonic()

    def due(self, step: int) -> bool:
        full = self.steps > 0 and step % self.steps == 0
        return full or time.monotonic() - self.since > self.seconds


def _restore(folder: Path, optimizer: Optimizer, ranks: Ranks, recipe: Mapping | None) -> dict:
    """Load the newest checkpoint into `optimizer`; its meta values, none without one.

    Args:
        recipe: what the run must have been begun with; None takes any.
    """
    checkpoints = folder / "checkpoints"
    found = checkpoint.load_newest(checkpoints, ranks)
    if found is None:
        return {}
    if recipe is not None:
        check_unchanged(found.meta["recipe"], recipe, folder)
    try:
        optimizer.load_tensors(found.tensors)
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"The checkpoint in '{checkpoints}' is of another network than the recipe's: "
            "name another folder with out=FOLDER, or remove it."
        ) from error
    return found.meta
