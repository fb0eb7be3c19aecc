"""From frames to the files that are delivered: the video, its thumbnail, its sheet of frames."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from skyloom import video
from skyloom.framing import cover
from skyloom.sampler import Progress
from skyloom.serve.job import SPRITESHEET, THUMBNAIL, VIDEO, Delivered
from skyloom.serve.making import Making
from skyloom.serve.order import Order
from skyloom.sheets import Picked
from skyloom.sound import carry_sounds
from skyloom.video import Video, VideoWriter

Mark = Callable[[Path, Order, Mapping[str, Path]], None]
"""Marks and signs a finished file, in place; it is told the order and the local file of each input.
It must not fail halfway: what it raises fails the job."""

SHEET_SIDE = 320
"""Pixels of the longer side of a frame on a sheet, at most."""
THUMBNAIL_SIDE = 640
PREVIEW_SIDE = 256

Frames = UInt8[np.ndarray, "F H W 3"]


def deliver(
    making: Making,
    order: Order,
    inputs: Mapping[str, Path],
    folder: Path,
    tell: Progress,
    mark: Mark | None = None,
) -> tuple[dict[str, Path], Delivered]:
    """Make everything and write it into a folder of this machine.

    Args:
        tell: is told of the steps; what it raises ends the work.

    Returns:
        a file for each variant, and what they come to.
    """
    path = folder / f"{VIDEO}{'.png' if making.count == 1 else '.mp4'}"
    picked, middle = Picked(making.count, making.fps), _Middle(making.count // 2)
    with VideoWriter(path, making.size, making.fps) as writer:
        for piece in making.frames(tell):
            writer.append(piece)
            middle.append(piece)
            picked.append(small(piece, SHEET_SIDE))
    notes = [*making.notes]
    if making.sounds and making.count > 1:
        notes += carry_sounds(making.sounds, path).notes
    if mark is not None:
        mark(path, order, inputs)
    results = {
        VIDEO: path,
        THUMBNAIL: folder / f"{THUMBNAIL}.webp",
        SPRITESHEET: folder / f"{SPRITESHEET}.jpg",
    }
    video.write(Video(small(middle.frame[None], THUMBNAIL_SIDE), 1.0), results[THUMBNAIL])
    video.write(video.contact_sheet(picked.video), results[SPRITESHEET])
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


def small(frames: Frames, side: int) -> Frames:
    """The frames with their longer side at most so many pixels."""
    height, width = frames.shape[1:3]
    share = side / max(width, height)
    if share >= 1:
        return frames
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.stack([cover(frame, size, stretch=True) for frame in frames])


def watched(frames: Iterator[Frames], look: Callable[[], None]) -> Iterator[Frames]:
    """The frames as they come; `look` is called with each piece, and ends them by raising."""
    for piece in frames:
        look()
        yield piece
