"""One clip on its way from noise to data, and the pass of the network that moves many at once.

A trajectory asks: it holds a solver's steps, which want clean tokens for (x, sigma). `Network`
answers any number of trajectories in one pass, whatever their prompts, sizes, steps, solvers and
guidance: every token carries its own sigma, and clips are packed and not padded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from skyloom.errors import UserError
from skyloom.flow.guidance import guided
from skyloom.flow.prediction import Prediction
from skyloom.flow.solver import Solver
from skyloom.text.features import TextFeatures, concatenate
from skyloom.transformer.model import Transformer
from skyloom.transformer.patches import Packed

LOOP_TURN = 0.382
"""Part of a loop by which its seam moves on from one denoising to the next."""


@dataclass(frozen=True, eq=False)
class Clip:
    """What the network is told of a clip, the same at every denoising.

    Attributes:
        places: one clip's coordinates; its tokens do not matter.
        text: the prompt's features.
        negative: those of what takes the place of the empty prompt; None where guidance is off.
        guidance, rescale: as in `flow.guidance.guided`.
        loop: whether its seam turns, see `at`.
    """

    places: Packed
    text: TextFeatures
    negative: TextFeatures | None
    guidance: float = 1.0
    rescale: float = 0.0
    loop: bool = False

    @property
    def rows(self) -> int:
        """Rows of the packed sequence that one denoising takes: tokens and words."""
        tokens = len(self.places.tokens)
        if self.negative is None:
            return tokens + len(self.text.features)
        return 2 * tokens + len(self.text.features) + len(self.negative.features)

    def at(self, x: Float[Tensor, "N P"], number: int) -> Packed:
        """Its noisy tokens at the denoising of this number, from 0.

        A loop has no first frame, but the network counts time from one. Which latent frame comes
        first therefore changes at every denoising: each pair of neighbours is inside of the clip
        most of the time, the last and the first as well, and no seam is left.
        """
        if not self.loop:
            return self.places.with_tokens(x)
        (grid,) = self.places.grids
        shift = round(number * LOOP_TURN * grid[0]) % grid[0]
        return replace(self.places, tokens=x, coordinates=_rolled(self.places, shift))


class Trajectory:
    """A clip and how far it has come.

    Attributes:
        clip: what the network is told.
        step, count: steps done, of so many.
        estimate: the clean tokens believed in at the last of them, the noise before the first.
    """

    def __init__(
        self, clip: Clip, solver: Solver, x: Float[Tensor, "N P"], sigmas: Float[Tensor, "K N"]
    ) -> None:
        self.clip = clip
        self.step, self.count = 0, len(sigmas) - 1
        self._x, self._denoisings, self.estimate = x, 0, x
        self._steps = solver.steps(x, sigmas, self._watch)
        self._asked: tuple[Tensor, Tensor] | None = next(self._steps, None)

    @property
    def done(self) -> bool:
        """Whether it has arrived."""
        return self._asked is None

    @property
    def tokens(self) -> Float[Tensor, "N P"]:
        """The clean tokens, once it is done."""
        assert self.done
        return self._x

    @property
    def asked(self) -> tuple[Packed, Float[Tensor, " N"]]:
        """What it waits for: the clean tokens of these noisy ones, whose sigmas are such."""
        assert self._asked is not None
        x, sigma = self._asked
        return self.clip.at(x, self._denoisings), sigma

    def take(self, clean: Float[Tensor, "N P"]) -> None:
        """Go on with the clean tokens believed in.

        Raises:
            UserError: they are no numbers.
        """
        if not bool(torch.isfinite(clean).all()):
            raise UserError(
                f"Step {self.step + 1} of {self.count} gave numbers that are not finite: "
                f"guidance {self.clip.guidance:g} may be too high, 1 to 8 works."
            )
        self._denoisings += 1
        try:
            self._asked = self._steps.send(clean)
        except StopIteration as end:
            self._asked, self._x = None, end.value

    def _watch(self, step: int, estimate: Tensor) -> None:
        self.step, self.estimate = step, estimate


@dataclass(frozen=True, eq=False)
class Network:
    """The transformer, and what its output means."""

    transformer: Transformer
    prediction: Prediction

    @torch.inference_mode()
    def move(self, trajectories: Sequence[Trajectory]) -> list[Float[Tensor, "_N P"]]:
        """What each trajectory asks for, guided by its prompts, in one pass for all of them."""
        asked = [trajectory.asked for trajectory in trajectories]
        clips = [trajectory.clip for trajectory in trajectories]
        unprompted = [i for i, clip in enumerate(clips) if clip.negative is not None]
        packed = _joined([*(each for each, _ in asked), *(asked[i][0] for i in unprompted)])
        sigma = torch.cat([*(each for _, each in asked), *(asked[i][1] for i in unprompted)])
        negatives = [clip.negative for clip in clips if clip.negative is not None]
        text = concatenate([*(clip.text for clip in clips), *negatives])
        output = self.transformer(packed, sigma, text).prediction
        clean = self.prediction.clean(output, packed.tokens, sigma).split(packed.lengths)
        found = list(clean[: len(clips)])
        for i, without in zip(unprompted, clean[len(clips) :], strict=True):
            found[i] = guided(found[i], without, clips[i].guidance, clips[i].rescale)
        return found


def _joined(parts: Sequence[Packed]) -> Packed:
    """The clips of all parts, in order."""
    return Packed(
        torch.cat([part.tokens for part in parts]),
        torch.cat([part.coordinates for part in parts]),
        tuple(grid for part in parts for grid in part.grids),
        tuple(fps for part in parts for fps in part.fps),
    )


def _rolled(places: Packed, shift: int) -> Float[Tensor, "N 3"]:
    """The same places, those in time `shift` latent frames later, the last ones at the start."""
    frames = rearrange(places.coordinates, "(t s) a -> t s a", t=places.grids[0][0])
    times = frames[..., :1].roll(-shift, dims=0)
    return rearrange(torch.cat([times, frames[..., 1:]], dim=-1), "t s a -> (t s) a")
