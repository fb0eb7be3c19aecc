"""Where kept frames meet made ones: what stands still on both sides goes on without a step.

A made frame differs from the kept one beside it by what moved, and by what the network does not
know to the pixel: the texture of a wall, the grain of sand, whatever compression cost. The second
is what the eye sees as a jump. Where neither side moves, the difference is all of that kind: it
is added to the made frames and fades out over `FADE` of them. What moves is left alone.
"""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Bool, Float32, UInt8

FADE = 12
"""Made frames over which the difference fades out, a second at the usual rate."""
STILL = 8.0
"""Mean difference of neighbouring frames, in levels, at which a place counts as moving."""
SAME = 48.0
"""Mean difference across the seam, in levels, at which a place shows another thing: a subject that
went missing is not to fade away as a ghost."""
AROUND = 7
"""Pixels of the square over which motion is averaged: grain is no motion, an outline is."""

Frames = UInt8[np.ndarray, "F H W 3"]


def settled(frames: Frames, kept: Bool[np.ndarray, " F"]) -> UInt8[np.ndarray, "F H W 3"]:
    """The frames, those beside kept ones brought to where they meet.

    Args:
        kept: which frames stay as they are, byte for byte.
    """
    if kept.all() or not kept.any():
        return frames
    levels = frames.astype(np.float32)
    result = levels.copy()
    for edge, behind, made in _seams(kept):
        beside = [(edge, behind)] if behind is not None else []
        beside += [(made[0], made[1])] if len(made) > 1 else []
        if not beside:
            continue  # nobody knows what moves
        motion = np.max([_motion(levels[one], levels[other]) for one, other in beside], axis=0)
        other = _motion(levels[edge], levels[made[0]])
        still = np.exp(-np.square(motion / STILL) - np.square(other / SAME))[..., None]
        step = levels[edge] - levels[made[0]]
        for distance, place in enumerate(made, 1):
            result[place] += step * still * (1 - distance / (len(made) + 1))
    return np.clip(np.rint(result), 0, 255).astype(np.uint8)


def _seams(kept: Bool[np.ndarray, " F"]) -> Iterator[tuple[int, int | None, list[int]]]:
    """For each seam the kept frame at it, the kept one behind that, and the made ones before it."""
    for edge in np.flatnonzero(kept):
        for step in (-1, 1):
            made: list[int] = []
            place = edge + step
            while 0 <= place < len(kept) and not kept[place] and len(made) < FADE:
                made.append(int(place))
                place += step
            if made:
                behind = int(edge) - step
                known = 0 <= behind < len(kept) and bool(kept[behind])
                yield int(edge), behind if known else None, made


def _motion(
    one: Float32[np.ndarray, "H W 3"], other: Float32[np.ndarray, "H W 3"]
) -> Float32[np.ndarray, "H W"]:
    """Difference of two neighbouring frames, averaged around each pixel, in levels."""
    apart = torch.from_numpy(reduce(np.abs(one - other), "h w c -> h w", "mean"))
    around = F.avg_pool2d(
        rearrange(apart, "h w -> 1 1 h w"),
        AROUND,
        stride=1,
        padding=AROUND // 2,
        count_include_pad=False,
    )
    return rearrange(around, "1 1 h w -> h w").numpy()
