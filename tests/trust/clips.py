"""Clips to mark, and what happens to clips on their way: codecs, sizes, rates, cuts."""

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image


def moving(frames: int = 48, size: tuple[int, int] = (128, 128), seed: int = 0) -> np.ndarray:
    """A flat scene as the bundled model makes them: two plain areas, a disc that moves."""
    rng = np.random.default_rng(seed)
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    sky, ground, ball = rng.integers(40, 216, (3, 3)).astype(np.float32)
    made = []
    for number in range(frames):
        frame = np.where((y > 0.6 * height)[..., None], ground, sky) - 0.15 * y[..., None]
        centre = width * (0.2 + 0.6 * number / frames), height * 0.55
        away = np.hypot(x - centre[0], y - centre[1]) / (0.12 * height)
        light = 1 - 0.4 * np.clip((x - centre[0] + y - centre[1]) / (0.2 * height), -1, 1)
        frame = np.where((away < 1)[..., None], ball * light[..., None], frame)
        made.append(np.clip(frame + 0.5, 0, 255).astype(np.uint8))
    return np.stack(made)


def through(frames: np.ndarray, fps: float, codec: str = "libx264", crf: int = 23) -> np.ndarray:
    """Frames encoded and decoded again."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        options = {"crf": str(crf)}
        if codec == "libx265":
            options["x265-params"] = "log-level=none"
        stream = container.add_stream(
            codec, rate=Fraction(fps).limit_denominator(1001), options=options
        )
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def scaled(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames at another size."""
    images = (Image.fromarray(frame) for frame in frames)
    return np.stack([np.asarray(one.resize(size, Image.Resampling.BICUBIC)) for one in images])


def cropped(frames: np.ndarray, keep: float, at: tuple[float, float]) -> np.ndarray:
    """A share of the width and of the height, from somewhere in the frame."""
    height, width = (int(side * keep) // 2 * 2 for side in frames.shape[1:3])
    top = round(at[1] * (frames.shape[1] - height))
    left = round(at[0] * (frames.shape[2] - width))
    return np.ascontiguousarray(frames[:, top : top + height, left : left + width])
