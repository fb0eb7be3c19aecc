"""Training the autoencoder: L1 and squared error on crops of the world and of real footage."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from skyloom.autoencoder.config import AutoencoderConfig
from skyloom.autoencoder.folder import load_autoencoder, save_autoencoder
from skyloom.autoencoder.model import Autoencoder
from skyloom.config import load_toml
from skyloom.data.crops import DEFAULT_SHAPES, Crops, CropShape
from skyloom.data.footage import real_sources
from skyloom.device import pick_device, pick_dtype
from skyloom.errors import UserError
from skyloom.ranges import check_ranges
from skyloom.train.imagined import Imagination, ImaginedConfig
from skyloom.train.loop import LoopConfig
from skyloom.train.optim import OptimConfig
from skyloom.train.prefetch import Prefetch
from skyloom.train.ranks import ALONE, Ranks
from skyloom.train.start import train

FIT_BATCHES = 160
FAR_STEP = 10**9


@dataclass(frozen=True)
class AutoencoderRecipe:
    """Everything that decides a run.

    Attributes:
        out: folder of the run; its model appears in out/model.
        world: folder of a raw dataset, as `skyloom world` and `skyloom ingest` make them; "" for
            real footage alone.
        held_out: the same for held-out clips, "" to evaluate on real footage alone.
        real_share: share of the crops that come from real pictures and footage.
        start: model folder to start from, "" for scratch.
        freeze_encoder: train the decoder alone, so that latents on disk stay valid.
        noise: standard deviation added to raw latents, so that the decoder forgives a denoiser.
        most_noise: the same for half of the clips, drawn for each between 0 and this: what a young
            transformer gets wrong is more than the last digit, and neighbours tell what it meant.
        latent_penalty: weight of the mean square of raw latents, which bounds their scale.
        squared: weight of the squared error beside L1.
        moving: weight of L1 on the differences of neighbouring frames: each latent frame is decoded
            by itself at first, and this is what makes the last frame of one lead to the next.
        imagined: latents as a transformer gives them, which the decoder learns to draw; they take
            the place of the noise.
    """

    out: str
    world: str = ""
    held_out: str = ""
    real_share: float = 0.35
    start: str = ""
    freeze_encoder: bool = False
    seed: int = 0
    device: str = "auto"
    noise: float = 0.03
    most_noise: float = 0.0
    latent_penalty: float = 1e-4
    squared: float = 2.0
    moving: float = 0.0
    imagined: ImaginedConfig = field(default_factory=ImaginedConfig)
    model: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    shapes: tuple[CropShape, ...] = DEFAULT_SHAPES
    optim: OptimConfig = field(default_factory=OptimConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        if not self.shapes:
            raise ValueError("shapes is empty: name one crop at least, or leave it out")
        check_ranges(self, {"real_share": (0, 1), "seed": (0, 2**31)})
        some = ("noise", "most_noise", "latent_penalty", "squared", "moving")
        check_ranges(self, {name: (0, math.inf) for name in some})


def to_pixels(frames: UInt8[np.ndarray, "B F H W 3"]) -> Float[Tensor, "B 3 F H W"]:
    """Bytes to floats in [-1, 1], channels first."""
    return rearrange(torch.from_numpy(frames), "b f h w c -> b c f h w").float() / 127.5 - 1


class AutoencoderTask:
    """Loss, evaluation and export of an autoencoder."""

    def __init__(self, recipe: AutoencoderRecipe, ranks: Ranks = ALONE) -> None:
        self.recipe = recipe
        self.device = pick_device(recipe.device)
        self.dtype = pick_dtype(self.device)
        world = Path(recipe.world) if recipe.world else None
        self.crops = Crops(world, recipe.real_share, recipe.shapes, recipe.seed)
        self.draw = Prefetch(self._pixels, stride=ranks.replicas)
        torch.manual_seed(recipe.seed)
        if recipe.start:
            model = load_autoencoder(Path(recipe.start)).requires_grad_(True)
        else:
            model = Autoencoder(recipe.model)
            self._fit_linear(model)
        model.linear.requires_grad_(False)  # steps that suit convolutions would tear it apart
        if model.encoder is not None:
            model.encoder.requires_grad_(not recipe.freeze_encoder)
        # Latents that others learn from stay what they are: their statistics as well.
        self.keeps_latents = recipe.freeze_encoder or bool(recipe.start and model.encoder is None)
        self.imagination = self._imagination(model) if recipe.imagined.model else None
        self.model = model.to(self.device, self.dtype)
        self.model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.modules: dict[str, nn.Module] = {"autoencoder": self.model}

    def _imagination(self, model: Autoencoder) -> Imagination:
        """What imagines latents of this autoencoder; they must stay what it was taught with."""
        name = self.recipe.imagined.model
        if not self.keeps_latents:
            raise UserError(
                f"The transformer of '{name}' imagines latents of the encoder that it was taught "
                "with: start from its autoencoder with freeze_encoder = true, or leave "
                "imagined.model out."
            )
        imagination = Imagination(self.recipe.imagined, self.device, self.dtype)
        if imagination.channels != model.config.channels:
            raise UserError(
                f"The transformer of '{name}' knows latents of {imagination.channels} channels, "
                f"this autoencoder has {model.config.channels}: name one that was taught with it."
            )
        return imagination

    def _fit_linear(self, model: Autoencoder) -> None:
        """Start from the principal components of the crops of steps that training never reaches."""
        blocks = []
        for step in range(FIT_BATCHES):
            pixels = model.led_in(to_pixels(self.crops.batch(FAR_STEP + step)))
            blocks.append(model.linear.blocks(pixels).flatten(0, 3))
        model.linear.fit(torch.cat(blocks))

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """L1 + squared error + a light penalty on the latents' scale."""
        pixels = self.draw(step).to(self.device, self.dtype)
        raw = self.model.encode_raw(pixels)
        error = (self.model.decode_raw(self._spoilt(raw, step)) - pixels).float()
        squared = error.square().mean()
        penalty = raw.float().square().mean()
        loss = error.abs().mean() + self.recipe.squared * squared
        if self.recipe.moving and error.shape[2] > 1:
            loss = loss + self.recipe.moving * error.diff(dim=2).abs().mean()
        return loss + self.recipe.latent_penalty * penalty, {
            "psnr": psnr(squared.item()),
            "latent_rms": penalty.sqrt().item(),
        }

    def _pixels(self, step: int) -> Float[Tensor, "B 3 F H W"]:
        return to_pixels(self.crops.batch(step))

    def waited(self) -> float:
        """Seconds, in all, that training has waited for batches."""
        return self.draw.waited

    def _spoilt(self, raw: Float[Tensor, "B C T h w"], step: int) -> Float[Tensor, "B C T h w"]:
        """Raw latents as the decoder will meet them."""
        if self.imagination is None:
            return self._noisy(raw, step)
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step)
        imagined = self.imagination(self.model.normalise(raw), generator)
        return self.model.denormalise(imagined)

    def _noisy(self, raw: Float[Tensor, "B C T h w"], step: int) -> Float[Tensor, "B C T h w"]:
        """Raw latents as a denoiser might give them: see `noise` and `most_noise`."""
        generator = torch.Generator(device=self.device)
        generator.manual_seed(self.recipe.seed * 1_000_003 + step)
        deviation = torch.full((len(raw),), self.recipe.noise, device=self.device)
        if self.recipe.most_noise:
            drawn = torch.rand(2, len(raw), generator=generator, device=self.device)
            deviation = torch.where(drawn[0] < 0.5, self.recipe.most_noise * drawn[1], deviation)
        noise = torch.randn(raw.shape, generator=generator, device=self.device, dtype=self.dtype)
        return raw + rearrange(deviation.to(self.dtype), "b -> b 1 1 1 1") * noise

    def evaluate(self) -> dict[str, float]:
        """PSNR on fixed held-out crops, real ones and of the world, where there are any."""
        recipe, figures = self.recipe, {}
        shapes = (CropShape(17, (128, 128), 4),)
        sources = {}
        if real_sources("heldout"):
            sources["real"] = Crops(None, 1.0, shapes, 1, split="heldout")
        if recipe.held_out:
            sources["world"] = Crops(Path(recipe.held_out), 0.0, shapes, 1)
        for name, crops in sources.items():
            scores = []
            for step in range(6):
                pixels = to_pixels(crops.batch(step)).to(self.device, self.dtype)
                back = self.model.decode_raw(self.model.encode_raw(pixels)).clamp(-1, 1)
                errors = (back - pixels).float().square().mean(dim=(1, 2, 3, 4))
                scores += [psnr(error.item()) for error in errors]
            figures[f"psnr_{name}"] = sum(scores) / len(scores)
        self._measure_latents()
        return figures

    def _measure_latents(self) -> None:
        """Set the latents' statistics from training crops: a mean for each channel, one deviation.

        One for all, because channels differ in deviation on purpose, see `LinearCodec.fit`.
        """
        if self.keeps_latents:
            return
        raws = []
        for step in range(24):
            pixels = to_pixels(self.crops.batch(FAR_STEP + step)).to(self.device, self.dtype)
            raws.append(
                rearrange(self.model.encode_raw(pixels).float(), "b c t h w -> (b t h w) c")
            )
        every = torch.cat(raws)
        self.model.latent_mean.copy_(every.mean(dim=0))
        self.model.latent_std.fill_((every - every.mean(dim=0)).square().mean().sqrt())

    def export(self, folder: Path) -> None:
        """Write the autoencoder as a component of model folder `folder`."""
        save_autoencoder(folder, self.model)


def psnr(squared_error: float) -> float:
    """Peak signal to noise ratio in dB of a mean squared error between pixels in [-1, 1]."""
    return float(10 * np.log10(4.0 / max(squared_error, 1e-12)))


def main(
    recipe_path: Path,
    overrides: Sequence[str] = (),
    minutes: float | None = None,
    allow_changes: bool = False,
) -> int:
    """Train by a recipe file, with the other processes if torchrun started some; see `loop.run`."""
    recipe = load_toml(AutoencoderRecipe, recipe_path, overrides)
    return train(recipe, AutoencoderTask, "autoencoder", minutes, allow_changes)
