"""Text that was laid over a film: subtitles, logos, credits. No reading, and no network.

Such letters are strokes of one even colour, thin beside their height, sharp against what is behind
them, and stand in lines. Each of these is measured: strokes by morphology (top hats and black
hats), their colour, their shape, and their neighbours. Signs within a scene are found as well where
they are as plain. Not found: fewer than five letters, letters below some 24 pixels of a picture of
1280, handwriting, and scripts whose letters hang together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from skyloom.extras import need
from skyloom.ingest.measures import luma

LONGEST = 1280
"""Pixels of the longer side of the picture that is looked at."""
STROKE = 9
"""Pixels that a stroke is thinner than."""
CONTRAST = 55
"""Grey levels between a stroke and what is beside it, at least."""
EVEN = 16.0
"""Deviation of the grey levels within a letter, at most."""
HEIGHTS = (6, 60)
"""Pixels that a letter is high."""
LETTERS = 5
"""In a line, at least."""
APART = 1.1
"""Heights of a letter to the next one, at most."""
VARIED = 0.15
"""Deviation of the widths of a line's letters over their mean, at least: windows are all alike."""
IN_A_ROW = 3
"""Looks, half a second apart, that text is seen in; all of them in a shorter shot."""


@dataclass(frozen=True)
class _Letter:
    left: int
    top: int
    right: int
    bottom: int
    grey: float

    @property
    def height(self) -> int:
        return self.bottom - self.top


def share(picture: UInt8[np.ndarray, "H W 3"]) -> float:
    """The share of a picture that lines of laid-over text cover, 0 to 1."""
    cv2 = need("cv2", extra="ingest")
    scale = LONGEST / max(picture.shape[:2])
    if scale < 1:
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    grey = luma(picture)
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (STROKE, STROKE))
    covered = 0.0
    for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        strokes = cv2.morphologyEx(grey, kind, kernel) >= CONTRAST
        for line in _lines(_letters(cv2, strokes, grey)):
            width = line[-1].right - line[0].left
            covered += width * (max(x.bottom for x in line) - min(x.top for x in line))
    return min(1.0, covered / grey.size)


def _letters(
    cv2: Any, strokes: Bool[np.ndarray, "H W"], grey: UInt8[np.ndarray, "H W"]
) -> list[_Letter]:
    """Parts that hang together, and may be letters by their size, shape and colour."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), None, 8)
    if count < 1 + LETTERS:
        return []
    width, height, area = stats[:, 2], stats[:, 3], stats[:, 4]
    fits = (height >= HEIGHTS[0]) & (height <= HEIGHTS[1]) & (width <= 2 * height)
    fits &= (area >= 0.12 * width * height) & (area >= 8)
    fits[0] = False  # what is no stroke
    found = []
    for label in np.flatnonzero(fits):
        left, top, wide, high = (int(value) for value in stats[label, :4])
        window = (slice(top, top + high), slice(left, left + wide))
        inside = grey[window][labels[window] == label].astype(np.float32)
        core = inside[np.abs(inside - np.median(inside)) < 40]  # without the soft rim
        if len(core) >= 0.5 * len(inside) and core.std() <= EVEN:
            found.append(_Letter(left, top, left + wide, top + high, float(np.median(inside))))
    return found


def _lines(letters: list[_Letter]) -> list[list[_Letter]]:
    """Letters that stand in lines: alike in height, foot and colour, and near to the next one."""
    lines: list[list[_Letter]] = []
    for letter in sorted(letters, key=lambda each: each.left):
        for line in lines:
            if _follows(line[-1], letter):
                line.append(letter)
                break
        else:
            lines.append([letter])
    return [line for line in lines if len(line) >= LETTERS and _is_text(line)]


def _follows(last: _Letter, letter: _Letter) -> bool:
    high = max(last.height, letter.height)
    if high > 1.9 * min(last.height, letter.height):
        return False
    foot = min(abs(last.bottom - letter.bottom), abs(last.top - letter.top))
    gap = letter.left - last.right
    return foot <= 0.18 * high + 1 and -0.3 * high <= gap <= APART * high and (
        abs(last.grey - letter.grey) <= 25
    )  # fmt: skip


def _is_text(line: list[_Letter]) -> bool:
    """Whether letters in a row are a line of text and no fence, leaves or windows: of one colour
    and about one height, and not all of one width."""
    greys = np.array([letter.grey for letter in line])
    heights = np.array([letter.bottom - letter.top for letter in line])
    widths = np.array([letter.right - letter.left for letter in line])
    varied = widths.std() >= VARIED * widths.mean()
    return bool(varied and greys.std() <= 10 and heights.std() <= 0.3 * heights.mean())


def held(shares: Sequence[float]) -> float:
    """Of the shares of a shot's looks, the largest that so many in a row have: text stays, and what
    only looks like it seldom does."""
    count = min(IN_A_ROW, len(shares))
    rows = (shares[at : at + count] for at in range(len(shares) - count + 1))
    return max((min(row) for row in rows if row), default=0.0)
