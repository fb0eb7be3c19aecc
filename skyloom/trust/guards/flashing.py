"""Flashes that can cause seizures: the general flash and red flash thresholds of WCAG 2.

A flash is a pair of opposing changes of relative luminance by 10% of its maximum or more, where the
darker image is below 0.80; a red flash is a pair of opposing changes to or from a saturated red. A
clip fails where more than three flashes fall into one second and they cover a quarter or more of
the picture at once (of any ten degrees of the view; a clip is taken to fill them). See W3C, WCAG
2.2, success criterion 2.3.1, and ITU-R BT.1702, which asks for the same.
"""

from dataclasses import dataclass

import numpy as np
from einops import rearrange, reduce
from jaxtyping import Float32, UInt8

GRID = 32
"""Cells a side in which luminance is averaged, so that fine patterns and grain do not count."""
CHANGE, DARK = 0.10, 0.80
RED_CHANGE, RED_SHARE = 20.0, 0.8
AREA = 0.25
MOST = 3
"""Flashes a second."""


@dataclass(frozen=True)
class Flashes:
    """What a clip has.

    Attributes:
        general, red: the most flashes within a second that cover the area.
    """

    general: int
    red: int

    @property
    def safe(self) -> bool:
        """Whether both are within the thresholds."""
        return max(self.general, self.red) <= MOST


def flashes(frames: UInt8[np.ndarray, "F H W 3"], fps: float) -> Flashes:
    """Count the flashes of a clip."""
    if len(frames) < 3:
        return Flashes(0, 0)
    cells = np.stack([_cells(frame) for frame in frames])
    light = cells @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    general = _most(light, np.full_like(light, True, dtype=bool), CHANGE, fps, DARK)
    total = cells.sum(axis=-1)
    saturated = cells[..., 0] >= RED_SHARE * np.maximum(total, 1e-6)
    redness = np.maximum(cells[..., 0] - cells[..., 1] - cells[..., 2], 0) * 320
    return Flashes(general, _most(redness, saturated, RED_CHANGE, fps))


def _cells(frame: UInt8[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "cells 3"]:
    """Linear light of a frame, averaged over at most 32x32 cells."""
    height, width, _ = frame.shape
    down, across = max(height // GRID, 1), max(width // GRID, 1)
    cut = frame[: height // down * down, : width // across * across]
    linear = _LINEAR[cut]
    mean = reduce(linear, "(h down) (w across) c -> h w c", "mean", down=down, across=across)
    return rearrange(mean, "h w c -> (h w) c").astype(np.float32)


def _most(
    signal: Float32[np.ndarray, "F cells"],
    counts: np.ndarray,
    change: float,
    fps: float,
    dark: float = np.inf,
) -> int:
    """The most pairs of opposing changes within a second that enough cells make together."""
    moves = _moves(signal, counts, change, dark)
    rises, falls = (moves == 1).mean(axis=1), (moves == -1).mean(axis=1)
    together = [
        (at, 1 if rises[at] >= falls[at] else -1)
        for at in range(len(signal))
        if max(rises[at], falls[at]) >= AREA
    ]
    turns: list[tuple[int, int]] = []
    for at, way in together:
        if not turns or turns[-1][1] != way:
            turns.append((at, way))
    window = max(round(fps), 1)
    times = np.array([at for at, _ in turns])
    return max((int(((times >= t) & (times < t + window)).sum()) // 2 for t in times), default=0)


def _moves(
    signal: Float32[np.ndarray, "F cells"], counts: np.ndarray, change: float, dark: float
) -> np.ndarray:
    """1 where a cell has risen by `change` since its last turn, -1 where it has fallen, else 0."""
    moves = np.zeros(signal.shape, np.int8)
    low, high = signal[0].copy(), signal[0].copy()
    red_low, red_high = counts[0].copy(), counts[0].copy()
    way = np.zeros(signal.shape[1], np.int8)
    for at in range(1, len(signal)):
        now, red = signal[at], counts[at]
        rise = (now - low >= change) & (low < dark) & (way != 1) & (red | red_low)
        fall = (high - now >= change) & (now < dark) & (way != -1) & (red | red_high)
        moves[at][rise], moves[at][fall] = 1, -1
        way = np.where(rise, 1, np.where(fall, -1, way)).astype(np.int8)
        lower, higher = (now < low) | fall, (now > high) | rise
        red_low, red_high = np.where(lower, red, red_low), np.where(higher, red, red_high)
        low = np.where(rise, now, np.where(lower, now, low))
        high = np.where(fall, now, np.where(higher, now, high))
        # While a cell goes on rising only its peak counts for the fall to come, and the reverse.
        low = np.where(way == 1, np.where(rise, now, np.minimum(low, now)), low)
    return moves


def _linear() -> Float32[np.ndarray, "256"]:
    level = np.arange(256) / 255
    curve = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return curve.astype(np.float32)


_LINEAR = _linear()
