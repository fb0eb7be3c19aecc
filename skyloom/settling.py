"""Where kept frames meet made ones: what stands still on both sides goes on without a step.

A made frame differs from the kept one beside it by what moved, and by what the network does not
know to the pixel: the texture of a wall, the grain of sand, whatever compression cost. The second
is what the eye sees as a jump. Where neither side moves, the difference is all of that kind: it
is added to the made frames and fades out over `FADE` of them. Of what moves the light is, its means
over squares: outlines are left alone.
"""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
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
COARSE = 9
"""Pixels of the square whose mean is a pulse: more than an outline, less than a latent."""
SMALL, LARGE = 12.0, 32.0
"""Levels: a pulse is taken away whole up to one, less and less up to the other."""

Frames = UInt8[np.ndarray, "F H W 3"]
Levels = Float32[np.ndarray, "H W 3"]
"""A frame in levels of 0 ... 255."""


def settled(
    frames: Frames, kept: Bool[np.ndarray, " F"], loop: bool = False
) -> UInt8[np.ndarray, "F H W 3"]:
    """The frames, those beside kept ones brought to where they meet.

    Args:
        kept: which frames stay as they are, byte for byte.
        loop: the last frame is followed by the first.
    """
    if kept.all() or not kept.any():
        return frames
    levels = frames.astype(np.float32)
    result = levels.copy()
    for edge, behind, made in _seams(kept, loop):
        before = levels[behind] if behind is not None else None
        after = levels[made[1]] if len(made) > 1 else None
        still = stillness(before, levels[edge], levels[made[0]], after)
        step = still * (levels[edge] - levels[made[0]])
        step -= (1 - still) * pulse(before, levels[edge], levels[made[0]], after)
        for distance, place in enumerate(made, 1):
            result[place] += step * (1 - distance / (len(made) + 1))
    return np.clip(np.rint(result), 0, 255).astype(np.uint8)


def stillness(
    before: Levels | None, one: Levels, other: Levels, after: Levels | None
) -> Float32[np.ndarray, "H W 1"]:
    """Where a place shows the same thing on both sides of a seam and moves on neither, 0 ... 1.

    Args:
        before, one, other, after: four frames around the seam, which lies in their middle, as far
            as there are four. Where neither outer one is there, nobody knows what moves: 0.
    """
    motions = [_motion(one, before)] if before is not None else []
    motions += [_motion(other, after)] if after is not None else []
    if not motions:
        return np.zeros((*one.shape[:2], 1), np.float32)
    motion, apart = np.max(motions, axis=0), _motion(one, other)
    return np.exp(-np.square(motion / STILL) - np.square(apart / SAME))[..., None]


def pulse(
    before: Levels | None, one: Levels, other: Levels, after: Levels | None
) -> Float32[np.ndarray, "H W 3"]:
    """The part of the step from `one` to `other` that is no motion, as far as means can tell.

    What changes from frame to frame on both sides would have gone on; what is left of the step is
    averaged over squares larger than an outline, so that nothing comes back as a ghost.

    Args:
        before, one, other, after: as for `stillness`. Where neither outer one is there, 0.
    """
    changes = [one - before] if before is not None else []
    changes += [after - other] if after is not None else []
    if not changes:
        return np.zeros_like(one)
    step = _mean(other - one - np.mean(changes, axis=0), COARSE)
    size = np.abs(step).max(axis=-1, keepdims=True)
    return step * np.clip((LARGE - size) / (LARGE - SMALL), 0, 1)


def _seams(kept: Bool[np.ndarray, " F"], loop: bool) -> Iterator[tuple[int, int | None, list[int]]]:
    """For each seam the kept frame at it, the kept one behind that, and the made ones before it."""
    count = len(kept)

    def beside(place: int, step: int) -> int | None:
        """The frame `step` further, None beyond the ends."""
        further = place + step
        return further % count if loop or 0 <= further < count else None

    for edge in map(int, np.flatnonzero(kept)):
        for step in (-1, 1):
            made: list[int] = []
            place = beside(edge, step)
            while place is not None and not kept[place] and len(made) < FADE:
                made.append(place)
                place = beside(place, step)
            if made:
                behind = beside(edge, -step)
                yield edge, behind if behind is not None and kept[behind] else None, made


def _motion(one: Levels, other: Levels) -> Float32[np.ndarray, "H W"]:
    """Difference of two neighbouring frames, averaged around each pixel, in levels."""
    return _mean(np.abs(one - other).mean(axis=-1, keepdims=True), AROUND)[..., 0]


def _mean(values: Float32[np.ndarray, "H W C"], side: int) -> Float32[np.ndarray, "H W C"]:
    """The mean of the square around each pixel, of what of it is in the picture."""
    planes = torch.from_numpy(rearrange(values, "h w c -> c 1 h w"))
    means = F.avg_pool2d(planes, side, stride=1, padding=side // 2, count_include_pad=False)
    return rearrange(means, "c 1 h w -> h w c").numpy()
