"""Pictures out of files, by Pillow: upright, on white, in eight bits."""

import struct
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.media import Frame
from skyloom.source import ALPHA_NOTE, Source, check_pixels, frames_source, unreadable

_IMAGE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")
_TURNS = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}  # EXIF's orientation: quarter turns, mirrored or not
# SyntaxError is Pillow's own word for a broken PNG; the others come out of broken metadata.
_PILLOW_ERRORS = (OSError, ValueError, SyntaxError, TypeError, LookupError, EOFError, struct.error)


def is_image(path: Path) -> bool:
    """Whether the file starts as one of the pictures that Pillow reads."""
    with path.open("rb") as file:
        start = file.read(12)
    return start.startswith(_IMAGE_STARTS) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def open_image(path: Path, max_pixels: int) -> Source:
    """A picture as a source of one frame.

    Raises:
        UserError: it is broken, or has more than `max_pixels` pixels.
    """
    image_module = need("PIL.Image", extra="video")
    too_large = (image_module.DecompressionBombError, image_module.DecompressionBombWarning)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken metadata beside a good picture
            warnings.simplefilter("error", image_module.DecompressionBombWarning)
            with image_module.open(path, formats=("PNG", "JPEG", "WEBP", "BMP")) as image:
                check_pixels(path, image.size, max_pixels)
                frame, notes = _image_pixels(path, image)
    except too_large as error:
        raise UserError(
            f"'{path}' has more than the {max_pixels:,} pixels that skyloom reads: "
            "scale it down first."
        ) from error
    except _PILLOW_ERRORS as error:
        raise unreadable(path, error) from error
    source = frames_source([frame], 1, (frame.shape[1], frame.shape[0]), 1.0)
    return replace(source, notes=notes)


def _image_pixels(path: Path, image: Any) -> tuple[Frame, tuple[str, ...]]:
    """The picture upright, on white, in eight bits; and what of that had to be done."""
    image_module, operations = need("PIL.Image", "video"), need("PIL.ImageOps", "video")
    notes = []
    count = getattr(image, "n_frames", 1) if image.format in ("PNG", "WEBP") else 1
    if count > 1:
        notes.append(f"only the first of its {count} pictures is used")
    try:
        image.load()
    except _PILLOW_ERRORS as error:
        raise UserError(
            f"'{path}' is damaged or cut short: get a whole copy of the picture."
        ) from error
    try:
        orientation = image.getexif().get(0x0112, 1)
        upright = operations.exif_transpose(image)
    except _PILLOW_ERRORS:  # broken metadata beside a good picture
        orientation, upright = 1, image
    if orientation in _TURNS:
        notes.append(f"turned by {-90 * _TURNS[orientation] % 360} degrees as the file says")
    if orientation in (2, 4, 5, 7):
        notes.append("mirrored as the file says")
    if upright.mode.startswith("I"):  # 16 bits of grey
        grey = np.asarray(upright, dtype=np.int64) >> 8
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1), tuple(notes)
    if upright.has_transparency_data:
        canvas = image_module.new("RGBA", upright.size, "white")
        layer = upright.convert("RGBA")
        upright = image_module.alpha_composite(canvas, layer)
        if layer.getextrema()[3][0] < 255:
            notes.append(ALPHA_NOTE)
    return np.array(upright.convert("RGB")), tuple(notes)
