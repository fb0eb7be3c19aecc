"""The motion brush: a disc of a picture that follows a path, drawn roughly, to be made well.

The frames are a sketch: the disc is cut out with a soft edge and pasted along the path, and the
hole is filled from its sides. The model, which is shown them loosely, makes a motion of it.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from os import PathLike

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from skyloom.config import load_toml
from skyloom.errors import UserError

DISC_STRENGTH = 0.6
"""How firmly the model is held to the disc: it has to be there, and may turn and take shadow."""
BACKGROUND_STRENGTH = 0.25
"""How firmly elsewhere: the place and its light stay, the filled hole is made anew."""
EDGE = 0.25
"""Width of the disc's soft edge as a share of its radius."""
SIDES = 3
"""Pixels on each side of the hole whose mean it is filled from."""


@dataclass(frozen=True)
class MotionPath:
    """Where a disc of a picture goes.

    Attributes:
        points: (t, x, y): seconds, and fractions of the width and the height, y downwards; at the
            first one lies what moves, between them it moves straight, after the last it stays.
        radius: of the disc, as a fraction of the picture's shorter side.

    Raises:
        UserError: there are fewer than two points, a number is out of range, or time goes back.
    """

    points: tuple[tuple[float, float, float], ...]
    radius: float

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise UserError(f"A path of {len(self.points)} points goes nowhere: give 2 or more.")
        for number, (t, x, y) in enumerate(self.points, 1):
            if not 0 <= t < math.inf:
                raise UserError(f"Point {number} is at {t:g} seconds: use 0 or more.")
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise UserError(
                    f"Point {number} is at x {x:g}, y {y:g}: use fractions of the picture, 0 to 1."
                )
        for number, (before, after) in enumerate(pairwise(self.points), 2):
            if after[0] <= before[0]:
                raise UserError(
                    f"Point {number} is at {after[0]:g} seconds and the one before it at "
                    f"{before[0]:g}: put them in the order of time."
                )
        if not 0 < self.radius <= 0.5:
            raise UserError(
                f"A radius of {self.radius:g} cannot be: use a fraction of the picture, above 0 "
                "and up to 0.5."
            )

    def at(self, seconds: float) -> tuple[float, float]:
        """(x, y) at a time."""
        times, across, down = zip(*self.points, strict=True)
        return float(np.interp(seconds, times, across)), float(np.interp(seconds, times, down))


def read_path(file: str | PathLike[str]) -> MotionPath:
    """Read a path from JSON: {"points": [[t, x, y], ...], "radius": r}.

    Raises:
        UserError: the file is missing or broken, a key is unknown or missing, or as `MotionPath`
            says.
    """
    try:
        return load_toml(MotionPath, file)
    except UserError as error:
        if str(file) in str(error):
            raise
        raise UserError(f"The path in '{file}' does not work: {error}") from None


def drawn(
    picture: UInt8[np.ndarray, "H W 3"], path: MotionPath, frames: int, fps: float
) -> tuple[UInt8[np.ndarray, "F H W 3"], Bool[np.ndarray, "F H W"]]:
    """The picture with the disc on its way, and where the disc is in each frame.

    Frame 0 is the picture itself.
    """
    height, width, _ = picture.shape
    radius = path.radius * min(width, height)
    x0, y0 = path.points[0][1:]
    home = (x0 * (width - 1), y0 * (height - 1))
    # The hole is a little larger than the disc, whose edge would else leave a ring behind.
    hole = _disc((height, width), home, radius * (1 + EDGE), radius)
    floor = picture + hole[..., None] * (_filled(picture, hole > 0) - picture)
    shown = np.empty((frames, height, width, 3), np.uint8)
    inside = np.empty((frames, height, width), bool)
    for frame in range(frames):
        x, y = path.at(frame / fps)
        centre = (x * (width - 1), y * (height - 1))
        disc = _disc((height, width), centre, radius, radius)
        moved = _moved(picture, centre[0] - home[0], centre[1] - home[1])
        shown[frame] = np.rint(floor + disc[..., None] * (moved - floor)).clip(0, 255)
        inside[frame] = disc > 0
    shown[0] = picture
    return shown, inside


def _disc(
    size: tuple[int, int], centre: tuple[float, float], reach: float, radius: float
) -> Float32[np.ndarray, "H W"]:
    """1 inside of a disc that ends at `reach` pixels, falling to 0 over its soft edge."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    distance = np.hypot(columns - centre[0], rows - centre[1])
    edge = max(1.0, EDGE * radius)
    return ((reach - distance) / edge + 0.5).clip(0, 1).astype(np.float32)


def _moved(
    picture: UInt8[np.ndarray, "H W 3"], right: float, down: float
) -> Float32[np.ndarray, "H W 3"]:
    """The picture shifted by parts of pixels, its border repeated."""
    moved = picture.astype(np.float32)
    for axis, shift in ((0, down), (1, right)):
        whole, part = divmod(shift, 1.0)
        places = np.arange(picture.shape[axis]) - int(whole)
        near, far = (places.clip(0, len(places) - 1), (places - 1).clip(0, len(places) - 1))
        moved = (1 - part) * moved.take(near, axis) + part * moved.take(far, axis)
    return moved.astype(np.float32)


def _filled(
    picture: UInt8[np.ndarray, "H W 3"], hole: Bool[np.ndarray, "H W"]
) -> Float32[np.ndarray, "H W 3"]:
    """Each row of the hole from left to right between what lies beside it.

    Rows and not rings, because skies, horizons and floors lie level.
    """
    filled = picture.astype(np.float32)
    width = picture.shape[1]
    for row in np.flatnonzero(hole.any(axis=1)):
        inside = np.flatnonzero(hole[row])
        first, last = int(inside[0]), int(inside[-1])
        left = filled[row, max(0, first - SIDES) : first]
        right = filled[row, last + 1 : last + 1 + SIDES]
        ends = [side.mean(axis=0) for side in (left, right) if len(side)]
        if not ends:
            ends = [filled[row].mean(axis=0)]  # the hole is as wide as the picture
        share = np.linspace(0, 1, last - first + 1)[:, None]
        filled[row, first : min(last + 1, width)] = ends[0] + share * (ends[-1] - ends[0])
    return filled
