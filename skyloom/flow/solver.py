"""Solvers of the flow: plain functions over `denoise(x, sigma) -> x_hat`.

They follow dx / dsigma = (x - x_hat) / sigma from noise to data. `sigmas` has a row for each
point of the schedule and a column for each token: a token whose sigma does not move does not move
either, which is how given frames stay as they are. A solver has never heard of a transformer.

Each is written once, as a generator that asks: it yields (x, sigma), is sent x_hat, and returns the
tokens at the last sigma. Whoever denoises for one clip alone calls the solver with a `denoise`;
whoever denoises for many at once drives their `steps` side by side.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from skyloom.errors import UserError
from skyloom.flow.path import velocity_from_clean

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(x "N P", sigma "N") to the clean tokens believed in, "N P"."""
Watch = Callable[[int, Tensor], None]
"""Called after each step with its number (from 1) and the clean tokens believed in then."""
Steps = Generator[tuple[Tensor, Tensor], Tensor, Tensor]
"""Yields (x "N P", sigma "N"), is sent the clean tokens believed in, returns the last x."""


@dataclass(frozen=True)
class Solver:
    """A way from noise to data, to be called with a denoiser or gone step by step.

    Attributes:
        steps: (x "N P", sigmas "K N", watch) to the generator of `Steps`.
    """

    steps: Callable[[Tensor, Tensor, Watch | None], Steps]

    def __call__(
        self,
        denoise: Denoise,
        x: Float[Tensor, "N P"],
        sigmas: Float[Tensor, "K N"],
        watch: Watch | None = None,
    ) -> Float[Tensor, "N P"]:
        """The tokens at the last of `sigmas`, from `x` at the first."""
        steps = self.steps(x, sigmas, watch)
        asked = next(steps, None)
        while asked is not None:
            try:
                asked = steps.send(denoise(*asked))
            except StopIteration as end:
                return end.value
        return x


@Solver
def euler(
    x: Float[Tensor, "N P"], sigmas: Float[Tensor, "K N"], watch: Watch | None = None
) -> Steps:
    """First order: follow the velocity at each point. One denoising a step."""
    for step, (now, after) in enumerate(pairwise(sigmas), 1):
        x_hat = yield x, now
        x = x + (after - now)[:, None] * velocity_from_clean(x, x_hat, now)
        if watch:
            watch(step, x_hat)
    return x


@Solver
def heun(
    x: Float[Tensor, "N P"], sigmas: Float[Tensor, "K N"], watch: Watch | None = None
) -> Steps:
    """Second order: mean of the velocities at both ends (arXiv 2206.00364, algorithm 1).

    Two denoisings a step; one where a step ends at sigma 0, where there is no velocity.
    """
    for step, (now, after) in enumerate(pairwise(sigmas), 1):
        x_hat = yield x, now
        first = velocity_from_clean(x, x_hat, now)
        move = (after - now)[:, None]
        if bool((after > 0).any()):
            there = x + move * first
            x_hat_there = yield there, after
            second = velocity_from_clean(there, x_hat_there, after)
            first = torch.where((after > 0)[:, None], (first + second) / 2, first)
        x = x + move * first
        if watch:
            watch(step, x_hat)
    return x


@Solver
def multistep(
    x: Float[Tensor, "N P"], sigmas: Float[Tensor, "K N"], watch: Watch | None = None
) -> Steps:
    """Second order with one denoising a step: DPM-Solver++(2M) (arXiv 2211.01095, algorithm 2).

    In lambda = log((1 - sigma) / sigma) the clean estimate is extrapolated linearly from the last
    two points. The first step (from pure noise, where lambda is minus infinity) and a step that
    ends clean are first order.
    """
    before: tuple[Tensor, Tensor] | None = None  # the last x_hat, and lambda where it was made
    for step, (now, after) in enumerate(pairwise(sigmas), 1):
        x_hat = yield x, now
        here, there = _log_ratio(now), _log_ratio(after)
        guess = x_hat
        if before is not None:
            old_x_hat, old = before
            weight = (there - here) / (2 * (here - old))
            usable = torch.isfinite(weight) & (here > old)
            weight = torch.where(usable, weight, torch.zeros_like(weight))
            guess = x_hat + weight[:, None] * (x_hat - old_x_hat)
        x = x + (after - now)[:, None] * velocity_from_clean(x, guess, now)
        before = (x_hat, here)
        if watch:
            watch(step, x_hat)
    return x


def _log_ratio(sigma: Tensor) -> Tensor:
    return torch.log1p(-sigma) - torch.log(sigma)


SOLVERS = {"euler": euler, "heun": heun, "multistep": multistep}


def named_solver(name: str) -> Solver:
    """The solver called `name`.

    Raises:
        UserError: there is none of that name.
    """
    if name not in SOLVERS:
        raise UserError(f"There is no solver '{name}': use one of {', '.join(SOLVERS)}.")
    return SOLVERS[name]
