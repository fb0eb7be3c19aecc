"""Whatever a person has, as an editing operation takes it: one size, one rate, one length.

A picture or clip of any size, rate, length, turn and codec becomes a `Video`, and what had to be
done to it is said in a few words each. Frames are scaled while they are decoded: a long clip of
large frames never lies whole in memory.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from statistics import median

import numpy as np

from skyloom.decoding import open_source
from skyloom.errors import UserError
from skyloom.framing import cover, crop_box, describe, native_size
from skyloom.media import Frame
from skyloom.source import Damaged, Shown, Source, frames_source
from skyloom.video import MAX_PIXELS, Video

SMALLEST_SIDE = 16
"""Pixels of the shortest side that there is anything to see in."""

MAX_FITTED = 2 * 2**30
"""Bytes of fitted frames that are held at once."""


@dataclass(frozen=True)
class Fitted:
    """An input as an operation takes it.

    Attributes:
        video: frames at the wanted size and rate; one frame of a picture.
        notes: what was done, a short sentence each; empty when nothing was.
        source: the file, where it may hold sound; None for pictures and for videos in memory.
    """

    video: Video
    notes: tuple[str, ...]
    source: Path | None


def fit(
    source: Path | str | Video,
    *,
    size: tuple[int, int] | None = None,
    multiple: int = 16,
    fps: float | None = None,
    longest: float | None = None,
    stretch: bool = False,
    what: str = "clip",
) -> Fitted:
    """Bring a picture or clip to a size and a rate.

    Scaled to cover and cut around the middle; the frame nearest in time at every moment, by the
    file's own times. What is transparent lies on white.

    Args:
        source: a file, or a video in memory, whose frames may come back as they are.
        size: (width, height) wanted; None is the size nearest to the input's own aspect whose
            sides are multiples of `multiple`, see `native_size`.
        fps: frames a second wanted; None is the input's own rate, the average of an uneven one.
        longest: seconds to keep at most, from the beginning; one frame at the least.
        stretch: take the whole picture into `size`, whatever that does to its shape.
        what: how an error calls a video in memory: "clip", "picture", "mask".

    Raises:
        UserError: the file is missing, unreadable or holds no pictures; they are smaller than 16
            pixels a side, too large to read, or too many to hold; a wanted number is not positive.
    """
    _check_wanted(size, fps, longest)
    if isinstance(source, Video):
        path, name = None, f"The {what}"
        opened = _in_memory(source, name)
    else:
        path, name = Path(source), f"'{source}'"
        opened = open_source(path, MAX_PIXELS)
    with closing(opened.pictures):
        _check_smallest(opened.size, name)
        reel = _Reel(opened.pictures)
        first = next(reel, None)
        if first is None:
            raise UserError(f"{name} has no frames in it.")
        seen = _seen(opened, first)
        wanted = size or native_size(*seen, multiple)
        notes = [*opened.notes, *_framing_notes(opened, first, wanted, stretch)]
        frames = _Frames(wanted, opened.pixel_aspect, stretch)
        rate = fps or opened.fps
        if opened.still:
            video = Video(frames.fitted(first)[None], rate)
        else:
            most = None if longest is None else max(1, int(longest * rate + 1e-6))
            _check_length(opened, wanted, rate, longest, name)
            shown = nearest_in_time(chain([first], reel), rate)
            stacked = frames.stack(islice(shown, most), rate, name)
            trimmed = most is not None and next(shown, None) is not None
            video = Video(stacked, rate)
            notes += _time_notes(opened, reel, video, fps, trimmed)
    return Fitted(video, tuple(notes), path if opened.film else None)


def seen_size(source: Path) -> tuple[int, int]:
    """(width, height) of a picture or clip as it is meant to be seen: upright, its pixels square.

    Raises:
        UserError: the file is missing, unreadable or holds no pictures.
    """
    opened = open_source(source, MAX_PIXELS)
    with closing(opened.pictures):
        first = next(opened.pictures, None)
    if first is None:
        raise UserError(f"'{source}' has no frames in it.")
    return _seen(opened, first)


def nearest_in_time(pictures: Iterable[Shown], fps: float) -> Iterator[Shown]:
    """What is shown at 0, 1 / fps, 2 / fps ... seconds: each time the picture of the nearest time.

    The last picture stays for as long as it says, or for as long as the one before it did.

    Args:
        pictures: in order of their times.
        fps: frames a second to show.
    """
    count, held, gap = 0, None, 1 / fps
    for picture in pictures:
        if held is not None:
            gap = picture.time - held.time
            middle = (held.time + picture.time) / 2
            while count <= middle * fps + 1e-6:  # half-way is still the earlier one
                yield held
                count += 1
        held = picture
    if held is not None:
        end = held.time + (held.seconds or gap)
        while count < max(1, round(end * fps)):
            yield held
            count += 1


class _Reel:
    """The pictures of a file as they come; where it breaks off, they end and the reason is kept."""

    def __init__(self, pictures: Iterator[Shown]) -> None:
        self._pictures = pictures
        self.times: list[float] = []
        self.end = 0.0
        self.damage: str | None = None

    def __iter__(self) -> "_Reel":
        return self

    def __next__(self) -> Shown:
        try:
            picture = next(self._pictures)
        except Damaged:
            self.damage = f"damaged after its first {len(self.times)} frames: only these are used"
            raise StopIteration from None
        self.times.append(picture.time)
        self.end = picture.time + picture.seconds
        return picture

    @property
    def uneven(self) -> bool:
        """Whether the frames so far came at a rate that changes, beyond a clock's coarse ticks."""
        gaps = [after - before for before, after in pairwise(self.times)]
        usual = median(gaps) if gaps else 0.0
        return any(abs(gap - usual) > usual / 4 + 0.011 for gap in gaps)


@dataclass(frozen=True)
class _Frames:
    """How every frame of one input is brought to size."""

    size: tuple[int, int]
    pixel_aspect: float
    stretch: bool

    def fitted(self, picture: Shown) -> Frame:
        """One frame upright at the size; scaled before it is turned, as it is smaller then."""
        size = self.size[::-1] if picture.turns % 2 else self.size
        small = cover(picture.pixels(), size, self.pixel_aspect, self.stretch)
        return np.ascontiguousarray(np.rot90(small, picture.turns))

    def stack(self, shown: Iterable[Shown], fps: float, name: str) -> np.ndarray:
        """All frames; one that is shown several times in a row is scaled once."""
        most = MAX_FITTED // (self.size[0] * self.size[1] * 3)
        frames: list[Frame] = []
        last: Shown | None = None
        for picture in shown:
            if len(frames) >= most:
                raise _too_long(name, self.size, fps)
            frames.append(frames[-1] if picture is last else self.fitted(picture))
            last = picture
        return np.stack(frames)


def _check_wanted(size: tuple[int, int] | None, fps: float | None, longest: float | None) -> None:
    if size is not None and min(size) < 1:
        raise UserError(f"Nothing fits into {size[0]}x{size[1]} pixels: use a size above 0.")
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise UserError(f"Nothing plays {fps} frames a second: use a number above 0.")
    if longest is not None and not (math.isfinite(longest) and longest > 0):
        raise UserError(f"Nothing is cut to {longest} seconds: use a number above 0.")


def _in_memory(video: Video, name: str) -> Source:
    if len(video.frames) == 0:
        raise UserError(f"{name} has no frames in it.")
    if not (math.isfinite(video.fps) and video.fps > 0):
        raise UserError(f"{name} cannot play {video.fps} frames a second: use a number above 0.")
    return frames_source(video.frames, len(video.frames), video.size, video.fps)


def _check_smallest(size: tuple[int, int], name: str) -> None:
    if min(size) < SMALLEST_SIDE:
        raise UserError(
            f"{name} is {size[0]}x{size[1]} pixels: "
            f"use one with at least {SMALLEST_SIDE} pixels on each side."
        )


def _check_length(
    opened: Source, size: tuple[int, int], fps: float, longest: float | None, name: str
) -> None:
    """Refuse before decoding what its header says is too long to hold."""
    seconds = min(opened.seconds or 0.0, longest or math.inf)
    if seconds * fps * size[0] * size[1] * 3 > MAX_FITTED:
        raise _too_long(name, size, fps)


def _too_long(name: str, size: tuple[int, int], fps: float) -> UserError:
    most = MAX_FITTED / (size[0] * size[1] * 3 * fps)
    return UserError(
        f"{name} is too long to take whole at {size[0]}x{size[1]} and {fps:.4g} frames a second: "
        f"trim it to {most:.3g} seconds."
    )


def _seen(opened: Source, first: Shown) -> tuple[int, int]:
    """(width, height) as it is meant to be seen: upright, its pixels square."""
    width, height = max(1, round(opened.size[0] * opened.pixel_aspect)), opened.size[1]
    return (height, width) if first.turns % 2 else (width, height)


def _framing_notes(opened: Source, first: Shown, size: tuple[int, int], stretch: bool) -> list[str]:
    notes = []
    if first.turns:
        notes.append(f"turned by {-90 * first.turns % 360} degrees as the file says")
    flat = size[::-1] if first.turns % 2 else size
    cropped = crop_box(opened.size, flat, opened.pixel_aspect) != (0.0, 0.0, *opened.size)
    framed = describe(_seen(opened, first), size, cropped, stretch and cropped)
    return [*notes, framed] if framed else notes


def _time_notes(
    opened: Source, reel: _Reel, video: Video, fps: float | None, trimmed: bool
) -> list[str]:
    notes = []
    own, new = f"{opened.fps:.4g}", f"{video.fps:.4g}"
    if fps is not None and (own != new or reel.uneven):
        uneven = "an uneven " if reel.uneven else ""
        notes.append(f"resampled from {uneven}{own} to {new} frames a second")
    elif reel.uneven:
        notes.append(f"its uneven rate became {new} frames a second")
    if trimmed:
        whole = opened.seconds or 0.0
        places = 1 if round(whole, 1) > round(video.duration, 1) else 2
        if round(whole, 2) > round(video.duration, 2):
            notes.append(f"trimmed to {video.duration:.{places}f} of {whole:.{places}f} seconds")
        else:
            notes.append(f"trimmed to its first {video.duration:.1f} seconds")
    elif reel.damage:
        notes.append(reel.damage)
    elif opened.seconds and opened.seconds - reel.end > max(0.5, opened.seconds / 20):
        notes.append(
            f"ends early: it holds {reel.end:.1f} of the {opened.seconds:.1f} seconds it declares"
        )
    return notes
