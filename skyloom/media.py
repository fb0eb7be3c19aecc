"""Codecs behind `skyloom.video`: frames out of files and into files, nothing that knows a `Video`.

A file that a stranger sent is read with an explicit list of formats, no protocol but the local
file, a limit on the pixels of a frame, and metadata that may be any bytes; what FFmpeg then still
refuses is one `UserError`. What is written is the same bytes for the same frames: thread counts
are fixed, and no clock, random id or host goes into a file.
"""

import json
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from skyloom.errors import UserError
from skyloom.extras import need

Frame = UInt8[np.ndarray, "H W 3"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MOVIE_SUFFIXES = (".mp4", ".webm", ".gif")
RAW_SUFFIX = ".safetensors"
READABLE = "mp4, mov, webm, mkv, avi, gif, png, jpg, webp and safetensors are"
# Names of FFmpeg's demuxers. None of them opens a second file, as playlists and concat scripts do.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,yuv4mpegpipe"
# One number for every machine: a different count of threads gives different bytes.
_THREADS = 4
# Otherwise x264's assembler rounds by how memory is aligned: other bytes from call to call.
_X264 = "cpu-independent=1"


class Opened(NamedTuple):
    """A video file with its header read: its rate, and its frames as they are asked for."""

    fps: float
    frames: Iterator[Frame]


def open_frames(path: Path, max_pixels: int) -> Opened:
    """Open a video, an image or raw frames, and check everything that the header tells.

    Raises:
        UserError: no such file, a folder, an empty file, nothing readable in it, or frames of
            more than `max_pixels` pixels.
    """
    try:
        if path.is_dir():
            raise UserError(f"'{path}' is a folder: name one video file in it.")
        if not path.exists():
            raise UserError(f"'{path}' does not exist.")
        if not path.is_file():
            raise UserError(f"'{path}' is not a regular file: copy the video to one.")
        if path.stat().st_size == 0:
            raise UserError(f"'{path}' is empty: it has no bytes.")
        suffix = path.suffix.lower()
        if suffix == RAW_SUFFIX:
            return _open_raw(path, max_pixels)
        if suffix in IMAGE_SUFFIXES:
            return Opened(1.0, iter([_read_image(path, max_pixels)]))
        return _open_movie(path, max_pixels)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    if isinstance(error, PermissionError):
        return UserError(f"'{path}' cannot be read: {error.strerror}.")
    return UserError(f"'{path}' is not a video skyloom can read: {READABLE}.")


def _check_pixels(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise UserError(
            f"'{path}' has frames of {width}x{height}, more than the {max_pixels:,} pixels "
            "that skyloom reads: scale it down first."
        )


def _open_movie(path: Path, max_pixels: int) -> Opened:
    av = need("av", extra="video")
    guards = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    try:
        # The prefix keeps a file named 'concat:...' a file. Threads stay PyAV's default: with
        # one thread a frame, FFmpeg drops the error at the end of a file cut short.
        container = av.open(f"file:{path}", metadata_errors="replace", options=guards)
        if not container.streams.video:
            container.close()
            raise UserError(f"'{path}' has no pictures in it, only sound or data.")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise UserError(f"'{path}' holds pictures of a kind that skyloom cannot decode.")
        _check_pixels(path, (context.width, context.height), max_pixels)
        context.options = {"max_pixels": str(max_pixels)}  # frames may grow after the header
    except av.error.FFmpegError as error:
        raise _unreadable(path, error) from error
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    return Opened(float(rate), _movie_frames(path, container, stream))


def _movie_frames(path: Path, container: Any, stream: Any) -> Iterator[Frame]:
    av = need("av", extra="video")
    size, count = None, 0
    with container:
        try:
            for picture in container.decode(stream):
                size = size or (picture.width, picture.height)
                frame = picture.to_ndarray(
                    format="rgb24",
                    width=size[0],  # a stream may change its size on the way: keep the first
                    height=size[1],
                    interpolation=_conversion(av),
                    threads=1,
                )
                # Phones film sideways and leave a note which way is up, counterclockwise.
                yield np.ascontiguousarray(np.rot90(frame, round(picture.rotation / 90) % 4))
                count += 1
        except av.error.FFmpegError as error:
            if not count:
                raise _unreadable(path, error) from error
            raise UserError(
                f"'{path}' is damaged after its first {count} frames: "
                "cut it there or get a whole copy."
            ) from error
    if not count:
        raise UserError(f"'{path}' has no frames in it.")


def _conversion(av: Any) -> Any:
    """How RGB becomes YUV and returns: bicubic chroma, rounded alike on every machine.

    At saturated edges this is 1 to 2 dB closer to the frames than FFmpeg's own choice.
    """
    flags = av.video.reformatter.Interpolation
    chroma = flags.FULL_CHR_H_INT | flags.FULL_CHR_H_INP
    return flags.BICUBIC | chroma | flags.ACCURATE_RND | flags.BITEXACT


def _read_image(path: Path, max_pixels: int) -> Frame:
    image_module = need("PIL.Image", extra="video")
    operations = need("PIL.ImageOps", extra="video")
    try:
        with image_module.open(path, formats=("PNG", "JPEG", "WEBP", "BMP")) as image:
            _check_pixels(path, image.size, max_pixels)
            upright = operations.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits of grey
                grey = np.asarray(upright, dtype=np.int64) >> 8
                return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)
            if upright.has_transparency_data:
                canvas = image_module.new("RGBA", upright.size, "white")
                upright = image_module.alpha_composite(canvas, upright.convert("RGBA"))
            return np.array(upright.convert("RGB"))
    except (OSError, ValueError, SyntaxError, image_module.DecompressionBombError) as error:
        # SyntaxError is Pillow's own word for a broken PNG
        raise _unreadable(path, error) from error


def _open_raw(path: Path, max_pixels: int) -> Opened:
    safetensors = need("safetensors", extra="video")
    try:
        handle = safetensors.safe_open(path, framework="numpy")
        with handle as file:
            if "frames" not in file.keys():  # noqa: SIM118 - the handle is no mapping
                raise UserError(f"'{path}' has no tensor named 'frames', so it is no clip.")
            view = file.get_slice("frames")
            shape, dtype = view.get_shape(), view.get_dtype()
            fps = float((file.metadata() or {}).get("fps", "nan"))
    except (safetensors.SafetensorError, ValueError) as error:
        raise _unreadable(path, error) from error
    if dtype != "U8" or len(shape) != 4 or shape[-1] != 3 or 0 in shape:
        raise UserError(f"'{path}' holds frames of shape {shape} {dtype}: uint8 F H W 3 is a clip.")
    if not (math.isfinite(fps) and fps > 0):
        raise UserError(f"'{path}' does not say its frames a second ('fps' in its metadata).")
    _check_pixels(path, (shape[2], shape[1]), max_pixels)
    return Opened(fps, (view[index] for index in range(shape[0])))


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


def encoder_for(path: Path, size: tuple[int, int], fps: float, crf: int) -> Encoder:
    """The encoder that the suffix asks for (see `check_suffix`); it opens `path` at once."""
    suffix = path.suffix.lower()
    if suffix == RAW_SUFFIX:
        return RawEncoder(path, size, fps)
    if suffix in IMAGE_SUFFIXES:
        return ImageEncoder(path)
    return MovieEncoder(path, size, fps, crf)


class MovieEncoder:
    """H.264 in .mp4, VP9 in .webm, or a .gif, through PyAV.

    Colours are BT.709 of limited range and say so, as every player expects. H.264 in yuv420p
    takes even sizes only: an odd width or height is padded by repeating the last column or row.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float, crf: int) -> None:
        self._av = need("av", extra="video")
        self._codec, options = {
            ".mp4": ("libx264", {"crf": str(crf), "preset": "medium", "x264-params": _X264}),
            ".webm": ("libvpx-vp9", {"crf": str(crf), "b": "0", "cpu-used": "4"}),
            ".gif": ("gif", {}),
        }[path.suffix.lower()]
        even = self._codec == "libx264"
        self._pad = (size[0] % 2, size[1] % 2) if even else (0, 0)
        self._container = self._av.open(
            str(path),
            "w",
            container_options={"movflags": "+faststart", "fflags": "+bitexact"}
            if even
            else {"fflags": "+bitexact"},
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
                interpolation=_conversion(self._av),
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
