"""A file with its header read, and its pictures as they come: what every reader of files gives.

Readers are `skyloom.stills` and `skyloom.decoding`; nothing here opens a file as a video.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.media import Frame

READABLE = "mp4, mov, webm, mkv, avi, gif, png, jpg, webp and safetensors are"
ALPHA_NOTE = "what is transparent lies on white"
# How files begin whose kind is read: Matroska, GIF, PNG, JPEG; MP4 after four bytes of its own.
_STARTS = (b"\x1a\x45\xdf\xa3", b"GIF8", b"\x89PNG", b"\xff\xd8\xff")
_RIFFS = (b"AVI ", b"WEBP")


class Damaged(UserError):
    """The file ends or breaks after frames that were good."""


class Shown(NamedTuple):
    """A picture of a clip and when it is seen.

    Attributes:
        time: seconds since the first picture; never falls from one to the next.
        seconds: how long it is seen, 0 where the file does not say.
        turns: quarter turns counterclockwise that bring it upright.
        pixels: its RGB as it is stored, made when asked for; or, given a (width, height), shrunk
            to that on the way, which costs less than the whole picture does.
        broken: the decoder says that parts of it are made up, for its data is damaged.
    """

    time: float
    seconds: float
    turns: int
    pixels: Callable[..., Frame]
    broken: bool = False


def upright(picture: Shown, size: tuple[int, int] | None = None) -> Frame:
    """The pixels of a picture, turned as it is meant to be seen.

    Args:
        size: (width, height) to scale to while colours are converted, after the turn; None keeps
            the size that the file has.
    """
    stored = size[::-1] if size is not None and picture.turns % 2 else size
    pixels = picture.pixels() if stored is None else picture.pixels(stored)
    return np.ascontiguousarray(np.rot90(pixels, picture.turns))


@dataclass(frozen=True)
class Source:
    """A file with its header read.

    Attributes:
        fps: frames a second, on average.
        size: (width, height) as stored, before any turn.
        pictures: the frames, decoded as they are asked for; close it when some are left.
        still: it is a picture and no clip, so that times mean nothing.
        pixel_aspect: width of a pixel as it is meant to be seen, over its height.
        seconds: length that the header declares, None where it does not.
        notes: what reading changes, a few words each.
        film: it is a container that may hold sound too.
    """

    fps: float
    size: tuple[int, int]
    pictures: Generator[Shown, None, None]
    still: bool = False
    pixel_aspect: float = 1.0
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    film: bool = False


def frames_source(frames: Iterable[Frame], count: int, size: tuple[int, int], fps: float) -> Source:
    """A `Source` of `count` frames of (width, height) `size` that come evenly, `fps` a second."""

    def pictures() -> Generator[Shown, None, None]:
        for index, frame in enumerate(frames):
            yield Shown(index / fps, 1 / fps, 0, partial(_resized, frame))

    return Source(fps, size, pictures(), still=count == 1, seconds=count / fps)


def _resized(frame: Frame, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
    if size is None:
        return np.asarray(frame)
    image_module = need("PIL.Image", extra="video")
    picture = image_module.fromarray(np.asarray(frame))
    return np.asarray(picture.resize(size, image_module.Resampling.BOX))


def unreadable(path: Path, error: Exception) -> UserError:
    """Why a file that its reader refuses cannot be read, for a person."""
    if isinstance(error, PermissionError):
        return UserError(f"'{path}' cannot be read: {error.strerror}.")
    if _begins_well(path):
        return UserError(
            f"'{path}' is cut short or damaged, or not a video skyloom can read: {READABLE}."
        )
    return UserError(f"'{path}' is not a video skyloom can read: {READABLE}.")


def _begins_well(path: Path) -> bool:
    """Whether a file's first bytes are those of a kind that is read, whatever follows."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    riff = start[:4] == b"RIFF" and start[8:] in _RIFFS
    return riff or start.startswith(_STARTS) or start[4:8] == b"ftyp"


def check_pixels(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse frames of more pixels than are read.

    Raises:
        UserError: (width, height) `size` is too large.
    """
    width, height = size
    if width * height > max_pixels:
        raise UserError(
            f"'{path}' has frames of {width}x{height}, more than the {max_pixels:,} pixels "
            "that skyloom reads: scale it down first."
        )


def on_white(frame: UInt8[np.ndarray, "H W 4"]) -> Frame:
    """The picture as it looks in front of white, rounded to the nearest."""
    colour, alpha = frame[..., :3].astype(np.uint16), frame[..., 3:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
