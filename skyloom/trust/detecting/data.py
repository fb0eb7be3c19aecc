"""Clips that the detector learns from: what this model made, beside what it did not.

Clip k of a split is a pure function of the split, k and the model's weights, so a folder that is
half filled goes on where it stopped.

Made by the model are clips of prompts, and real and rendered clips that went through its
autoencoder: the decoder draws both, and beside the clips as they were these teach how it draws,
not what. Not made by it are the world's renders, the game, real footage, and plain graphics.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8

from skyloom import video
from skyloom.data.footage import RealClips
from skyloom.pipeline import Skyloom
from skyloom.progress import track
from skyloom.request import Request
from skyloom.storage import INDEX
from skyloom.video import Video

KINDS = ("generated", "reconstructed", "world", "game", "real", "graphics")
MADE = ("generated", "reconstructed")
"""The kinds that are this model's."""

TRAIN_CLIPS = {"generated": 360, "reconstructed": 300, "world": 160, "game": 60, "real": 480,
               "graphics": 60}  # fmt: skip
HELD_OUT_CLIPS = {"generated": 60, "reconstructed": 0, "world": 30, "game": 15, "real": 45,
                  "graphics": 0}  # fmt: skip
SIZES = ((64, 64), (96, 96), (128, 128), (128, 128), (160, 96), (96, 160))

FREE_PROMPTS = (
    "a dog runs along the beach",
    "waves break on rocks at sunset",
    "a paper boat in the rain",
    "a city street at night, people with umbrellas",
    "a steam train crosses a bridge",
    "close view of a flower that opens",
    "an astronaut walks on the moon",
    "a cat sleeps on a window sill",
    "leaves fall in a park in autumn",
    "a lighthouse in a storm",
    "two robots dance in a room",
    "a bowl of fruit on a wooden table",
    "clouds drift over mountains",
    "a child flies a kite in a meadow",
    "a sailing ship on a calm sea",
    "snow falls on a small village",
    "a candle burns in the dark",
    "a fish swims in clear water",
    "a market with many colours",
    "drone view of a forest river",
)
"""Of things that the model was not taught: it makes something all the same."""


@dataclass(frozen=True)
class Labelled:
    """A clip and whether this model made it.

    Attributes:
        kind: one of KINDS.
    """

    video: Video
    kind: str

    @property
    def made(self) -> bool:
        """Whether it is this model's."""
        return self.kind in MADE


class DetectorClips:
    """The clips of a split, made where they are missing and read where they are there.

    Args:
        folder: where they are kept, without loss.
        split: "train" or "heldout", which share no prompt, scene, map or footage.
        model: a model folder; None is the bundled one.
        scale: share of the clips to have, for a trial.
    """

    def __init__(
        self, folder: Path, split: str, model: Path | None = None, scale: float = 1.0
    ) -> None:
        counts = {"train": TRAIN_CLIPS, "heldout": HELD_OUT_CLIPS}[split]
        self.folder, self.split, self._model = folder, split, model
        plan = [(kind, n) for kind in KINDS for n in range(round(counts[kind] * scale))]
        # In equal steps through every kind, so that a part of the clips is a fair one.
        self.plan = sorted(plan, key=lambda item: (item[1] / counts[item[0]], item[0]))

    def __len__(self) -> int:
        return len(self.plan)

    def there(self) -> Iterator[Labelled]:
        """The clips that have been made so far."""
        for kind, number in self.plan:
            path = self._path(kind, number)
            if path.is_file():
                yield Labelled(video.read(path), kind)

    def make(self) -> None:
        """Make the clips that are missing."""
        missing = [item for item in self.plan if not self._path(*item).is_file()]
        self.folder.mkdir(parents=True, exist_ok=True)
        with track(len(missing), f"clips for the detector, {self.split}", unit="clips") as bar:
            for kind, number in missing:
                video.write(self._made(kind, number), self._path(kind, number))
                bar.advance()

    def _path(self, kind: str, number: int) -> Path:
        of_model = f"-{self._digest}" if kind in MADE else ""
        return self.folder / f"{self.split}-{kind}{of_model}-{number:04d}.safetensors"

    @cached_property
    def _digest(self) -> str:
        """Eight letters that are others for another model."""
        from skyloom.modelfolder import BUNDLED

        index = (self._model or BUNDLED) / INDEX
        return hashlib.sha256(index.read_bytes()).hexdigest()[:8]

    @cached_property
    def _skyloom(self) -> Skyloom:
        return Skyloom.load(self._model, device="cpu")

    @cached_property
    def _real(self) -> RealClips:
        return RealClips(self.split)

    def _made(self, kind: str, number: int) -> Video:
        rng = Random(f"detector {self.split} {kind} {number}")
        size, fps = rng.choice(SIZES), rng.choice((8.0, 12.0))
        frames = rng.choice((9, 17, 17, 25))
        if kind == "generated":
            return self._generated(number, rng, size, frames, fps)
        if kind == "reconstructed":
            other = rng.choice(("real", "real", "world", "game"))
            return self._reconstructed(self._other(other, 5000 + number, rng, size, frames, fps))
        return self._other(kind, number, rng, size, frames, fps)

    def _other(
        self, kind: str, number: int, rng: Random, size: tuple[int, int], frames: int, fps: float
    ) -> Video:
        """A clip that the model had no part in."""
        if kind == "world":
            from skyloom.world import render_clip, sample_scene

            first = 900_000 if self.split == "train" else 950_000
            scene = sample_scene(first + number, split=self.split)
            return render_clip(scene, size, frames, fps).video
        if kind == "game":
            from skyloom.world.crafter import render_crafter

            return render_crafter(700_000 + number, size, frames, fps, self.split).video
        generator = np.random.default_rng(rng.getrandbits(64))
        if kind == "real":
            return Video(self._real.sample(generator, size, frames), fps)
        return Video(graphics(generator, size, frames), fps)

    def _generated(
        self, number: int, rng: Random, size: tuple[int, int], frames: int, fps: float
    ) -> Video:
        from skyloom.world import sample_scene
        from skyloom.world.captions import tell

        first = 800_000 if self.split == "train" else 850_000
        scene = sample_scene(first + number, split=self.split)
        prompt = tell(scene, scene.seed, detailed=rng.random() < 0.5).text
        half = len(FREE_PROMPTS) // 2
        if rng.random() < 0.25:
            prompt = rng.choice(FREE_PROMPTS[:half] if self.split == "train" else
                                FREE_PROMPTS[half:])  # fmt: skip
        request = Request(
            prompt,
            size=size,
            seconds=frames / fps,
            fps=fps,
            seed=rng.getrandbits(31),
            steps=rng.choice((10, 16, 20)),
            guidance=rng.choice((2.0, 4.0, 4.0, 6.0)),
        )
        return self._skyloom.generate(request)

    @torch.inference_mode()
    def _reconstructed(self, clip: Video) -> Video:
        coder = self._skyloom.autoencoder
        pixels = rearrange(torch.from_numpy(clip.frames), "f h w c -> 1 c f h w")
        pixels = pixels.to(coder.latent_mean.dtype) / 127.5 - 1
        (latents,) = coder.encode(pixels)
        made = self._skyloom.decode_stream(iter([latents]))  # as whatever is made reaches its file
        return Video(np.concatenate(list(made)), clip.fps)


def graphics(
    rng: np.random.Generator, size: tuple[int, int], frames: int
) -> UInt8[np.ndarray, "F H W 3"]:
    """Plain graphics: a gradient, shapes that move over it, sometimes with grain."""
    from PIL import Image, ImageDraw

    width, height = size
    corners = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    ground = Image.fromarray(corners).resize(size, Image.Resampling.BILINEAR)
    count = int(rng.integers(1, 6))
    place, pace = rng.uniform(0, 1, (count, 2)), rng.normal(0, 0.02, (count, 2))
    side = rng.uniform(0.05, 0.4, count)
    colours = [tuple(map(int, colour)) for colour in rng.integers(0, 256, (count, 3))]
    round_ones = rng.random(count) < 0.5
    grain = rng.choice((0.0, 0.0, 4.0, 12.0))
    clip = []
    for frame in range(frames):
        picture = ground.copy()
        draw = ImageDraw.Draw(picture)
        for index in range(count):
            x, y = (place[index] + frame * pace[index]) * size
            half = side[index] * min(size) / 2
            paint = draw.ellipse if round_ones[index] else draw.rectangle
            paint((x - half, y - half, x + half, y + half), fill=colours[index])
        noise = rng.normal(0, grain, (height, width, 3)) if grain else 0.0
        clip.append(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
    return np.stack(clip)
