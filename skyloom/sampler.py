"""From noise to clean latents: clips, or windows of longer ones, side by side in one pass.

given tokens -> sigmas -> a trajectory of the solver for each clip -> passes of the network
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from skyloom.condition import Given
from skyloom.flow import path
from skyloom.flow.prediction import Prediction
from skyloom.flow.schedule import refining, shift_of
from skyloom.flow.solver import Denoise, Solver, Steps, named_solver
from skyloom.flow.solver import Watch as SolverWatch
from skyloom.request import Request
from skyloom.steady import steady
from skyloom.text.encoder import TextEncoder
from skyloom.text.features import TextFeatures
from skyloom.trajectory import Clip, Network, Trajectory
from skyloom.transformer.model import Transformer
from skyloom.transformer.patches import Packed, pack, unpack

Progress = Callable[[int, int], None]
"""Called after each step with its number and the number of steps."""
Told = Callable[[int, list[Tensor]], None]
"""Called with the steps that are left and the clean tokens believed in of each clip."""
Watch = Callable[[int, int, list[Tensor]], None]
"""Called after each step with its number, the number of steps, and the latents believed in then."""


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
    found = {Settings(r.steps, r.solver, r.scale(), r.rescale) for r in requests}
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


class Sampler:
    """The networks that turn noise into latents.

    `Engine` (skyloom/serve/engine.py) is one whose passes are shared with whoever else samples.

    Args:
        prediction: what the transformer's output means.
        device: where both networks are.
    """

    def __init__(
        self,
        transformer: Transformer,
        text: TextEncoder,
        prediction: Prediction,
        device: torch.device,
    ) -> None:
        self.transformer, self.text, self.device = transformer, text, device
        # One that is being trained is left as it is: it may be sharded, or compiled.
        fixed = transformer if transformer.training else steady(transformer)
        self.network = Network(fixed, prediction)

    @torch.inference_mode()
    def sample(
        self,
        pieces: Sequence[Piece],
        settings: Settings,
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> list[Float[Tensor, "C _T _H _W"]]:
        """The clean latents of each piece; each is what it would be alone.

        Raises:
            UserError: a clip left the numbers.
        """
        trajectories = [
            self._trajectory(piece, clip, settings)
            for piece, clip in zip(pieces, self._clips(pieces, settings), strict=True)
        ]
        count = max(each.count for each in trajectories)

        def told(left: int, estimates: Sequence[Tensor]) -> None:
            if progress:
                progress(count - left, count)
            if watch:
                watch(count - left, count, self._latents(trajectories, estimates))

        self._finish(trajectories, told)
        return self._latents(trajectories, [each.tokens for each in trajectories])

    def denoiser(self, pieces: Sequence[Piece], settings: Settings) -> Denoise:
        """The network as a function from noisy to clean tokens, guided by the prompts."""
        clips = self._clips(pieces, settings)
        lengths = [len(clip.places.tokens) for clip in clips]

        @torch.inference_mode()
        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            parts = zip(clips, x.split(lengths), sigma.split(lengths), strict=True)
            trajectories = [Trajectory(clip, ONCE, x, sigma[None]) for clip, x, sigma in parts]
            self._finish(trajectories, lambda left, estimates: None)
            return torch.cat([each.tokens for each in trajectories])

        return denoise

    def remembered(
        self, about: tuple[object, ...], make: Callable[[], Float[Tensor, "*any"]]
    ) -> Float[Tensor, "*any"]:
        """What `make` makes, for whoever goes through a solver's steps by `denoiser`.

        A sampler that keeps what is half done (skyloom/serve/worker/durable.py) makes it once, and
        gives it to the next run that asks for the same things in the same order.

        Args:
            about: plain values on which it depends, what was remembered before it apart.
        """
        return make()

    def _finish(self, trajectories: Sequence[Trajectory], told: Told) -> None:
        """Move all trajectories to their ends, side by side.

        Args:
            told: called whenever all of them are a step further.
        """
        teller = Teller(trajectories)
        while waiting := [each for each in trajectories if not each.done]:
            for each, clean in zip(waiting, self.network.move(waiting), strict=True):
                each.take(clean)
            if news := teller.news():
                told(*news)

    def _trajectory(self, piece: Piece, clip: Clip, settings: Settings) -> Trajectory:
        patch = self.transformer.config.patch
        clean = pack([piece.given.latents], [piece.fps], patch).tokens.to(self.device)
        sigmas = self._sigmas(settings.steps, clip.places, piece)
        x = path.mix(clean, clip.places.tokens, sigmas[0])
        return Trajectory(clip, named_solver(settings.solver), x, sigmas)

    def _sigmas(self, count: int, places: Packed, piece: Piece) -> Float[Tensor, "K N"]:
        """The schedule of every token: its clip's, never above what is given allows.

        A clip starts where the least given of its tokens starts, so that no step is lost. Where
        nothing would move for other reasons, a step is left out.
        """
        ceiling = piece.given.token_ceiling(self.transformer.config.patch)
        start = float(ceiling.max())
        shift = shift_of(len(places.tokens))
        schedule = refining(start, count, shift) if start else torch.zeros(count + 1)
        sigmas = torch.minimum(schedule[:, None], ceiling[None])
        moves = (sigmas[1:] != sigmas[:-1]).any(dim=1)
        return torch.cat([sigmas[:-1][moves], sigmas[-1:]]).to(self.device)

    def _clips(self, pieces: Sequence[Piece], settings: Settings) -> list[Clip]:
        """The pieces as the network is told of them; each prompt is encoded once, and alone."""
        free = settings.guidance == 1
        prompts = {piece.words for piece in pieces}
        prompts |= set() if free else {piece.negative for piece in pieces}
        text = {prompt: self._features(prompt) for prompt in prompts}
        return [
            Clip(
                pack(
                    [piece.noise], [piece.fps], self.transformer.config.patch, [piece.start]
                ).moved_to(self.device),
                text[piece.words],
                None if free else text[piece.negative],
                settings.guidance,
                settings.rescale,
                piece.loop,
            )
            for piece in pieces
        ]

    def _features(self, prompt: str) -> TextFeatures:
        return self.text.encode([prompt])

    def _latents(
        self, trajectories: Sequence[Trajectory], tokens: Sequence[Tensor]
    ) -> list[Float[Tensor, "C _T _H _W"]]:
        config = self.transformer.config
        return [
            unpack(each.clip.places.with_tokens(own), config.channels, config.patch)[0]
            for each, own in zip(trajectories, tokens, strict=True)
        ]


class Teller:
    """Notices when all trajectories of a call are a step further."""

    def __init__(self, trajectories: Sequence[Trajectory]) -> None:
        self._trajectories = trajectories
        self._left = max(each.count for each in trajectories)

    def news(self) -> tuple[int, list[Tensor]] | None:
        """(steps left, the clean tokens believed in of each), None if nothing is new."""
        left = max(each.count - each.step for each in self._trajectories)
        if left == self._left:
            return None
        self._left = left
        return left, [each.tokens if each.done else each.estimate for each in self._trajectories]


def _once(
    x: Float[Tensor, "N P"], sigmas: Float[Tensor, "K N"], watch: SolverWatch | None = None
) -> Steps:
    """No solver: the clean tokens believed in at the first sigma."""
    return (yield x, sigmas[0])


ONCE = Solver(_once)
