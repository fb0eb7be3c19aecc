"""What is given: `Condition` says what, where in time and how firmly; tokens get sigmas from it.

A latent that is given with strength s never rises above sigma 1 - s: at strength 1 it stays clean
and never moves, at strength 0 it is free. The ceilings are all that the sampler and the training
loss ever learn of a condition.
"""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor

from skyloom.errors import UserError
from skyloom.video import Video


@dataclass(frozen=True, eq=False)
class Condition:
    """Something given to a clip that is to be made.

    Attributes:
        video: the frames; one frame is an image.
        at: frame of the new clip at which the given ones start; negative counts from its end.
        strength: 1 keeps them as they are, 0 ignores them; one number, or one for each frame.
        mask: where it holds, for each pixel, or for each pixel of each frame; None is everywhere.
    """

    video: Video
    at: int = 0
    strength: float | tuple[float, ...] = 1.0
    mask: Bool[np.ndarray, "H W"] | Bool[np.ndarray, "F H W"] | None = None

    def __post_init__(self) -> None:
        for strength in self.strengths:
            if not 0 <= strength <= 1:
                raise UserError(f"Strength {strength} is not between 0 (ignore) and 1 (keep).")
        frames = self.video.frames
        if len(self.strengths) not in (1, len(frames)):
            raise UserError(
                f"{len(self.strengths)} strengths do not fit {len(frames)} frames: give one, "
                "or one for each frame."
            )
        if self.mask is not None and self.mask.shape not in (frames.shape[1:3], frames.shape[:3]):
            height, width = self.mask.shape[-2:]
            raise UserError(
                f"The mask is {width}x{height} and the frames are {frames.shape[2]}x"
                f"{frames.shape[1]}: they must agree."
            )

    @property
    def strengths(self) -> tuple[float, ...]:
        """One strength, or one for each frame."""
        return self.strength if isinstance(self.strength, tuple) else (self.strength,)

    def keeps(self, frame: int, total: int) -> bool:
        """Whether a frame of a clip of `total` frames is given whole and stays as it is."""
        place = frame - (self.at + total if self.at < 0 else self.at)
        if self.mask is not None or not 0 <= place < len(self.video.frames):
            return False
        return self.strengths[place if len(self.strengths) > 1 else 0] == 1


@dataclass(frozen=True)
class Given:
    """Conditions on the latent grid of one clip.

    Attributes:
        latents: what is given; zero where nothing is.
        ceiling: the highest sigma of each latent: 1 where nothing is given.
    """

    latents: Float[Tensor, "C T H W"]
    ceiling: Float[Tensor, "T H W"]

    @staticmethod
    def nothing(shape: tuple[int, int, int, int]) -> "Given":
        """A clip of which nothing is given."""
        return Given(torch.zeros(shape), torch.ones(shape[1:]))

    def token_ceiling(self, patch: tuple[int, int, int]) -> Float[Tensor, " N"]:
        """The ceiling of each token: that of the cleanest latent in it."""
        q, r, s = patch
        cut = rearrange(self.ceiling, "(t q) (y r) (x s) -> (t y x) (q r s)", q=q, r=r, s=s)
        return reduce(cut, "n p -> n", "min")

    def beside(
        self, before: Float[Tensor, "C _h H W"], after: Float[Tensor, "C _f H W"], sigma: float
    ) -> "Given":
        """The same, its first and last latent frames being these, which may rise to `sigma`."""
        latents, ceiling = self.latents.clone(), self.ceiling.clone()
        count = latents.shape[1]
        for place, known in ((0, before), (count - after.shape[1], after)):
            latents[:, place : place + known.shape[1]] = known
            ceiling[place : place + known.shape[1]] = sigma
        return Given(latents, ceiling)


@dataclass(frozen=True)
class PatternConfig:
    """How often training gives what; the shares need not add up to one.

    Attributes:
        nothing: text to video.
        first, last: one latent frame at an end.
        head, tail, ends: up to half of the clip at the start, at the end, or at both.
        scattered: latent frames here and there.
        independent: every latent frame has a noise level of its own (arXiv 2407.01392).
        firm: how often given frames are exactly clean; else they carry noise up to sigma 0.3.
    """

    nothing: float = 0.6
    first: float = 0.12
    last: float = 0.03
    head: float = 0.06
    tail: float = 0.03
    ends: float = 0.04
    scattered: float = 0.04
    independent: float = 0.08
    firm: float = 0.8


def random_ceiling(
    frames: int, config: PatternConfig, rng: np.random.Generator
) -> Float[Tensor, " T"]:
    """The ceiling of each latent frame for a random pattern of given ones.

    At least one frame stays free. A clip of one frame is never given.
    """
    if frames == 1:
        return torch.ones(1)
    names = ("nothing", "first", "last", "head", "tail", "ends", "scattered", "independent")
    shares = np.array([getattr(config, name) for name in names])
    pattern = names[rng.choice(len(names), p=shares / shares.sum())]
    if pattern == "independent":
        return torch.from_numpy(rng.random(frames).astype(np.float32))
    given = np.zeros(frames, dtype=bool)
    length = int(rng.integers(1, max(2, frames // 2 + 1)))
    match pattern:
        case "first":
            given[0] = True
        case "last":
            given[-1] = True
        case "head":
            given[:length] = True
        case "tail":
            given[-length:] = True
        case "ends":
            half = (length + 1) // 2  # as much at the start as at the end
            given[:half] = given[-half:] = True
        case "scattered":
            given = rng.random(frames) < rng.uniform(0.1, 0.6)
    if given.all():
        given[rng.integers(frames)] = False
    level = 0.0 if rng.random() < config.firm else rng.uniform(0.0, 0.3)
    return torch.from_numpy(np.where(given, level, 1.0).astype(np.float32))
