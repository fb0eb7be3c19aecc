"""Characters: the reference shots of an order as the one frame that the model is shown.

The model is shown who comes back by a single frame, that of a storyboard (skyloom/storyboard.py).
Several characters share it: each has a part of its own, all parts about as large as each other.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from skyloom.fitting import fit
from skyloom.serve.making.sizes import Size
from skyloom.serve.order import Order

Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels."""


def reference(
    order: Order, inputs: Mapping[str, Path], size: Size
) -> UInt8[np.ndarray, "1 H W 3"] | None:
    """The frame in which the model sees the characters of an order; None where it has none.

    Args:
        inputs: a local file for each role; the first frame of each reference shot is used.
        size: (width, height) of the frame.

    Raises:
        UserError: a reference shot cannot be used.
    """
    count = len(order.characters)
    if not count:
        return None
    frame = np.zeros((1, size[1], size[0], 3), np.uint8)
    for number, (left, top, right, bottom) in enumerate(parts(count, size)):
        shot = fit(inputs[f"character:{number}"], size=(right - left, bottom - top))
        frame[:, top:bottom, left:right] = shot.video.frames[:1]
    return frame


def parts(count: int, size: Size) -> list[Box]:
    """A frame cut into so many parts, row by row, in as many rows as make them most nearly square.

    Rows that cannot have as many parts as others are the last ones, and have one less.
    """
    width, height = size

    def distortion(rows: int) -> float:
        return abs(math.log(width / (count / rows) / (height / rows)))

    rows = min(range(1, count + 1), key=distortion)
    boxes: list[Box] = []
    for row, (top, bottom) in enumerate(_cuts(height, rows)):
        columns = count // rows + (row < count % rows)
        boxes += [(left, top, right, bottom) for left, right in _cuts(width, columns)]
    return boxes


def shown_note(order: Order) -> list[str]:
    """The note on who was shown to the model, if there is anybody."""
    count = len(order.characters)
    if not count:
        return []
    if count == 1:
        return ["the model was shown 1 character"]
    return [f"the model was shown {count} characters, side by side in one reference frame"]


def unseen_note(order: Order, why: str) -> list[str]:
    """The note that the characters were not shown to the model, if there are any."""
    return [f"the model was shown no characters: {why}"] if order.characters else []


def _cuts(length: int, count: int) -> list[tuple[int, int]]:
    edges = [round(length * n / count) for n in range(count + 1)]
    return list(pairwise(edges))
