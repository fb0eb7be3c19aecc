"""Crops of pixels for the autoencoder: from world clips, real pictures and footage.

Batch k is a pure function of (seed, k): whoever asks for it, whenever, gets the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from safetensors import safe_open

from skyloom.data.footage import RealClips
from skyloom.data.raw import RawDataset
from skyloom.errors import UserError


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
        world: folder of a raw dataset of safetensors clips, or None for real footage alone.
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
    """A random window in space and time of a safetensors clip, mirrored half of the time.

    A clip that is too short is played to and fro, one that is too small is tiled by mirroring.
    """
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
        window = frames[starts[0] : ends[0], starts[1] : ends[1], starts[2] : ends[2]]
    missing = [(0, want - have) for want, have in zip(wanted, window.shape, strict=False)]
    if any(after for _, after in missing):
        window = np.pad(window, [*missing, (0, 0)], mode="symmetric")
    return window[:, :, ::-1] if rng.random() < 0.5 else window


def _world_files(folder: Path) -> list[Path]:
    rows = RawDataset(folder).rows
    files = [folder / row.file for row in rows if row.file.endswith(".safetensors")]
    if not files:
        raise UserError(
            f"'{folder}' holds no safetensors clips to crop from: "
            "make them with skyloom world FOLDER --format safetensors."
        )
    return files
