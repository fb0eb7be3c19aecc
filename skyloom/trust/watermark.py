"""A watermark in the pixels: what is added to each frame as it is made.

Spread spectrum (Cox et al., "Secure spread spectrum watermarking for multimedia", 1997): patterns
of a key (skyloom/trust/marks/carriers.py) are added to the brightness, so weakly that no cell says
anything by itself, over so many cells that together they do. `skyloom.trust.marks.finding` looks
for them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, UInt8

from skyloom.trust.marks.carriers import BLOCK, MOVING, STILL, carriers

PSNR = 43.0, 40.05
"""Decibels between a frame and the same with its mark, where it is quiet and where it is busy."""

QUIET_TO_BUSY = 0.17, 0.48
"""Mean activity of such frames."""

ACTIVITY = 12.0
"""Levels of contrast in a cell that count as much."""

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

Frames = UInt8[np.ndarray, "_F H W 3"]


@dataclass(frozen=True)
class Mark:
    """What is put into a clip.

    Attributes:
        key: 32 bytes that say where the mark is; who has them can find it, and take it out.
        payload: a number of 48 bits that names the clip.
        psnr: decibels between a frame and the same with its mark, for a quiet and a busy one.
    """

    key: bytes
    payload: int
    psnr: tuple[float, float] = PSNR


def marked(
    pieces: Iterable[Frames], fps: float, mark: Mark, still: bool = False
) -> Iterator[Frames]:
    """Frames with the mark in them, piece by piece as they come; memory does not grow.

    The same frames, mark and rate give the same frames, in whatever pieces they come.

    Args:
        pieces: the frames of one clip from its first.
        fps: frames a second.
        still: the clip is a single picture and will be looked for as one.
    """
    layout = STILL if still else MOVING
    patterns = carriers(mark.key, layout).patterns(mark.payload)
    start = carriers(mark.key, layout).start(mark.payload)
    count = 0
    for piece in pieces:
        made = np.empty_like(piece)
        for place, frame in enumerate(piece):
            block = start + block_of(count, fps)
            made[place] = _added(frame, patterns[block % layout.blocks], mark.psnr)
            count += 1
        yield made


def block_of(frame: int, fps: float) -> int:
    """The block of time in which a frame lies."""
    return int(frame / fps / BLOCK + 1e-6)


def _added(
    frame: UInt8[np.ndarray, "H W 3"],
    pattern: Float32[np.ndarray, "d d"],
    psnr: tuple[float, float],
) -> UInt8[np.ndarray, "H W 3"]:
    """One frame with a pattern in it: the same in every cell, stronger in a busy frame.

    A detector finds what lies in quiet cells the most easily, and encoders leave little in the
    others: more there and less here was measured to be found less often.
    """
    height, width, _ = frame.shape
    down, across = spreading(height, len(pattern)), spreading(width, len(pattern))
    pixels = frame.astype(np.float32)
    activity = _activity(pixels @ LUMA, len(pattern))
    quiet, busy = QUIET_TO_BUSY
    share = np.clip((activity.mean() - quiet) / (busy - quiet), 0, 1)
    power = (255 / 10 ** ((psnr[0] + (psnr[1] - psnr[0]) * share) / 20)) ** 2
    power -= 1 / 12  # what rounding adds
    added = down @ pattern @ across.T
    added *= np.sqrt(power / np.square(added).mean())
    return np.clip(np.rint(pixels + added[:, :, None]), 0, 255).astype(np.uint8)


def _activity(luma: Float32[np.ndarray, "H W"], cells: int) -> Float32[np.ndarray, "d d"]:
    """How busy the picture is in each cell, from 0 to 1."""
    down, across = gathering(luma.shape[0], cells), gathering(luma.shape[1], cells)
    mean = down @ luma @ across.T
    spread = np.sqrt(np.maximum(down @ np.square(luma) @ across.T - np.square(mean), 0))
    return np.minimum(spread / ACTIVITY, 1)


@lru_cache(maxsize=32)
def gathering(pixels: int, cells: int) -> Float32[np.ndarray, "c n"]:
    """The matrix that takes the mean of the pixels, and parts of pixels, under each cell."""
    edges = np.arange(cells + 1) * pixels / cells
    low = np.maximum(edges[:-1, None], np.arange(pixels))
    high = np.minimum(edges[1:, None], np.arange(1, pixels + 1))
    return (np.maximum(high - low, 0) * cells / pixels).astype(np.float32)


@lru_cache(maxsize=32)
def spreading(pixels: int, cells: int) -> Float32[np.ndarray, "n c"]:
    """The matrix that draws cells as a smooth surface: a cubic through their middles.

    Keys' convolution kernel (1981), its value at the edge going on beyond it.
    """
    at = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    first = np.floor(at).astype(int) - 1
    matrix = np.zeros((pixels, cells))
    for step in range(4):
        distance = np.abs(at - (first + step))
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        weight = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
        np.add.at(matrix, (np.arange(pixels), np.clip(first + step, 0, cells - 1)), weight)
    return matrix.astype(np.float32)
