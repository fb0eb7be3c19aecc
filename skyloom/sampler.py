"""From noise to clean latents: clips, or windows of longer ones, packed into one batch.

given tokens -> sigmas -> solver over the guided transformer
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from skyloom.condition import Given
from skyloom.flow import path
from skyloom.flow.guidance import guided
from skyloom.flow.prediction import Prediction
from skyloom.flow.schedule import refining, shift_of
from skyloom.flow.solver import Denoise, named_solver
from skyloom.request import Request
from skyloom.text.encoder import TextEncoder
from skyloom.text.features import concatenate
from skyloom.transformer.model import Transformer
from skyloom.transformer.patches import Packed, pack, unpack

Progress = Callable[[int, int], None]
"""Called after each step with its number and the number of steps."""
LOOP_TURN = 0.382
"""Part of a loop by which its seam moves on from one denoising to the next."""


@dataclass(frozen=True)
class Settings:
    """What all clips of a batch share; `Request` says what each means."""

    steps: int
    solver: str
    guidance: float
    rescale: float


def shared_settings(requests: Sequence[Request]) -> Settings:
    """What the requests of one batch have in common.

    Raises:
        ValueError: they have not.
    """
    found = {Settings(r.steps, r.solver, r.scale(r.held), r.rescale) for r in requests}
    if len(found) > 1:
        raise ValueError("requests of one batch must share steps, solver, guidance, rescale")
    return found.pop()


def part_of(progress: Progress | None, number: int, windows: int, steps: int) -> Progress | None:
    """Progress within one window, told as progress of the whole.

    A window whose schedule is cut short counts all its steps at its end.
    """
    if progress is None:
        return None
    tell = progress
    return lambda step, count: tell(number * steps + step + steps - count, windows * steps)


@dataclass(frozen=True)
class Piece:
    """One clip, or one window of a longer clip, as the sampler takes it.

    Attributes:
        words, negative: the prompt, and what takes the place of the empty one.
        fps: frames a second.
        noise: the latents' own noise.
        given: what is given of them.
        start: number of the first latent frame: 0, or 1 for a window on a longer clip.
        loop: whether the last latent frame is followed by the first.
    """

    words: str
    negative: str
    fps: float
    noise: Float[Tensor, "C T H W"]
    given: Given
    start: int = 0
    loop: bool = False


@dataclass(frozen=True)
class Sampler:
    """The networks that turn noise into latents.

    Attributes:
        prediction: what the transformer's output means.
        device: where both networks are.
    """

    transformer: Transformer
    text: TextEncoder
    prediction: Prediction
    device: torch.device

    @torch.inference_mode()
    def sample(
        self, pieces: Sequence[Piece], settings: Settings, progress: Progress | None = None
    ) -> list[Float[Tensor, "C _T _H _W"]]:
        """The clean latents of each piece; each is what it would be alone."""
        config = self.transformer.config
        rates, starts = [piece.fps for piece in pieces], [piece.start for piece in pieces]
        packed = pack([piece.noise for piece in pieces], rates, config.patch, starts)
        packed = packed.moved_to(self.device)
        clean = pack([piece.given.latents for piece in pieces], rates, config.patch).tokens
        clean = clean.to(self.device)
        sigmas = self._sigmas(settings.steps, packed, pieces)
        x = path.mix(clean, packed.tokens, sigmas[0])
        count = len(sigmas) - 1
        watch = (lambda step, _: progress(step, count)) if progress else None
        tokens = named_solver(settings.solver)(
            self.denoiser(pieces, packed, settings), x, sigmas, watch
        )
        return unpack(packed.with_tokens(tokens), config.channels, config.patch)

    def _sigmas(self, count: int, packed: Packed, pieces: Sequence[Piece]) -> Float[Tensor, "K N"]:
        """The schedule of every token: its clip's, never above what is given allows.

        A clip starts where the least given of its tokens starts, so that no step is lost. Where
        nothing would move for other reasons, a step is left out.
        """
        columns = []
        for grid, piece in zip(packed.grids, pieces, strict=True):
            ceiling = piece.given.token_ceiling(self.transformer.config.patch)
            start = float(ceiling.max())
            shift = shift_of(grid[0] * grid[1] * grid[2])
            schedule = refining(start, count, shift) if start else torch.zeros(count + 1)
            columns.append(torch.minimum(schedule[:, None], ceiling[None]))
        sigmas = torch.cat(columns, dim=1)
        moves = (sigmas[1:] != sigmas[:-1]).any(dim=1)
        return torch.cat([sigmas[:-1][moves], sigmas[-1:]]).to(self.device)

    def denoiser(self, pieces: Sequence[Piece], packed: Packed, settings: Settings) -> Denoise:
        """The transformer as a function from noisy to clean tokens, guided by the prompts."""
        text = self.text.encode([piece.words for piece in pieces])
        seams = _Seams(packed, pieces)
        if settings.guidance == 1:

            def alone(x: Tensor, sigma: Tensor) -> Tensor:
                here = seams.turned().with_tokens(x)
                return self.prediction.clean(
                    self.transformer(here, sigma, text).prediction, x, sigma
                )

            return alone
        text = concatenate([text, self.text.encode([piece.negative for piece in pieces])])

        def both(x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
            here = seams.turned()
            twice = here.followed_by(here).with_tokens(torch.cat([x, x]))
            output = self.transformer(twice, torch.cat([sigma, sigma]), text).prediction
            with_prompt, without = output.chunk(2)
            clean = self.prediction.clean
            return clean(with_prompt, x, sigma), clean(without, x, sigma)

        groups = nn.functional.one_hot(packed.clip_of_token(), len(pieces)).float()
        return guided(both, settings.guidance, settings.rescale, groups)


class _Seams:
    """Packed clips whose loops turn from one denoising to the next.

    A loop has no first frame, but the network counts time from one. Which latent frame comes first
    therefore changes at every denoising: each pair of neighbours is inside of the clip most of the
    time, the last and the first as well, and no seam is left.
    """

    def __init__(self, packed: Packed, pieces: Sequence[Piece]) -> None:
        self.packed, self.calls = packed, 0
        self.loops = [piece.loop for piece in pieces]

    def turned(self) -> Packed:
        """The clips with the coordinates of the next denoising."""
        if not any(self.loops):
            return self.packed
        columns = list(self.packed.coordinates.split(self.packed.lengths))
        for index, (loop, grid) in enumerate(zip(self.loops, self.packed.grids, strict=True)):
            if loop:
                shift = round(self.calls * LOOP_TURN * grid[0]) % grid[0]
                columns[index] = _rolled(columns[index], grid, shift)
        self.calls += 1
        return replace(self.packed, coordinates=torch.cat(columns))


def _rolled(
    coordinates: Float[Tensor, "N 3"], grid: tuple[int, int, int], shift: int
) -> Float[Tensor, "N 3"]:
    """The same places, those in time `shift` latent frames later, the last ones at the start."""
    frames = rearrange(coordinates, "(t s) a -> t s a", t=grid[0])
    times = frames[..., :1].roll(-shift, dims=0)
    return rearrange(torch.cat([times, frames[..., 1:]], dim=-1), "t s a -> (t s) a")
