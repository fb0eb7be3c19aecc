"""Frames out of files, behind `skyloom.video` and `skyloom.fitting`: nothing that knows a `Video`.

A file that a stranger sent is read with an explicit list of formats, no protocol but the local
file, a limit on the pixels of a frame, and metadata that may be any bytes; what FFmpeg or Pillow
then still refuses is one `UserError`. What a file is goes by its first bytes and not by its name:
pictures go to Pillow and need no PyAV.
"""

import math
import struct
import warnings
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.media import RAW_SUFFIX, Frame, conversion, shrinking

READABLE = "mp4, mov, webm, mkv, avi, gif, png, jpg, webp and safetensors are"
# Names of FFmpeg's demuxers. None of them opens a second file, as playlists and concat scripts do.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,yuv4mpegpipe"
_IMAGE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")
_USUAL_RATES = (0.1, 1000.0)
_HDR_CURVES = (16, 18)  # PQ and HLG, as FFmpeg numbers the transfer characteristics
_TURNS = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}  # EXIF's orientation: quarter turns, mirrored or not
_ALPHA_NOTE = "what is transparent lies on white"
# SyntaxError is Pillow's own word for a broken PNG; the others come out of broken metadata.
_PILLOW_ERRORS = (OSError, ValueError, SyntaxError, TypeError, LookupError, EOFError, struct.error)


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


def open_source(path: Path, max_pixels: int, start: float = 0.0) -> Source:
    """Open a video, an image or raw frames, and check everything that the header tells.

    Args:
        start: seconds into a film at which its pictures begin. Those before are passed over, from
            the last keyframe before it on where the file has an index, else from the beginning.

    Raises:
        UserError: no such file, a folder, an empty file, nothing readable in it, or frames of
            more than `max_pixels` pixels. Its pictures raise `Damaged` where the file breaks off.
    """
    try:
        _check_file(path)
        if path.suffix.lower() == RAW_SUFFIX:
            return _open_raw(path, max_pixels)
        if is_image(path):
            return _open_image(path, max_pixels)
        return _open_movie(path, max_pixels, start)
    except OSError as error:
        raise _unreadable(path, error) from error


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"'{path}' is a folder: name one video file in it.")
    if not path.exists():
        raise UserError(f"'{path}' does not exist.")
    if not path.is_file():
        raise UserError(f"'{path}' is not a regular file: copy the video to one.")
    if path.stat().st_size == 0:
        raise UserError(f"'{path}' is empty: it has no bytes.")


def is_image(path: Path) -> bool:
    """Whether the file starts as one of the pictures that Pillow reads."""
    with path.open("rb") as file:
        start = file.read(12)
    return start.startswith(_IMAGE_STARTS) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def open_container(path: Path) -> Any:
    """Open a container of video or sound with the guards that a stranger's file asks for.

    Raises:
        UserError: PyAV is missing, or FFmpeg finds none of the known formats.
    """
    av = need("av", extra="video")
    guards = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    try:
        # The prefix keeps a file named 'concat:...' a file. Threads stay PyAV's default: with
        # one thread a frame, FFmpeg drops the error at the end of a file cut short.
        return av.open(f"file:{path}", metadata_errors="replace", options=guards)
    except av.error.FFmpegError as error:
        raise _unreadable(path, error) from error


def video_stream(container: Any) -> Any:
    """The first stream of moving pictures, None where there is none: cover art is no clip."""
    av = need("av", extra="video")
    cover = av.stream.Disposition.attached_pic
    return next((s for s in container.streams.video if not s.disposition & cover), None)


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


def _open_movie(path: Path, max_pixels: int, start: float) -> Source:
    av = need("av", extra="video")
    container = open_container(path)
    try:
        stream = video_stream(container)
        if stream is None:
            container.close()
            raise UserError(f"'{path}' has no pictures in it, only sound or data.")
        decoder = stream.codec_context
        if decoder is None:
            raise UserError(f"'{path}' holds pictures of a kind that skyloom cannot decode.")
        size = (decoder.width, decoder.height)
        _check_pixels(path, size, max_pixels)
        form, curve = decoder.format, int(decoder.color_trc or 0)
        alpha = form is not None and any(part.is_alpha for part in form.components)
        if decoder.name == "vp9" and stream.metadata.get("alpha_mode") == "1":
            # FFmpeg's own decoder leaves the second picture, which is the alpha, in the packet
            alpha, decoder = True, av.CodecContext.create("libvpx-vp9", "r")
        decoder.options = {"max_pixels": str(max_pixels)}  # frames may grow after the header
    except av.error.FFmpegError as error:
        raise _unreadable(path, error) from error
    rates = (stream.average_rate, stream.guessed_rate, Fraction(25))
    lowest, highest = _USUAL_RATES
    fps = next(float(rate) for rate in rates if rate and lowest <= rate <= highest)
    aspect = float(stream.sample_aspect_ratio or 1)
    usual_aspect = 0.25 <= aspect <= 4.0 and aspect != 1
    notes = [_ALPHA_NOTE] if alpha and decoder.name != "gif" else []  # a GIF's is white already
    notes += ["its HDR colours are taken as they are, without tone mapping"] * (
        curve in _HDR_CURVES
    )
    notes += ["its oblong pixels were made square"] * usual_aspect
    return Source(
        fps,
        size,
        _movie_pictures(path, container, stream, decoder, fps, start),
        pixel_aspect=aspect if usual_aspect else 1.0,
        seconds=_declared(container, stream),
        notes=tuple(notes),
        film=True,
    )


def _declared(container: Any, stream: Any) -> float | None:
    """Seconds of pictures that the header promises; a container's length may be its sound's."""
    seconds = None
    if stream.duration:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration and not container.streams.audio:
        seconds = container.duration / 1e6
    return seconds if seconds and seconds > 0 else None


def _movie_pictures(
    path: Path, container: Any, stream: Any, decoder: Any, fps: float, begin: float
) -> Generator[Shown, None, None]:
    av = need("av", extra="video")
    unit, start, last = float(stream.time_base or 1 / fps), None, -1 / fps
    size, turns, count = None, 0, 0
    if begin > 0 and _sought(container, stream, begin, unit):
        start = (stream.start_time or 0) * unit
    reformatter = av.video.reformatter.VideoReformatter()  # one: its tables serve all pictures
    with container:
        try:
            for packet in container.demux(stream):
                for picture in decoder.decode(packet):
                    if size is None:  # a stream may change on the way: keep what it began with
                        size = (picture.width, picture.height)
                        # Phones film sideways and leave a note which way is up, counterclockwise.
                        turns = round(picture.rotation / 90) % 4
                    time = last + 1 / fps
                    if picture.pts is not None:
                        start = picture.pts * unit - time if start is None else start
                        time = max(last, picture.pts * unit - start)
                    seconds = (picture.duration or 0) * unit
                    pixels = _pixels(picture, size, reformatter)
                    if time >= begin - 0.25 / fps:
                        yield Shown(time, max(0.0, seconds), turns, pixels, picture.is_corrupt)
                    last, count = time, count + 1
        except av.error.FFmpegError as error:
            if not count:
                raise _unreadable(path, error) from error
            raise Damaged(
                f"'{path}' is damaged after its first {count} frames: "
                "cut it there or get a whole copy."
            ) from error
    if not count:
        raise UserError(f"'{path}' has no frames in it.")


def _sought(container: Any, stream: Any, begin: float, unit: float) -> bool:
    """Go to the last keyframe before `begin` seconds; False where the file has no way there."""
    av = need("av", extra="video")
    try:
        container.seek((stream.start_time or 0) + math.floor(begin / unit), stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def _pixels(picture: Any, size: tuple[int, int], reformatter: Any) -> Callable[..., Frame]:
    def convert(wanted: tuple[int, int] | None = None) -> Frame:
        av = need("av", extra="video")
        width, height = wanted or size
        alpha = any(part.is_alpha for part in picture.format.components)
        converted = reformatter.reformat(
            picture,
            format="rgba" if alpha else "rgb24",
            width=width,
            height=height,
            interpolation=conversion(av) if wanted is None else shrinking(av),
            threads=1,
        )
        frame = converted.to_ndarray()
        return _on_white(frame) if alpha else frame

    return convert


def _on_white(frame: UInt8[np.ndarray, "H W 4"]) -> Frame:
    """The picture as it looks in front of white, rounded to the nearest."""
    colour, alpha = frame[..., :3].astype(np.uint16), frame[..., 3:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _open_image(path: Path, max_pixels: int) -> Source:
    image_module = need("PIL.Image", extra="video")
    too_large = (image_module.DecompressionBombError, image_module.DecompressionBombWarning)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken metadata beside a good picture
            warnings.simplefilter("error", image_module.DecompressionBombWarning)
            with image_module.open(path, formats=("PNG", "JPEG", "WEBP", "BMP")) as image:
                _check_pixels(path, image.size, max_pixels)
                frame, notes = _image_pixels(path, image)
    except too_large as error:
        raise UserError(
            f"'{path}' has more than the {max_pixels:,} pixels that skyloom reads: "
            "scale it down first."
        ) from error
    except _PILLOW_ERRORS as error:
        raise _unreadable(path, error) from error
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
            notes.append(_ALPHA_NOTE)
    return np.array(upright.convert("RGB")), tuple(notes)


def _open_raw(path: Path, max_pixels: int) -> Source:
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
    size = (shape[2], shape[1])
    _check_pixels(path, size, max_pixels)
    return frames_source((view[index] for index in range(shape[0])), shape[0], size, fps)
