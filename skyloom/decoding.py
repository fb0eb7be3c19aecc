"""Frames out of files, behind `skyloom.video` and `skyloom.fitting`: nothing that knows a `Video`.

A file that a stranger sent is read with an explicit list of formats, no protocol but the local
file, a limit on the pixels of a frame, and metadata that may be any bytes; what FFmpeg or Pillow
then still refuses is one `UserError`. What a file is goes by its first bytes and not by its name:
pictures go to Pillow and need no PyAV.
"""

import math
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.media import RAW_SUFFIX, Frame, conversion, shrinking
from skyloom.source import (
    ALPHA_NOTE,
    Damaged,
    Shown,
    Source,
    check_pixels,
    frames_source,
    on_white,
    unreadable,
)
from skyloom.stills import is_image, open_image

# Names of FFmpeg's demuxers. None of them opens a second file, as playlists and concat scripts do.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,yuv4mpegpipe"
_USUAL_RATES = (0.1, 1000.0)
_HDR_CURVES = (16, 18)  # PQ and HLG, as FFmpeg numbers the transfer characteristics


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
            return open_image(path, max_pixels)
        return _open_movie(path, max_pixels, start)
    except OSError as error:
        raise unreadable(path, error) from error


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"'{path}' is a folder: name one video file in it.")
    if not path.exists():
        raise UserError(f"'{path}' does not exist.")
    if not path.is_file():
        raise UserError(f"'{path}' is not a regular file: copy the video to one.")
    if path.stat().st_size == 0:
        raise UserError(f"'{path}' is empty: it has no bytes.")


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
        raise unreadable(path, error) from error


def video_stream(container: Any) -> Any:
    """The first stream of moving pictures, None where there is none: cover art is no clip."""
    av = need("av", extra="video")
    cover = av.stream.Disposition.attached_pic
    return next((s for s in container.streams.video if not s.disposition & cover), None)


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
        check_pixels(path, size, max_pixels)
        form, curve = decoder.format, int(decoder.color_trc or 0)
        alpha = form is not None and any(part.is_alpha for part in form.components)
        if decoder.name == "vp9" and stream.metadata.get("alpha_mode") == "1":
            # FFmpeg's own decoder leaves the second picture, which is the alpha, in the packet
            alpha, decoder = True, av.CodecContext.create("libvpx-vp9", "r")
        decoder.options = {"max_pixels": str(max_pixels)}  # frames may grow after the header
    except av.error.FFmpegError as error:
        raise unreadable(path, error) from error
    rates = (stream.average_rate, stream.guessed_rate, Fraction(25))
    lowest, highest = _USUAL_RATES
    fps = next(float(rate) for rate in rates if rate and lowest <= rate <= highest)
    aspect = float(stream.sample_aspect_ratio or 1)
    usual_aspect = 0.25 <= aspect <= 4.0 and aspect != 1
    notes = [ALPHA_NOTE] if alpha and decoder.name != "gif" else []  # a GIF's is white already
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
                raise unreadable(path, error) from error
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
        return on_white(frame) if alpha else frame

    return convert


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
        raise unreadable(path, error) from error
    if dtype != "U8" or len(shape) != 4 or shape[-1] != 3 or 0 in shape:
        raise UserError(f"'{path}' holds frames of shape {shape} {dtype}: uint8 F H W 3 is a clip.")
    if not (math.isfinite(fps) and fps > 0):
        raise UserError(f"'{path}' does not say its frames a second ('fps' in its metadata).")
    size = (shape[2], shape[1])
    check_pixels(path, size, max_pixels)
    return frames_source((view[index] for index in range(shape[0])), shape[0], size, fps)
