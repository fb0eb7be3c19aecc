"""Pictures of one size into another: scaled to cover, cut around the middle, never stretched.

Down-scaling averages over everything that a new pixel covers, so that fine detail turns grey and
does not shimmer.
"""

import math
from itertools import product

import numpy as np
from jaxtyping import UInt8

from skyloom.extras import need

NATIVE_AREA = 128 * 128
"""Pixels of a frame at the size that the bundled model has learned from."""


def native_size(
    width: float, height: float, multiple: int = 16, area: int = NATIVE_AREA
) -> tuple[int, int]:
    """The size nearest to an aspect that a model makes without being asked for another.

    Args:
        width, height: the aspect; only their ratio counts.
        multiple: both sides of the size are multiples of it.
        area: pixels that the size has, about.

    Returns:
        (width, height), each at least `multiple` and at most four times the side of a square of
        that area: a picture that is longer loses its ends.
    """
    aspect = width / height
    most = max(1, int(4 * math.sqrt(area)) // multiple)

    def beside(side: float) -> set[int]:
        steps = side / multiple
        around = (math.floor(steps), math.ceil(steps))
        return {min(max(1, step), most) * multiple for step in around}

    def distance(size: tuple[int, int]) -> float:
        shape = abs(math.log(size[0] / size[1] / aspect))
        return shape + 0.5 * abs(math.log(size[0] * size[1] / area))

    across, down = math.sqrt(area * aspect), math.sqrt(area / aspect)
    return min(sorted(product(beside(across), beside(down))), key=distance)


def crop_box(
    stored: tuple[int, int], size: tuple[int, int], pixel_aspect: float = 1.0
) -> tuple[float, float, float, float]:
    """The largest middle part of a picture that has the aspect of `size`.

    What would come to less than half a pixel of the new size is not worth a cut: it stays.

    Args:
        stored: (width, height) of the picture.
        pixel_aspect: width of one of its pixels over its height.

    Returns:
        (left, top, right, bottom) in pixels of the picture.
    """
    width, height = stored
    aspect = size[0] / size[1] / pixel_aspect
    kept_width, kept_height = min(width, height * aspect), min(height, width / aspect)
    if (width - kept_width) / kept_width * size[0] < 0.5:
        kept_width = width
    if (height - kept_height) / kept_height * size[1] < 0.5:
        kept_height = height
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    return left, top, left + kept_width, top + kept_height


def cover(
    frame: UInt8[np.ndarray, "H W 3"],
    size: tuple[int, int],
    pixel_aspect: float = 1.0,
    stretch: bool = False,
) -> UInt8[np.ndarray, "h w 3"]:
    """Scale a picture until it covers (width, height) `size` and cut what sticks out.

    Args:
        pixel_aspect: width of one of its pixels over its height, as it is meant to be seen.
        stretch: take all of the picture, whatever that does to its shape.

    Returns:
        the frame itself where it has that size already.
    """
    height, width, _ = frame.shape
    whole = (0.0, 0.0, float(width), float(height))
    box = whole if stretch else crop_box((width, height), size, pixel_aspect)
    if box == whole and size == (width, height):
        return frame
    image_module = need("PIL.Image", extra="video")
    image = image_module.fromarray(np.ascontiguousarray(frame))
    # Far down, whole pixels are averaged first: ten times faster, and no eye sees it.
    scaled = image.resize(size, image_module.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return np.array(scaled)


def describe(
    seen: tuple[int, int], size: tuple[int, int], cropped: bool, stretch: bool
) -> str | None:
    """Say what became of a picture of (width, height) `seen`; None when nothing did."""
    before, after = f"{seen[0]}x{seen[1]}", f"{size[0]}x{size[1]}"
    if seen == size:
        return None
    if stretch:
        return f"stretched from {before} to {after}"
    if not cropped:
        return f"scaled from {before} to {after}"
    if seen[0] == size[0] or seen[1] == size[1]:  # one side fits as it is: nothing was scaled
        return f"cropped from {before} to {after}"
    return f"scaled from {before} and cropped to {after}"
