"""From frames to the files that are delivered: the video, its thumbnail, its sheet of frames."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from skyloom import video
from skyloom.request import Request
from skyloom.sampler import Progress
from skyloom.serve.job import SPRITESHEET, THUMBNAIL, VIDEO, Delivered
from skyloom.serve.making.frames import Making
from skyloom.serve.making.guarding import Watched, checked, small
from skyloom.serve.order import Order
from skyloom.sheets import Picked
from skyloom.sound import carry_sounds
from skyloom.storyboard import Story
from skyloom.trust.guard import Guards
from skyloom.trust.marking import Marking
from skyloom.video import Video, VideoWriter

SHEET_SIDE = 320
"""Pixels of the longer side of a frame on a sheet, at most."""
THUMBNAIL_SIDE = 640

Frames = UInt8[np.ndarray, "F H W 3"]


def deliver(
    making: Making,
    order: Order,
    inputs: Mapping[str, Path],
    folder: Path,
    tell: Progress,
    marking: Marking | None = None,
    guards: Guards | None = None,
) -> tuple[dict[str, Path], Delivered]:
    """Make everything and write it into a folder of this machine.

    Args:
        tell: is told of the steps; what it raises ends the work.
        marking: marks the frames and signs the files; None leaves them as they are.
        guards: look at words and inputs before anything is made, and at the frames.

    Returns:
        a file for each variant, and what they come to.

    Raises:
        Refused: the guards say no.
    """
    said = None if guards is None else checked(guards, order, inputs)
    watched = None if guards is None else Watched(guards, making.fps)
    path = folder / f"{VIDEO}{'.png' if making.count == 1 else '.mp4'}"
    picked, middle = Picked(making.count, making.fps), _Middle(making.count // 2)
    notes = [*making.notes]

    def write(path: Path, frames: Iterator[Frames]) -> None:
        with VideoWriter(path, making.size, making.fps) as writer:
            for piece in frames:
                writer.append(piece)
                middle.append(piece)
                picked.append(small(piece, SHEET_SIDE))
        if making.sounds and making.count > 1:
            notes.extend(carry_sounds(making.sounds, path).notes)

    frames = making.frames(tell)
    if marking is not None:
        given = [inputs[role] for role in sorted(inputs)]
        claim = marking.claim(
            order.operation, making.asked, given, words=order.words, said=_said(order, making.asked)
        )
        still = making.count == 1
        frames = marking.mark(frames, claim, making.fps, still, making.kept)
    write(path, frames if watched is None else watched.watch(frames))
    if marking is not None:
        if said is not None and watched is not None:
            claim = replace(claim, guards=({**said, "frames": watched.record},))
        marking.sign(path, claim)
    results = {
        VIDEO: path,
        THUMBNAIL: folder / f"{THUMBNAIL}.webp",
        SPRITESHEET: folder / f"{SPRITESHEET}.jpg",
    }
    video.write(Video(small(middle.frame[None], THUMBNAIL_SIDE), 1.0), results[THUMBNAIL])
    video.write(video.contact_sheet(picked.video), results[SPRITESHEET])
    if marking is not None:
        for name in (THUMBNAIL, SPRITESHEET):
            marking.sign(results[name], marking.sheet_claim(path))
    seconds = making.count / making.fps if making.count > 1 else 0.0
    return results, Delivered(
        making.size, seconds, making.fps, making.count, making.made, tuple(notes)
    )


class _Middle:
    """Keeps one frame of a clip that comes in pieces."""

    def __init__(self, number: int) -> None:
        self._number, self._seen = number, 0

    def append(self, frames: Frames) -> None:
        place = self._number - self._seen
        if 0 <= place < len(frames):
            self.frame = frames[place].copy()
        self._seen += len(frames)


def _said(order: Order, asked: Request | Story) -> dict[str, Any]:
    """What was said of the operation besides its request, for the manifest."""
    said = {name: getattr(order, name) for name in ("at", "backward", "keep", "strength", "trim")}
    return said | {"move": order.path, "shots": asked.pace if isinstance(asked, Story) else None}
