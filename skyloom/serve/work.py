"""One run of one job, from its order to its published files."""

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from skyloom.pipeline import Skyloom
from skyloom.sampler import Piece, Progress, Sampler, Settings
from skyloom.serve.delivering import Mark, deliver
from skyloom.serve.durable import DurableSampler, Step
from skyloom.serve.making import making
from skyloom.serve.running import Run

SAMPLING = 0.95
"""Part of the progress that sampling is; the rest is writing and publishing."""


def carry_out(
    run: Run,
    skyloom: Skyloom,
    model: str,
    inputs: Mapping[str, Path],
    folder: Path,
    step: Step,
    finished: Callable[[], None],
    check: Callable[[], None],
    mark: Mark | None,
) -> None:
    """Make what a job orders and publish it.

    Args:
        model: what the model is, see `DurableSampler`.
        inputs: a local file for each role.
        folder: an empty one, for files in the making.
        step: remembers what is done, see `DurableSampler`.
        finished: is told when a window is.
        check: ends the run by raising, where it is to end.

    Raises:
        Stopped: the run is over.
        UserError: what is ordered cannot be made.
    """
    order = run.job.order
    sampler = DurableSampler(skyloom.sampler, run.jobs.files, run.work, model, step, finished)
    mine = with_sampler(skyloom, sampler)
    plan = making(order, mine, inputs)

    def tell(done: int, total: int) -> None:
        check()
        run.tell(SAMPLING * done / max(1, total))

    results, delivered = deliver(plan, order, inputs, folder, tell, mark)
    run.look()
    run.publish(results, delivered)


def with_sampler(skyloom: Skyloom, sampler: Any) -> Skyloom:
    """The same model with another sampler; both share their networks."""
    other = copy.copy(skyloom)
    other.sampler = sampler
    return other


class OneAtATime:
    """A sampler for many threads: one call after the other."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler, self._lock = sampler, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        """All else that a sampler has, which tiles of large images ask for: the networks."""
        return getattr(self._sampler, name)

    def sample(
        self, pieces: Sequence[Piece], settings: Settings, progress: Progress | None = None
    ) -> list[Tensor]:
        """As `Sampler.sample`, when it is this call's turn."""
        with self._lock:
            return self._sampler.sample(pieces, settings, progress)
