"""Frames a second from a film to the size of training, beside PyAV's own loop to RGB."""

import statistics
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from skyloom.bench.races.race import interleaved
from skyloom.decoding import open_source
from skyloom.extras import need
from skyloom.source import upright
from skyloom.video import VideoWriter

FILM = (1280, 720)
SIZE = (160, 96)


def decoding(
    frames: int = 48, rounds: int = 5, film: tuple[int, int] = FILM, size: tuple[int, int] = SIZE
) -> dict[str, float]:
    """Read an H.264 film of `frames` moving pictures in three ways, which take turns.

    Returns:
        frames a second of "skyloom", scaled to `size` (width, height) while colours are converted;
        of "PyAV", each frame to RGB as large as the film; of "decoder", frames that are decoded
        and nothing else; and "ratio", the first over the second.
    """
    av = need("av", extra="video")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        _film(path, frames, film)

        def ours() -> None:
            source = open_source(path, film[0] * film[1])
            with closing(source.pictures) as pictures:
                for picture in pictures:
                    upright(picture, size)

        def loop(rgb: bool) -> Callable[[], object]:
            def job() -> None:
                with av.open(str(path)) as container:
                    for frame in container.decode(video=0):
                        if rgb:
                            frame.to_ndarray(format="rgb24")

            return job

        jobs = {"skyloom": ours, "PyAV": loop(True), "decoder": loop(False)}
        seconds = interleaved(jobs, rounds)
    speeds = {name: frames / statistics.median(times) for name, times in seconds.items()}
    return {**speeds, "ratio": speeds["skyloom"] / speeds["PyAV"]}


def _film(path: Path, frames: int, size: tuple[int, int]) -> None:
    """Soft waves that drift, with grain: as hard to decode as footage rather than as a drawing."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: size[1], : size[0]]
    grain = rng.normal(0, 6, (size[1], size[0], 3))
    with VideoWriter(path, size, 24.0) as writer:
        for number in range(frames):
            waves = [np.sin((x + 9 * number) / scale + y / 70) for scale in (40.0, 55.0, 90.0)]
            frame = 128 + 80 * np.stack(waves, axis=-1) + np.roll(grain, 5 * number, axis=1)
            writer.append(frame.clip(0, 255).astype(np.uint8)[None])
