"""Encoders behind `skyloom.video`: frames into files, nothing that knows a `Video`.

What is written is the same bytes for the same frames: thread counts are fixed, and no clock,
random id or host goes into a file. The way back is `skyloom.decoding`.
"""

import json
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from skyloom.errors import UserError
from skyloom.extras import need

Frame = UInt8[np.ndarray, "H W 3"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MOVIE_SUFFIXES = (".mp4", ".webm", ".gif")
RAW_SUFFIX = ".safetensors"
# One number for every machine: a different count of threads gives different bytes.
_THREADS = 4
# Otherwise x264's assembler rounds by how memory is aligned: other bytes from call to call.
_X264 = "cpu-independent=1"


def conversion(av: Any) -> Any:
    """How RGB becomes YUV and returns: bicubic chroma, rounded alike on every machine.

    At saturated edges this is 1 to 2 dB closer to the frames than FFmpeg's own choice.
    """
    flags = av.video.reformatter.Interpolation
    chroma = flags.FULL_CHR_H_INT | flags.FULL_CHR_H_INP
    return flags.BICUBIC | chroma | flags.ACCURATE_RND | flags.BITEXACT


def shrinking(av: Any) -> Any:
    """How a picture becomes a smaller RGB one in a single pass: the mean of what each pixel covers,
    rounded alike on every machine. Half the price of `conversion` and no aliasing.
    """
    flags = av.video.reformatter.Interpolation
    return flags.AREA | flags.ACCURATE_RND | flags.BITEXACT


@runtime_checkable
class Encoder(Protocol):
    """What turns frames into one file, frame by frame."""

    def append(self, frame: Frame) -> None:
        """Add one frame."""

    def close(self) -> None:
        """Write what is still held back, and end the file."""


@contextmanager
def failing_as(path: Path) -> Iterator[None]:
    """Say of a full disk or a lost folder that `path` cannot be written.

    FFmpeg has error classes of its own for what the system says; both carry `strerror`.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.startswith("av."):
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(f"Cannot write '{path}': {reason}.") from error
        raise


def check_suffix(path: Path, frames: int | None = None) -> None:
    """Say whether a file of this suffix can be written, and hold that many frames if it is known.

    Raises:
        UserError: no encoder goes by this suffix, or it is an image's and there are more frames.
    """
    suffix = path.suffix.lower()
    if suffix not in (*MOVIE_SUFFIXES, *IMAGE_SUFFIXES, RAW_SUFFIX):
        raise UserError(
            f"Cannot write '{path}': use .mp4, .webm, .gif or .safetensors for a video, "
            ".png, .jpg or .webp for an image."
        )
    if suffix in IMAGE_SUFFIXES and frames is not None and frames > 1:
        raise UserError(
            f"Cannot write '{path}': {suffix} holds one picture and the video has {frames} "
            "frames, use .mp4, .webm, .gif or .safetensors."
        )


def encoder_for(
    path: Path, size: tuple[int, int], fps: float, crf: int, keyframes: float | None = None
) -> Encoder:
    """The encoder that the suffix asks for (see `check_suffix`); it opens `path` at once.

    `keyframes` is the most seconds of a movie between two frames that decode by themselves.
    """
    suffix = path.suffix.lower()
    if suffix == RAW_SUFFIX:
        return RawEncoder(path, size, fps)
    if suffix in IMAGE_SUFFIXES:
        return ImageEncoder(path)
    return MovieEncoder(path, size, fps, crf, keyframes)


def container_options(path: Path) -> dict[str, str]:
    """What FFmpeg's muxers are told: nothing of the day or the host, and an index up front."""
    options = {"fflags": "+bitexact"}
    return options | {"movflags": "+faststart"} if path.suffix.lower() == ".mp4" else options


class MovieEncoder:
    """H.264 in .mp4, VP9 in .webm, or a .gif, through PyAV.

    Colours are BT.709 of limited range and say so, as every player expects. H.264 in yuv420p
    takes even sizes only: an odd width or height is padded by repeating the last column or row.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], fps: float, crf: int, keyframes: float | None
    ) -> None:
        self._av = need("av", extra="video")
        self._codec, options = {
            ".mp4": ("libx264", {"crf": str(crf), "preset": "medium", "x264-params": _X264}),
            ".webm": ("libvpx-vp9", {"crf": str(crf), "b": "0", "cpu-used": "4"}),
            ".gif": ("gif", {}),
        }[path.suffix.lower()]
        if keyframes is not None:
            options["g"] = str(max(1, round(keyframes * fps)))
        even = self._codec == "libx264"
        self._pad = (size[0] % 2, size[1] % 2) if even else (0, 0)
        self._container = self._av.open(
            str(path),
            "w",
            container_options=container_options(path),
        )
        # 1001 keeps the rates of television (30000/1001) exact
        rate = Fraction(fps).limit_denominator(1001)
        stream = self._container.add_stream(self._codec, rate=rate, options=options)
        stream.width, stream.height = size[0] + self._pad[0], size[1] + self._pad[1]
        stream.codec_context.thread_count = _THREADS
        if self._codec == "gif":
            stream.pix_fmt = "pal8"
        else:
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
            context.color_range = 1  # limited
        self._stream = stream

    def append(self, frame: Frame) -> None:
        """Add one frame."""
        right, below = self._pad
        if right or below:
            frame = np.pad(frame, ((0, below), (0, right), (0, 0)), mode="edge")
        if self._codec == "gif":
            picture = self._av.VideoFrame.from_ndarray(_palette(frame), format="pal8")
        else:
            picture = self._av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame), format="rgb24"
            ).reformat(
                format="yuv420p",
                dst_colorspace="itu709",
                interpolation=conversion(self._av),
                threads=1,
            )
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Write what is still held back, and end the file."""
        self._container.mux(self._stream.encode())
        self._container.close()


def _palette(frame: Frame) -> tuple[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "256 4"]]:
    """A frame in 256 colours of its own: indices, and the colours as (alpha, red, green, blue)."""
    image_module = need("PIL.Image", extra="video")
    image = image_module.fromarray(frame)
    few = image.quantize(256)
    dithered = image.quantize(palette=few, dither=image_module.Dither.FLOYDSTEINBERG)
    colours = np.full((256, 4), 255, dtype=np.uint8)
    table = np.array(few.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    colours[: len(table), 1:] = table
    return np.array(dithered), colours


class RawEncoder:
    """Frames as they are, in a .safetensors file that grows frame by frame."""

    _HEADER = 256  # room for the header, which is known only when the last frame is

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        self._size, self._fps, self._count = size, fps, 0
        self._file = path.open("wb")
        self._file.write(bytes(8 + self._HEADER))

    def append(self, frame: Frame) -> None:
        """Add one frame."""
        self._file.write(frame.tobytes())
        self._count += 1

    def close(self) -> None:
        """Fill in the header, now that the number of frames is known."""
        width, height = self._size
        shape = [self._count, height, width, 3]
        entry = {"dtype": "U8", "shape": shape, "data_offsets": [0, math.prod(shape)]}
        header = json.dumps({"__metadata__": {"fps": repr(self._fps)}, "frames": entry})
        with self._file:
            self._file.seek(0)
            self._file.write(struct.pack("<Q", self._HEADER) + header.encode().ljust(self._HEADER))


class ImageEncoder:
    """One frame as a picture, through Pillow."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, frame: Frame) -> None:
        """Write the frame."""
        image_module = need("PIL.Image", extra="video")
        quality = {} if self._path.suffix.lower() in (".png", ".bmp") else {"quality": 95}
        image_module.fromarray(frame).save(self._path, **quality)

    def close(self) -> None:
        """Nothing is held back."""
