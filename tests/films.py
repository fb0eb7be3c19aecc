"""Small real films for tests, of every kind that people have: made by PyAV, not by skyloom."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

LEVELS = 8  # grey levels between two frames: a frame tells its number by its brightness


def numbered(count: int, size: tuple[int, int] = (64, 48), first: int = 20) -> np.ndarray:
    """Flat frames F H W 3, each of them `LEVELS` brighter than the one before."""
    grey = (first + LEVELS * np.arange(count)).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (count, size[1], size[0], 3)).copy()


def numbers(frames: np.ndarray, first: int = 20) -> list[int]:
    """Which frame of `numbered` each of these is."""
    return np.round((frames.mean((1, 2, 3)) - first) / LEVELS).astype(int).tolist()


def film(
    path: Path,
    frames: np.ndarray,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: Fraction | int = 12,
    times: Sequence[float] | None = None,
    rotation: int = 0,
    aspect: Fraction | None = None,
    sound: np.ndarray | None = None,
    sound_at: float = 0.0,
    curve: int = 0,
) -> Path:
    """Write frames F H W C (RGB or RGBA) as a video.

    Args:
        times: seconds at which each frame is shown; None is even, at `rate`.
        rotation: degrees counterclockwise that a player turns it by.
        aspect: width of a pixel over its height.
        sound: mono samples at 44.1 kHz between -1 and 1, which start `sound_at` seconds.
        curve: the transfer characteristics it says to have.
    """
    tick = Fraction(1, 90000)
    options = {"preset": "ultrafast"} if codec.startswith("libx26") else {}
    if codec == "libx265":
        options["x265-params"] = "log-level=none"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        if times is not None:
            stream.codec_context.time_base = stream.time_base = tick
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if curve:
            stream.codec_context.color_trc = curve
        if rotation:
            stream.set_display_rotation(rotation)
        track = (
            container.add_stream("aac", rate=44100, layout="mono") if sound is not None else None
        )
        for index, frame in enumerate(frames):
            form = "rgba" if frame.shape[-1] == 4 else "rgb24"
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=form)
            picture = picture.reformat(format=pixels)
            if times is not None:
                picture.pts, picture.time_base = round(times[index] / tick), tick
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
        if track is not None:
            samples = np.asarray(sound, dtype=np.float32)[None]
            block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            block.rate, block.time_base = 44100, Fraction(1, 44100)
            block.pts = round(sound_at * 44100)
            container.mux(track.encode(block))
            container.mux(track.encode())
    return path


def tone(seconds: float, hertz: float = 440.0) -> np.ndarray:
    """A sine at 44.1 kHz."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * 44100)) / 44100)


def heard(path: Path) -> np.ndarray | None:
    """All of the first sound of a file as mono samples at 48 kHz on its own clock; None: silent."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        resampler = av.AudioResampler("flt", "mono", 48000)
        pieces = [np.zeros(0)]
        for frame in [*container.decode(audio=0), None]:
            pieces += [block.to_ndarray().ravel() for block in resampler.resample(frame)]
    return np.concatenate(pieces)


def packets(path: Path) -> list[tuple[int | None, int | None, bytes]]:
    """Times and bytes of all packets of pictures."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(p.pts, p.dts, bytes(p)) for p in container.demux(stream) if p.size]
