"""A video is one value: frames and a rate. An image is a video of one frame.

Files are read and written here; `skyloom.fitting` reads what is to be brought to another size
and rate on the way. What is written goes by its suffix:
.mp4 (H.264), .webm (VP9) and .gif for videos; .png, .jpg and .webp for one frame; .safetensors
for frames without any loss, a uint8 tensor "frames" of F H W 3 with "fps" in the metadata,
which needs no PyAV. A .gif counts time in hundredths of a second. Reading also takes .mov, .mkv,
.avi and other plain containers.
"""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType

import numpy as np
from einops import rearrange, reduce
from jaxtyping import UInt8

from skyloom import media
from skyloom.decoding import open_source
from skyloom.errors import UserError
from skyloom.files import atomic_path, check_writable
from skyloom.source import upright

MAX_PIXELS = 8192 * 4320
"""Pixels of the largest frame that is read unless the caller says otherwise: 8K."""

MAX_BYTES = 4 * 2**30
"""Bytes of frames that `read` takes into memory at once."""

SHEET_WIDTH = 2048
SHEET_GREY = 40


@dataclass(frozen=True)
class Video:
    """A clip in memory.

    Attributes:
        frames: RGB bytes, row 0 at the top.
        fps: frames a second; what an image carries here has no meaning.
    """

    frames: UInt8[np.ndarray, "F H W 3"]
    fps: float

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.frames.shape[2], self.frames.shape[1]

    @property
    def duration(self) -> float:
        """Seconds that the clip plays."""
        return len(self.frames) / self.fps


def read(
    path: str | os.PathLike[str], max_frames: int | None = None, max_pixels: int = MAX_PIXELS
) -> Video:
    """Read a video, or an image as a video of one frame.

    The rate is the file's average; a film of uneven timing plays evenly. Pictures are turned
    upright as their metadata say, and what is transparent lies on white.

    Args:
        max_frames: read no more than the first so many frames.
        max_pixels: refuse frames of more pixels, before decoding any.

    Raises:
        UserError: the file is missing, is a folder, is empty, is no video or image, holds only
            sound, is damaged, or its frames are too large or too many for memory.
    """
    source = open_source(Path(path), max_pixels)
    frames: list[media.Frame] = []
    held = 0
    with closing(source.pictures):
        for picture in islice(source.pictures, max_frames):
            frame = upright(picture)
            held += frame.nbytes
            if held > MAX_BYTES:
                raise UserError(
                    f"'{path}' has more than {len(frames)} frames, {MAX_BYTES / 2**30:.0f} GiB of "
                    "memory: read fewer of them, or in chunks."
                )
            frames.append(frame)
    return Video(np.stack(frames), source.fps)


def read_chunks(
    path: str | os.PathLike[str], frames: int, max_pixels: int = MAX_PIXELS
) -> Iterator[Video]:
    """Read a video of any length in bounded memory: pieces of `frames` frames, the last shorter.

    Raises:
        UserError: as `read` does, and not for the length of the file.
    """
    source = open_source(Path(path), max_pixels)
    with closing(source.pictures):
        while piece := list(islice(source.pictures, frames)):
            yield Video(np.stack([upright(picture) for picture in piece]), source.fps)


def check_output(path: str | os.PathLike[str], frames: int | None = None) -> None:
    """Find out before the work whether a video of `frames` frames can be written to `path`.

    Raises:
        UserError: the suffix is unknown or does not suit so many frames, or the folder does not
            exist or refuses new files.
    """
    media.check_suffix(Path(path), frames)
    check_writable(path)


class VideoWriter:
    """Write a video as its frames come; it appears whole when the `with` block ends well.

        with VideoWriter("ball.mp4", size=(128, 128), fps=12.0) as writer:
            for frames in chunks:
                writer.append(frames)

    The same frames give the same bytes. H.264 takes even sizes only: the last column or row of
    an odd size is repeated once in the file.

    Args:
        path: its suffix says what is written.
        size: (width, height) of every frame.
        fps: frames a second.
        crf: constant rate factor of H.264 and VP9, 0 best to 51; 18 looks lossless.
        keyframes: the most seconds between two frames that decode by themselves, so that readers
            may begin there; None is the encoder's choice, some ten seconds.

    Raises:
        UserError: the suffix is unknown, the folder cannot be written, or the disk is full.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: tuple[int, int],
        fps: float,
        crf: int = 18,
        keyframes: float | None = None,
    ) -> None:
        if not (math.isfinite(fps) and fps > 0):
            raise UserError(f"A video cannot play {fps} frames a second: use a number above 0.")
        self._size = size
        self._file = _whole_file(Path(path), size, fps, crf, keyframes)

    def __enter__(self) -> "VideoWriter":
        self._sink = self._file.__enter__()
        return self

    def append(self, frames: UInt8[np.ndarray, "F H W 3"]) -> None:
        """Add frames; a clip may come in as many pieces as it likes."""
        if (frames.shape[2], frames.shape[1]) != self._size:
            raise ValueError(f"frames of {frames.shape} do not fit a video of {self._size}")
        for frame in frames:
            self._sink(frame)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._file.__exit__(kind, error, trace)


@contextmanager
def _whole_file(
    path: Path, size: tuple[int, int], fps: float, crf: int, keyframes: float | None
) -> Iterator[Callable[[media.Frame], None]]:
    """Yield what takes frames; the file gets its name when the block ends well."""
    check_output(path)
    count = 0
    with atomic_path(path) as temporary:
        with media.failing_as(path):
            encoder = media.encoder_for(temporary, size, fps, crf, keyframes)

        def sink(frame: media.Frame) -> None:
            nonlocal count
            count += 1
            media.check_suffix(path, count)
            with media.failing_as(path):
                encoder.append(frame)

        try:
            yield sink
            if not count:
                raise UserError(f"Cannot write '{path}': there is not one frame to put in it.")
        except BaseException:
            with suppress(Exception):  # the file goes away: only let go of it
                encoder.close()
            raise
        with media.failing_as(path):
            encoder.close()


def write(video: Video, path: str | os.PathLike[str], crf: int = 18) -> None:
    """Write a video whole, as `VideoWriter` does piece by piece.

    An image file takes a video of one frame.

    Raises:
        UserError: the suffix is unknown or does not suit the video, or the file cannot be written.
    """
    check_output(path, len(video.frames))
    with VideoWriter(path, video.size, video.fps, crf) as writer:
        writer.append(video.frames)


def contact_sheet(video: Video, columns: int = 4, pictures: int = 12, gap: int = 2) -> Video:
    """Frames of a clip side by side, in reading order: a video of one frame.

    Args:
        columns: pictures in a row.
        pictures: how many are shown, evenly spaced from the first frame to the last; all of them
            where the clip has fewer.
        gap: pixels between two pictures and around them, dark grey.

    Returns:
        one frame; pictures keep their size unless the sheet would be wider than 2048 pixels.
    """
    total, height, width, _ = video.frames.shape
    shown = min(pictures, total)
    columns = min(columns, shown)
    rows = -(-shown // columns)
    frames = video.frames[np.linspace(0, total - 1, shown).round().astype(int)]
    step = -(-width * columns // SHEET_WIDTH)  # whole pixels of the clip behind one of the sheet
    if step > 1:
        trimmed = frames[:, : height // step * step, : width // step * step].astype(np.float32)
        frames = reduce(trimmed, "f (h y) (w x) c -> f h w c", "mean", y=step, x=step).round()
    _, height, width, _ = frames.shape
    cells = np.full((rows * columns, height + gap, width + gap, 3), SHEET_GREY, dtype=np.uint8)
    cells[:shown, :height, :width] = frames
    sheet = rearrange(cells, "(r k) h w c -> (r h) (k w) c", k=columns)
    sheet = np.pad(sheet, ((gap, 0), (gap, 0), (0, 0)), constant_values=SHEET_GREY)
    return Video(sheet[None], fps=1.0)
