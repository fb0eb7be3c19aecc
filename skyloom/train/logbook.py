"""What a run writes about itself: figures, evaluations, skipped batches, and words when it looks
wrong. The first of several processes writes for all."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from skyloom.train.board import Board
from skyloom.train.health import Health
from skyloom.train.journal import Journal
from skyloom.train.optim import OptimConfig, learning_rate
from skyloom.train.task import Waits

NAMED = 8
"""Samples of a skipped batch that are named on the terminal; skipped.jsonl has all."""
FILES = ("metrics", "evaluations", "skipped", "health")

Row = dict[str, float]


class Logbook:
    """The files of a run that grow with it.

    Args:
        folder: of the run, None for a process that writes nothing.
        step: which step the run goes on from; rows of later ones are dropped.
        spent: seconds of training before this process.
        rows: figures of the steps since the last line, as they were saved.
        task: what is trained; it may know how long training waited for data.
        board: where figures go besides.
    """

    def __init__(
        self,
        folder: Path | None,
        step: int,
        spent: float,
        rows: list[Row],
        config: OptimConfig,
        task: object,
        board: Board | None = None,
    ) -> None:
        self.config, self.task, self.rows, self.spent = config, task, rows, spent
        self.speaks, self.board = folder is not None, board
        self.journals = {
            name: Journal(None if folder is None else folder / f"{name}.jsonl") for name in FILES
        }
        for journal in self.journals.values():
            journal.cut(step)
        self.health = Health()
        self.started = time.monotonic()
        self.before = (step, self.started, self._waited())

    def seconds(self) -> float:
        """Seconds of training, those before an interruption too."""
        return self.spent + time.monotonic() - self.started

    def line(self, step: int) -> str:
        """Write a line of metrics.jsonl: the means since the line before it. Say it in short."""
        now, rows = time.monotonic(), self.rows
        steps, since, waited = self.before
        self.rows, self.before = [], (step, now, self._waited())
        waiting = (self.before[2] - waited) / (now - since)
        line = {
            **self._clock(step),
            "lr": learning_rate(self.config, step),
            "steps_per_second": (step - steps) / (now - since),
            **({"waiting": waiting} if isinstance(self.task, Waits) else {}),
            **means(rows, [1.0] * len(rows)),
        }
        self._write("metrics", line)
        if not rows:
            return "every batch skipped"
        cooling = step > self.config.steps * (1 - self.config.cooldown)
        self.warn(step, self.health.of_line(line["loss"], line["norm"], waiting, cooling))
        return f"loss {line['loss']:.4f}"

    def evaluated(self, step: int, figures: Mapping[str, float]) -> None:
        """Write a line of evaluations.jsonl."""
        self._write("evaluations", {**self._clock(step), **figures})

    def skipped(self, step: int, reason: str, names: Sequence[str]) -> None:
        """Write a line of skipped.jsonl, and say which batch was skipped and why."""
        self.journals["skipped"].add({"step": step, "why": reason, "samples": list(names)})
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        samples = f"; its samples: {', '.join(names[:NAMED])}{more}" if names else ""
        self.tell(f"step {step} is skipped, because {reason}{samples}")

    def averaged(self, step: int, distance: float) -> None:
        """Take note of how far the averaged weights are from the trained ones."""
        self.warn(step, self.health.of_averages(distance))

    def warn(self, step: int, sentences: list[str]) -> None:
        """Write a line of health.jsonl for each, and say it."""
        for sentence in sentences:
            self.journals["health"].add({**self._clock(step), "says": sentence})
            self.tell(f"this run looks wrong at step {step}: {sentence}")

    def tell(self, sentence: str) -> None:
        """Say it on the terminal."""
        if self.speaks:
            print(f"skyloom: {sentence}.", file=sys.stderr)

    def close(self) -> None:
        """Let go of what is open."""
        if self.board is not None:
            self.board.close()

    def _write(self, kind: str, row: Row) -> None:
        self.journals[kind].add(row)
        if self.board is not None:
            self.board.add(kind, row)

    def _waited(self) -> float:
        return self.task.waited() if isinstance(self.task, Waits) else 0.0

    def _clock(self, step: int) -> Row:
        return {"step": step, "seconds": round(self.seconds(), 1)}


def means(rows: Sequence[Row], shares: Sequence[float]) -> Row:
    """The mean of each figure by share, over the rows that have it."""
    sums: dict[str, list[float]] = {}
    for row, share in zip(rows, shares, strict=True):
        for key, value in row.items():
            found = sums.setdefault(key, [0.0, 0.0])
            found[0] += share * value
            found[1] += share
    return {key: total / share if share else math.nan for key, (total, share) in sums.items()}
