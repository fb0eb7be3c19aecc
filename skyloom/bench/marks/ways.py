"""What happens to clips on their way: codecs, other sizes and rates, excerpts, cut edges."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import UInt8

from skyloom.extras import need
from skyloom.framing import cover

Frames = UInt8[np.ndarray, "_F _H _W 3"]


@dataclass(frozen=True)
class Way:
    """What happens to a clip: its frames and rate to those that arrive."""

    name: str
    needs: float
    go: Callable[[Frames, float, np.random.Generator], tuple[Frames, float]]


def through(frames: Frames, fps: float, codec: str = "libx264", crf: int = 23) -> Frames:
    """Frames encoded and decoded again."""
    av = need("av", extra="video")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        options = {"crf": str(crf)}
        if codec == "libx265":
            options["x265-params"] = "log-level=none"
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = (side + side % 2 for side in frames.shape[1:3])
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        pad = ((0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0))
        for frame in frames:
            even = np.ascontiguousarray(np.pad(frame, pad, mode="edge"))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        decoded = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    return decoded[:, : frames.shape[1], : frames.shape[2]]


def _scaled(frames: Frames, size: tuple[int, int]) -> Frames:
    return np.stack([cover(frame, size) for frame in frames])


def _half_size(frames: Frames, fps: float, _: np.random.Generator) -> tuple[Frames, float]:
    size = frames.shape[2] // 2, frames.shape[1] // 2
    return through(_scaled(frames, size), fps), fps


def _half_rate(frames: Frames, fps: float, rng: np.random.Generator) -> tuple[Frames, float]:
    return through(frames[int(rng.integers(2)) :: 2], fps / 2), fps / 2


def _excerpt(frames: Frames, fps: float, rng: np.random.Generator) -> tuple[Frames, float]:
    count = round(2 * fps)
    first = int(rng.integers(max(1, len(frames) - count + 1)))
    return through(frames[first : first + count], fps), fps


def _cropped(frames: Frames, fps: float, rng: np.random.Generator) -> tuple[Frames, float]:
    """A tenth of width and height is cut away, and half of the time what is left scaled back."""
    height, width = (round(0.9 * side) for side in frames.shape[1:3])
    top = int(rng.integers(frames.shape[1] - height + 1))
    left = int(rng.integers(frames.shape[2] - width + 1))
    cut = np.ascontiguousarray(frames[:, top : top + height, left : left + width])
    if rng.random() < 0.5:
        cut = _scaled(cut, (frames.shape[2], frames.shape[1]))
    return through(cut, fps), fps


WAYS = (
    Way("as it is", 0.99, lambda frames, fps, _: (frames, fps)),
    Way("H.264 crf 23", 0.99, lambda frames, fps, _: (through(frames, fps), fps)),
    Way("H.264 crf 30", 0.95, lambda frames, fps, _: (through(frames, fps, crf=30), fps)),
    Way("x265 crf 28", 0.95, lambda frames, fps, _: (through(frames, fps, "libx265", 28), fps)),
    Way("half size", 0.95, _half_size),
    Way("half the rate", 0.95, _half_rate),
    Way("2 s excerpt", 0.95, _excerpt),
    Way("10% crop", 0.80, _cropped),
)
