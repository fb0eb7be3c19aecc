"""Where a worker's guards stand: before anything is made, and before it is shown.

Orders were asked about when they were taken (skyloom/trust/orders.py); a worker may have a policy
of its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from skyloom.framing import cover
from skyloom.serve.order import Order
from skyloom.trust.guard import Guards
from skyloom.trust.session import enforce, read
from skyloom.video import read_chunks

SIDE = 256
"""Pixels of the longer side of a frame as guards see it."""
READ_FRAMES = 8
"""Frames of an input that are decoded at once."""
LOOK_FRAMES = 240
"""Frames that are looked at together; a second of them is looked at again with the next."""

Frames = UInt8[np.ndarray, "F H W 3"]


def checked(guards: Guards, order: Order, inputs: Mapping[str, Path]) -> dict[str, Any]:
    """What guards say of an order's words and of what it is made from, as manifests tell it.

    Args:
        inputs: files of pictures and clips, by role; all of each is looked at.

    Raises:
        Refused: they may not be made, or used.
        UserError: an input cannot be read.
    """
    return {
        "policy": guards.policy.name,
        "prompts": read(guards, order.guarded),
        "inputs": _checked_inputs(guards, inputs) if guards.policy.frames else None,
    }


def _checked_inputs(guards: Guards, inputs: Mapping[str, Path]) -> dict[str, Any] | None:
    """What guards say of pictures and clips; a refusal names the role."""
    record = None
    for role, file in sorted(inputs.items()):
        pieces = read_chunks(file, READ_FRAMES)
        first = next(pieces)
        watched = Watched(guards, first.fps, f"The input '{role}'")
        for _ in watched.watch(piece.frames for piece in chain([first], pieces)):
            pass
        record = watched.record
    return record


def small(frames: Frames, side: int) -> UInt8[np.ndarray, "F h w 3"]:
    """The frames with their longer side at most so many pixels."""
    height, width = frames.shape[1:3]
    share = side / max(width, height)
    if share >= 1:
        return frames
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.stack([cover(frame, size, stretch=True) for frame in frames])


class Watched:
    """Frames on their way, looked at before they are shown to anybody.

    Args:
        fps: frames a second.
        name: what they are, at the beginning of a sentence.

    Attributes:
        record: the verdict, as manifests tell it; None before anything was looked at.
    """

    def __init__(self, guards: Guards, fps: float, name: str = "The result") -> None:
        self._guards, self._fps, self._name = guards, fps, name
        self._waiting: list[Frames] = []
        self._new = 0
        self.record: dict[str, Any] | None = None

    def watch(self, pieces: Iterable[Frames]) -> Iterator[Frames]:
        """The same frames.

        Raises:
            Refused: they may not be shown; some of them have been handed on by then.
        """
        for piece in pieces:
            self._waiting.append(small(piece, SIDE).copy())
            self._new += len(piece)
            if self._new >= LOOK_FRAMES:
                self._look()
            yield piece
        if self._new:
            self._look()

    def _look(self) -> None:
        frames = np.concatenate(self._waiting)
        verdict = self._guards.frames.check(frames, self._fps)
        enforce(self._guards.policy, "frames", verdict, self._name)
        self.record = verdict.record()
        self._waiting, self._new = [frames[-max(1, round(self._fps)) :]], 0
