"""What the network's output means: adapters between an output and the clean tokens.

The solver asks for clean tokens, the loss compares what was predicted with what was true; what
lies between is said here and nowhere else, so that a network never knows which it was trained for.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor

from skyloom.errors import UserError
from skyloom.flow import path
from skyloom.flow.schedule import logit_normal


@runtime_checkable
class Prediction(Protocol):
    """One meaning of a network's output."""

    def clean(
        self,
        output: Float[Tensor, "N P"],
        noisy: Float[Tensor, "N P"],
        sigma: Float[Tensor, " N"],
    ) -> Float[Tensor, "N P"]:
        """The clean tokens that `output` implies."""
        ...

    def loss(
        self,
        output: Float[Tensor, "N P"],
        clean: Float[Tensor, "N P"],
        noise: Float[Tensor, "N P"],
        sigma: Float[Tensor, " N"],
    ) -> Float[Tensor, " N"]:
        """The training loss of each token."""
        ...

    def draw(self, count: int, shift: float, generator: torch.Generator) -> Float[Tensor, " N"]:
        """Sigmas of training, moved towards noise by `shift` (see flow/schedule.py)."""
        ...


@dataclass(frozen=True)
class VelocityPrediction:
    """The output is the velocity; squared error on it (conditional flow matching)."""

    def clean(
        self,
        output: Float[Tensor, "N P"],
        noisy: Float[Tensor, "N P"],
        sigma: Float[Tensor, " N"],
    ) -> Float[Tensor, "N P"]:
        return path.clean_from_velocity(noisy, output, sigma)

    def loss(
        self,
        output: Float[Tensor, "N P"],
        clean: Float[Tensor, "N P"],
        noise: Float[Tensor, "N P"],
        sigma: Float[Tensor, " N"],
    ) -> Float[Tensor, " N"]:
        return reduce((output - path.velocity(clean, noise)).square(), "n p -> n", "mean")

    def draw(self, count: int, shift: float, generator: torch.Generator) -> Float[Tensor, " N"]:
        return logit_normal(count, shift, generator)


@dataclass(frozen=True)
class CleanPrediction:
    """The output is the clean tokens, the loss is the squared error of the velocity they imply.

    Clean tokens lie on a low-dimensional manifold and noise does not, so that a narrow network can
    predict wide tokens (arXiv 2511.13720, section 4). Dividing by sigma would make the loss
    explode near clean; below `floor` the divisor stays.
    """

    floor: float = 0.1

    def clean(
        self,
        output: Float[Tensor, "N P"],
        noisy: Float[Tensor, "N P"],
        sigma: Float[Tensor, " N"],
    ) -> Float[Tensor, "N P"]:
        return output

    def loss(
        self,
        output: Float[Tensor, "N P"],
        clean: Float[Tensor, "N P"],
        noise: Float[Tensor, "N P"],
        sigma: Float[Tensor, " N"],
    ) -> Float[Tensor, " N"]:
        divisor = rearrange(sigma.clamp(min=self.floor), "n -> n 1")
        return reduce(((output - clean) / divisor).square(), "n p -> n", "mean")

    def draw(self, count: int, shift: float, generator: torch.Generator) -> Float[Tensor, " N"]:
        return logit_normal(count, shift, generator)


def named_prediction(name: str) -> Prediction:
    """The adapter called `name`: velocity, clean, cosine, linear or edm.

    Raises:
        UserError: there is none of that name.
    """
    from skyloom.flow.alternatives import ALTERNATIVES, VariancePreservingPrediction

    if name in ALTERNATIVES:
        return VariancePreservingPrediction(ALTERNATIVES[name])
    known: dict[str, Prediction] = {"velocity": VelocityPrediction(), "clean": CleanPrediction()}
    if name not in known:
        names = ", ".join([*known, *ALTERNATIVES])
        raise UserError(f"There is no prediction '{name}': use one of {names}.")
    return known[name]
