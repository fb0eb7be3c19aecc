"""Contact sheets of clips that were never whole in memory, and several of them side by side."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from skyloom.video import SHEET_GREY, Video

PICTURES = 12
"""Frames on a contact sheet."""


class Picked:
    """Keeps the frames that a contact sheet shows of a clip that comes in pieces.

    Args:
        total: frames of the whole clip.
        fps: its frame rate.
    """

    def __init__(self, total: int, fps: float) -> None:
        self.seen = 0
        self._fps = fps
        spread = np.linspace(0, total - 1, min(PICTURES, total)).round().astype(int)
        self._wanted = set(spread.tolist())
        self._kept: list[UInt8[np.ndarray, "H W 3"]] = []

    def append(self, frames: UInt8[np.ndarray, "F H W 3"]) -> None:
        """Look at the next frames."""
        for frame in frames:
            if self.seen in self._wanted:
                self._kept.append(frame.copy())
            self.seen += 1

    @property
    def video(self) -> Video:
        """The frames that were kept, as a clip."""
        return Video(np.stack(self._kept), self._fps)


def side_by_side(sheets: Sequence[Video], gap: int = 12) -> Video:
    """Pictures next to each other, from left to right, the lower ones with grey below them."""
    tallest = max(sheet.size[1] for sheet in sheets)
    columns = []
    for number, sheet in enumerate(sheets):
        missing = ((0, tallest - sheet.size[1]), (gap if number else 0, 0), (0, 0))
        columns.append(np.pad(sheet.frames[0], missing, constant_values=SHEET_GREY))
    return Video(np.concatenate(columns, axis=1)[None], 1.0)
