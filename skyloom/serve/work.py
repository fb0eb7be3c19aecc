"""One run of one job, from its order to its published files."""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from skyloom import video
from skyloom.errors import UserError
from skyloom.pipeline import Skyloom
from skyloom.sampler import Piece, Sampler
from skyloom.serve.delivering import PREVIEW_SIDE, deliver
from skyloom.serve.durable import DurableSampler, Step
from skyloom.serve.guarding import small
from skyloom.serve.making import making
from skyloom.serve.running import Run
from skyloom.trust.guard import Guards
from skyloom.trust.marking import Marking
from skyloom.trust.session import Refused
from skyloom.video import Video

SAMPLING = 0.95
"""Part of the progress that sampling is; the rest is writing and publishing."""
PREVIEW_SECONDS, PREVIEW_SHARE = 0.5, 0.1
"""Seconds between two previews, at least, and part of the time that they may take."""
PREVIEW_LATENTS = 2
"""Latent frames that are decoded for the preview of a window on a longer clip."""


def carry_out(
    run: Run,
    skyloom: Skyloom,
    model: str,
    inputs: Mapping[str, Path],
    folder: Path,
    step: Step,
    finished: Callable[[], None],
    check: Callable[[], None],
    marking: Marking | None,
    guards: Guards | None,
) -> None:
    """Make what a job orders and publish it.

    Args:
        model: what the model is, see `DurableSampler`.
        inputs: a local file for each role.
        folder: an empty one, for files in the making.
        step: remembers what is done, see `DurableSampler`.
        finished: is told when a window is.
        check: ends the run by raising, where it is to end.
        marking: marks and signs what is made.
        guards: say what may be made and shown.

    Raises:
        Stopped: the run is over.
        UserError: what is ordered cannot be made.
    """
    order = run.job.order
    watch = Preview(run, skyloom, folder).see if order.preview else None
    sampler = DurableSampler(
        skyloom.sampler, run.jobs.files, run.work, model, step, finished, watch
    )
    mine = with_sampler(skyloom, sampler)

    def tell(done: int, total: int) -> None:
        check()
        run.tell(SAMPLING * done / max(1, total))

    try:
        plan = making(order, mine, inputs)
        results, delivered = deliver(plan, order, inputs, folder, tell, marking, guards)
    except Refused:
        raise
    except UserError as error:
        raise UserError(in_roles(str(error), inputs)) from error
    notes = tuple(in_roles(note, inputs) for note in delivered.notes)
    run.look()
    run.publish(results, replace(delivered, notes=notes))


def in_roles(text: str, inputs: Mapping[str, Path]) -> str:
    """A sentence in which an input's path, which is nobody's business, is the name of its role."""
    for role, path in inputs.items():
        text = text.replace(str(path), role)
    return text


class Preview:
    """Shows what a job believes in while it is made: a small picture now and then.

    Args:
        folder: for the picture in the making.
    """

    def __init__(self, run: Run, skyloom: Skyloom, folder: Path) -> None:
        self._run, self._skyloom = run, skyloom
        self._path = folder / "preview.webp"
        self._next = 0.0

    def see(self, piece: Piece, estimate: Float[Tensor, "C T H W"]) -> None:
        """Look at a clean estimate; most are not shown."""
        began = time.monotonic()
        if began < self._next:
            return
        # A clip's first latent frame is a picture by itself; that of a window on it is not.
        first = piece.start == 0
        latents = estimate[:, :1] if first else estimate[:, -PREVIEW_LATENTS:]
        frames = np.concatenate(list(self._skyloom.decode_stream(iter([latents]), first=first)))
        video.write(Video(small(frames[-1:], PREVIEW_SIDE), 1.0), self._path)
        self._run.show(self._path)
        took = time.monotonic() - began
        self._next = began + max(PREVIEW_SECONDS, took / PREVIEW_SHARE)


def with_sampler(skyloom: Skyloom, sampler: Sampler) -> Skyloom:
    """The same model with another sampler; both share their networks."""
    other = copy.copy(skyloom)
    other.sampler = sampler
    return other
