"""Crops of pixels for the autoencoder: from clips of the world or of films, real pictures, footage.

Batch k is a pure function of (seed, k) and the files: whoever asks for it, whenever, gets the same
bytes, so that a run that was stopped goes on with what it would have seen.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from safetensors import safe_open

from skyloom.data.captions import FILM_SUFFIXES
from skyloom.data.footage import RealClips
from skyloom.data.raw import CAPTIONS, RawDataset
from skyloom.decoding import open_source
from skyloom.errors import UserError
from skyloom.media import RAW_SUFFIX
from skyloom.source import Damaged, upright
from skyloom.video import MAX_PIXELS


@dataclass(frozen=True)
class CropShape:
    """One shape of batch: `batch` clips of `frames` frames of `size` (width, height).

    `share` is how often the shape is drawn, relative to the others.
    """

    frames: int
    size: tuple[int, int]
    batch: int
    share: float = 1.0


DEFAULT_SHAPES = (
    CropShape(17, (64, 64), 8, 0.7),
    CropShape(9, (96, 96), 6, 0.1),
    CropShape(1, (128, 128), 12, 0.1),
    CropShape(33, (64, 64), 4, 0.1),
)


class Crops:
    """Draws batches of crops.

    Args:
        world: folder of a raw dataset, such as `skyloom world` and `skyloom ingest` make, or None
            for real footage alone. Its pictures are passed over.
        real_share: share of the samples that are real, 0 where no footage is wanted.
        split: "train", or "heldout" for footage never learnt from.
    """

    def __init__(
        self,
        world: Path | None,
        real_share: float,
        shapes: Sequence[CropShape],
        seed: int,
        split: str = "train",
    ) -> None:
        self.shapes, self.seed = tuple(shapes), seed
        self.world = _world_files(world) if world is not None else []
        self.real = RealClips(split) if real_share or not self.world else None
        self.real_share = real_share if self.world else 1.0

    def batch(self, step: int) -> UInt8[np.ndarray, "B F H W 3"]:
        """The crops of step `step`."""
        rng = np.random.default_rng((self.seed, step))
        shares = np.array([shape.share for shape in self.shapes])
        shape = self.shapes[rng.choice(len(self.shapes), p=shares / shares.sum())]
        return np.stack([self._one(shape, rng) for _ in range(shape.batch)])

    def _one(self, shape: CropShape, rng: np.random.Generator) -> UInt8[np.ndarray, "F H W 3"]:
        if self.real is not None and rng.random() < self.real_share:
            return self.real.sample(rng, shape.size, shape.frames)
        return crop_of_file(self.world[rng.integers(len(self.world))], shape, rng)


def crop_of_file(
    file: Path, shape: CropShape, rng: np.random.Generator
) -> UInt8[np.ndarray, "F H W 3"]:
    """A random window in space and time of a clip, mirrored half of the time.

    Raw frames are taken as they are. A film is seen at a random scale, between its own pixels and
    all of the picture that the window can hold, for a window of its own pixels shows little of a
    large one. A clip that is too short is played to and fro, one that is too small is tiled by
    mirroring.

    Raises:
        UserError: the clip cannot be read.
    """
    raw = file.suffix.lower() == RAW_SUFFIX
    window = _of_raw(file, shape, rng) if raw else _of_film(file, shape, rng)
    wanted = (shape.frames, shape.size[1], shape.size[0])
    missing = [(0, want - have) for want, have in zip(wanted, window.shape, strict=False)]
    if any(after for _, after in missing):
        window = np.pad(window, [*missing, (0, 0)], mode="symmetric")
    return window[:, :, ::-1] if rng.random() < 0.5 else window


def _of_raw(file: Path, shape: CropShape, rng: np.random.Generator) -> UInt8[np.ndarray, "F H W 3"]:
    """A window of a safetensors clip, as much of it as there is."""
    with safe_open(file, framework="numpy") as clip:
        frames = clip.get_slice("frames")
        count, height, width, _ = frames.get_shape()
        wanted = (shape.frames, shape.size[1], shape.size[0])
        starts = [
            int(rng.integers(max(1, have - want + 1)))
            for have, want in zip((count, height, width), wanted, strict=True)
        ]
        ends = [
            min(start + want, have)
            for start, want, have in zip(starts, wanted, (count, height, width), strict=True)
        ]
        return frames[starts[0] : ends[0], starts[1] : ends[1], starts[2] : ends[2]]


def _of_film(
    file: Path, shape: CropShape, rng: np.random.Generator
) -> UInt8[np.ndarray, "F H W 3"]:
    """A window of a film, as much of it as there is; no more of it is decoded than needed."""
    moment, zoom, x, y = rng.random(4)  # as many draws whatever the file holds
    source = open_source(file, MAX_PIXELS)
    source.pictures.close()
    count = round((source.seconds or 0.0) * source.fps)
    start = int(moment * max(1, count - shape.frames + 1)) / source.fps
    pictures = []
    for begin in (start, 0.0):  # where the header promised more than there is, from the start
        with closing(open_source(file, MAX_PIXELS, begin).pictures) as shown:
            try:
                for picture in islice(shown, shape.frames):
                    turned = source.size[::-1] if picture.turns % 2 else source.size
                    scaled = _scaled(turned, shape.size, zoom)
                    whole = upright(picture, None if scaled == turned else scaled)
                    pictures.append(_placed(whole, shape.size, x, y))
            except Damaged:  # what is before the damage is good
                pass
        if pictures:
            return np.stack(pictures)
    raise UserError(f"'{file}' has no pictures that can be decoded: remove its line and the clip.")


def _scaled(size: tuple[int, int], window: tuple[int, int], zoom: float) -> tuple[int, int]:
    """The (width, height) to see a film at: its own for a zoom of 0; for 1 the window holds all of
    one side."""
    widest = max(1.0, min(have / want for have, want in zip(size, window, strict=True)))
    scale = float(widest**-zoom)
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def _placed(
    picture: UInt8[np.ndarray, "_H _W 3"], size: tuple[int, int], x: float, y: float
) -> UInt8[np.ndarray, "_h _w 3"]:
    """The window at `x` and `y`, 0 left or top to 1; a copy, so that the picture can go."""
    left = int(x * max(1, picture.shape[1] - size[0] + 1))
    top = int(y * max(1, picture.shape[0] - size[1] + 1))
    return picture[top : top + size[1], left : left + size[0]].copy()


def _world_files(folder: Path) -> list[Path]:
    rows = RawDataset(folder).rows
    clips = (RAW_SUFFIX, *FILM_SUFFIXES)
    files = [folder / row.file for row in rows if Path(row.file).suffix.lower() in clips]
    if not files:
        raise UserError(
            f"'{folder}' holds no clips to crop from, only pictures: "
            "make some with skyloom world or skyloom ingest."
        )
    for file in files:
        if not file.is_file():
            raise UserError(
                f"The clip '{file}' is missing, but '{folder / CAPTIONS}' lists it: "
                "put it back or remove its line."
            )
    return files
