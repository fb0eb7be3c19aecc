"""Where a worker's guards stand: before anything is made, and before it is shown.

Orders were asked about when they were taken (skyloom/trust/orders.py); a worker may have a policy
of its own.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from skyloom.framing import cover
from skyloom.serve.order import Order
from skyloom.trust.guard import Guards
from skyloom.trust.session import log_refusal, refusal

SIDE = 256
"""Pixels of the longer side of a frame as guards see it."""
LOOK_FRAMES = 240
"""Frames that are looked at together; a second of them is looked at again with the next."""

Frames = UInt8[np.ndarray, "F H W 3"]


def checked(guards: Guards, order: Order) -> dict[str, Any]:
    """What guards say of an order's words, as manifests tell it.

    Raises:
        Refused: they may not be made.
    """
    verdict = guards.prompts.check("\n".join(filter(None, (order.words, order.negative))))
    if not verdict.allowed:
        log_refusal(guards.policy, "prompts", verdict, order.words)
        raise refusal(guards.policy, verdict, "The prompt")
    return {"policy": guards.policy.name, "prompts": verdict.record(), "inputs": None}


def small(frames: Frames, side: int) -> UInt8[np.ndarray, "F h w 3"]:
    """The frames with their longer side at most so many pixels."""
    height, width = frames.shape[1:3]
    share = side / max(width, height)
    if share >= 1:
        return frames
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.stack([cover(frame, size, stretch=True) for frame in frames])


class Watched:
    """Frames on their way into a file, looked at before they are shown to anybody.

    Attributes:
        record: the verdict, as manifests tell it; None before anything was looked at.
    """

    def __init__(self, guards: Guards, fps: float) -> None:
        self._guards, self._fps = guards, fps
        self._waiting: list[Frames] = []
        self._new = 0
        self.record: dict[str, Any] | None = None

    def watch(self, pieces: Iterator[Frames]) -> Iterator[Frames]:
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
        if not verdict.allowed:
            log_refusal(self._guards.policy, "frames", verdict, None)
            raise refusal(self._guards.policy, verdict, "The result")
        self.record = verdict.record()
        self._waiting, self._new = [frames[-max(1, round(self._fps)) :]], 0
