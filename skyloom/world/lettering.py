"""Words as bitmaps, in block letters that stay readable when small."""

import numpy as np
from jaxtyping import Float32

_GLYPHS = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 10001 11110 10001 10001 11110",
    "C": "01111 10000 10000 10000 10000 10000 01111",
    "D": "11110 10001 10001 10001 10001 10001 11110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "F": "11111 10000 10000 11110 10000 10000 10000",
    "G": "01111 10000 10000 10011 10001 10001 01111",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "J": "00111 00010 00010 00010 00010 10010 01100",
    "K": "10001 10010 10100 11000 10100 10010 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 10101 10101 10011 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "Q": "01110 10001 10001 10001 10101 10010 01101",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "U": "10001 10001 10001 10001 10001 10001 01110",
    "V": "10001 10001 10001 10001 10001 01010 00100",
    "W": "10001 10001 10001 10101 10101 11011 10001",
    "X": "10001 10001 01010 00100 01010 10001 10001",
    "Y": "10001 10001 01010 00100 00100 00100 00100",
    "Z": "11111 00001 00010 00100 01000 10000 11111",
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "11110 00001 00001 01110 00001 00001 11110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "01110 10000 11110 10001 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00001 01110",
    "!": "00100 00100 00100 00100 00100 00000 00100",
    "?": "01110 10001 00001 00110 00100 00000 00100",
    "-": "00000 00000 00000 11111 00000 00000 00000",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}
_CELL = 8
"""Texels a dot of the 5 x 7 letters."""
_MARGIN = 0.09


def word_bitmap(text: str, aspect: float) -> Float32[np.ndarray, "h w"]:
    """The word in the middle of a face of `aspect` (width / height): 0 is the face, 1 is paint.

    Letters fill the face but for a margin, stretched by at most 1.7 upwards to be read better.
    A character that has no glyph is shown as a question mark.
    """
    rows = [_GLYPHS.get(letter, _GLYPHS["?"]).split() for letter in text.upper()]
    dots = np.zeros((7, max(6 * len(rows) - 1, 1)), np.float32)
    for number, glyph in enumerate(rows):
        for y, line in enumerate(glyph):
            dots[y, 6 * number : 6 * number + 5] = [float(dot) for dot in line]
    word = dots.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
    height, width = word.shape
    room = 1 - 2 * _MARGIN
    stretch = min(max(width / height / aspect, 1.0), 1.7)  # how much taller a dot is than wide
    word = word[(np.arange(int(height * stretch)) / stretch).astype(int)]
    height = word.shape[0]
    canvas_width = int(np.ceil(max(width / room, height * aspect / room)))
    canvas_height = max(int(np.ceil(canvas_width / aspect)), height)
    canvas = np.zeros((canvas_height, canvas_width), np.float32)
    top, left = (canvas_height - height) // 2, (canvas_width - width) // 2
    canvas[top : top + height, left : left + width] = word
    return canvas
