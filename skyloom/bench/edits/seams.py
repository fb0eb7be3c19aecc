"""How an edit joins what was given, in numbers: jumps at seams, motion, and two lazy baselines.

A seam is measured by the mean absolute difference of the frames on its two sides, against the
differences inside the clip. A clip that stands still has no jumps either, and one that flickers
hides them: motion is therefore always told beside, and a seam only holds where there is some.
"""

from dataclasses import dataclass

import numpy as np
from einops import reduce
from jaxtyping import Bool, Float, UInt8

SEAM_LIMIT, LOOP_LIMIT = 1.5, 1.3
"""Jumps up to which a seam, and that of a loop, holds."""
REPEATED = 0.2
"""Jump under which a frame is shown twice, which is no seam that holds."""
LIVELY = (1 / 3, 3.0)
"""How much what was made may move, over the real frames, for its seams to be judged."""
BESIDE = 3
"""Differences on each side of the seam of a loop that it is compared with."""
GRAIN = 32
"""Cells in the width of a picture that is compared coarsely."""

Frames = UInt8[np.ndarray, "F H W 3"]


@dataclass(frozen=True)
class Seam:
    """One seam.

    Attributes:
        jump: difference across the seam over that inside the clip; None where nothing moves.
        motion: of the frames that were made, over that of real ones; 1 for a real clip.
    """

    jump: float | None
    motion: float | None

    @property
    def lively(self) -> bool:
        """Whether what was made neither stands still nor boils."""
        return self.motion is not None and LIVELY[0] <= self.motion <= LIVELY[1]

    def holds(self, limit: float = SEAM_LIMIT) -> bool:
        """Whether nobody would see it: no jump, no frame twice, and no standing still."""
        return self.lively and self.jump is not None and REPEATED <= self.jump <= limit


def differences(frames: UInt8[np.ndarray, "F H W 3"]) -> Float[np.ndarray, " F"]:
    """Mean absolute difference of each frame to the one before it, in levels of 0 ... 255.

    The first frame comes after the last one, as in a loop.
    """
    levels = frames.astype(np.int16)
    before = np.roll(levels, 1, axis=0)
    return np.array([np.abs(a - b).mean() for a, b in zip(levels, before, strict=True)])


def motion(frames: Frames, where: Bool[np.ndarray, " F"]) -> float:
    """Mean difference of neighbours, in levels, where both frames are among those of `where`."""
    both = where[1:] & where[:-1]
    return float(differences(frames)[1:][both].mean()) if both.any() else 0.0


def over(value: float, unit: float) -> float | None:
    """A ratio; None where there is nothing to compare with."""
    return value / unit if unit > 0 else None


def jump(frames: Frames, seam: int, seams: tuple[int, ...] = ()) -> float | None:
    """Difference across a seam over the median difference inside the clip.

    Args:
        seam: the frame after it; 0 is where a loop comes round.
        seams: all seams of the clip, which do not count as inside.
    """
    steps = differences(frames)
    inside = np.delete(steps, sorted({0, seam, *seams}))
    return over(float(steps[seam]), float(np.median(inside)))


def turn(frames: Frames, seam: int = 0) -> float | None:
    """Difference across the seam of a loop over the mean of those next to it on both sides.

    Args:
        seam: the frame after it; another than 0 to measure inside a clip that is no loop.
    """
    steps = differences(frames)
    beside = [*range(seam - BESIDE, seam), *range(seam + 1, seam + 1 + BESIDE)]
    return over(float(steps[seam]), float(np.mean(steps.take(beside, mode="wrap"))))


def frozen(frames: Frames, made: slice) -> UInt8[np.ndarray, "_made H W 3"]:
    """A baseline: the given frame next to what is to be made, again and again.

    Args:
        made: the frames that are to be made; where they start the clip, the one after counts.
    """
    still = frames[made.start - 1] if made.start else frames[made.stop]
    return np.repeat(still[None], made.stop - made.start, axis=0)


def crossfade(frames: Frames, made: slice) -> UInt8[np.ndarray, "_made H W 3"]:
    """A baseline: the frame before what is to be made turns evenly into the one after."""
    count = made.stop - made.start
    share = (np.arange(1, count + 1) / (count + 1))[:, None, None, None]
    mixed = (1 - share) * frames[made.start - 1] + share * frames[made.stop]
    return np.rint(mixed).astype(np.uint8)


def coarse_error(a: Frames, b: Frames) -> float:
    """Mean absolute difference of the cells of two clips, in levels: robust, blind to sharpness.

    A cell is a square of 1/32 of the width, or one pixel.
    """
    cell = max(a.shape[2] // GRAIN, 1)
    height, width = (side // cell * cell for side in a.shape[1:3])
    difference = a[:, :height, :width].astype(np.float32) - b[:, :height, :width]
    cells = reduce(difference, "f (h y) (w x) c -> f h w c", "mean", y=cell, x=cell)
    return float(np.abs(cells).mean())


def squared_error(a: Frames, b: Frames) -> float:
    """Mean squared difference of two clips, in squared levels."""
    return float(np.square(a.astype(np.float32) - b).mean(dtype=np.float64))
