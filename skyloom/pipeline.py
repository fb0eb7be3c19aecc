"""Words to video: the glue between the rooms, and nothing else.

grid -> noise -> given tokens -> sigmas -> solver over the guided transformer -> decode
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from skyloom.condition import Given
from skyloom.device import pick_device, pick_dtype
from skyloom.errors import UserError
from skyloom.flow import path
from skyloom.flow.guidance import guided
from skyloom.flow.noise import latent_noise
from skyloom.flow.prediction import named_prediction
from skyloom.flow.schedule import shift_of, steps
from skyloom.flow.solver import SOLVERS, Denoise, named_solver
from skyloom.limits import check_memory, check_size, frames_of
from skyloom.modelfolder import Model, load_model
from skyloom.text.features import TextFeatures, concatenate
from skyloom.transformer.patches import Packed, pack, unpack
from skyloom.video import Video

Progress = Callable[[int, int], None]
"""Called after each step with its number and the number of steps."""


@dataclass(frozen=True)
class Request:
    """What is to be made.

    Attributes:
        prompt: what the clip shows.
        size: (width, height) in pixels, multiples of the model's 32.
        seconds: length; 0 is a single image.
        fps: frames a second.
        seed: the same seed and request give the same frames, alone or in company.
        steps: steps of the solver.
        guidance: how far beyond the prompt's own difference to go; 1 is off.
        rescale: how much guidance may not change the contrast, 0..1.
        negative: what the clip should not be like; takes the place of the empty prompt.
        solver: one of `flow.solver.SOLVERS`.
    """

    prompt: str
    size: tuple[int, int] = (128, 128)
    seconds: float = 4.0
    fps: float = 12.0
    seed: int = 0
    steps: int = 20
    guidance: float = 4.0
    rescale: float = 0.5
    negative: str = ""
    solver: str = "multistep"

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise UserError("The prompt is empty: say in words what the clip should show.")
        if self.steps < 1:
            raise UserError(f"{self.steps} steps cannot make a clip: use 1 or more, 20 is usual.")
        if not 0 <= self.guidance < math.inf:
            raise UserError(f"Guidance {self.guidance} cannot be: use 1 (off) to about 8.")
        if not 0 <= self.rescale <= 1:
            raise UserError(f"Rescale {self.rescale} is not between 0 (off) and 1.")
        if not 0 < self.fps <= 60:
            raise UserError(f"{self.fps:g} frames a second cannot be made: use 1 to 60.")
        if not self.seconds >= 0:
            raise UserError(f"{self.seconds:g} seconds cannot be made: use 0 (an image) or more.")
        if self.solver not in SOLVERS:
            raise UserError(f"There is no solver '{self.solver}': use {', '.join(SOLVERS)}.")


class Skyloom:
    """A loaded model that makes videos.

    Args:
        model: its networks are moved to `device`, in place.
        device: "auto", "cpu", "cuda", ...
        dtype: precision in which the networks run; None is what suits the device.
    """

    def __init__(
        self, model: Model, device: str = "auto", dtype: torch.dtype | None = None
    ) -> None:
        self.device = pick_device(device)
        dtype = dtype or pick_dtype(self.device)
        self.model = model
        self.autoencoder = model.autoencoder.to(self.device, dtype)
        self.transformer = model.transformer.to(self.device, dtype)
        self.text = model.text.to(self.device, dtype)
        self.prediction = named_prediction(self.transformer.config.prediction)

    @classmethod
    def load(cls, folder: Path | str | None = None, device: str = "auto") -> "Skyloom":
        """Load a model folder; the bundled model if none is named.

        Raises:
            UserError: the folder is missing, incomplete, of another format, or damaged.
        """
        return cls(load_model(None if folder is None else Path(folder)), device)

    def generate(self, request: Request | str, progress: Progress | None = None) -> Video:
        """Make one clip.

        Raises:
            UserError: a size or length that the model cannot make, or that needs more memory than
                there is.
        """
        request = Request(request) if isinstance(request, str) else request
        return self.generate_many([request], progress)[0]

    def generate_many(
        self, requests: Sequence[Request], progress: Progress | None = None
    ) -> list[Video]:
        """Make several clips in one packed batch.

        Each clip is what it would be alone: its noise comes from its own seed.

        Raises:
            UserError: as `generate` does.
            ValueError: they do not all ask for the same steps, solver, guidance and rescale.
        """
        latents = self.sample(requests, progress)
        return [self.decode(clip, request) for clip, request in zip(latents, requests, strict=True)]

    @torch.inference_mode()
    def sample(
        self, requests: Sequence[Request], progress: Progress | None = None
    ) -> list[Float[Tensor, "C _T _H _W"]]:
        """The clean latents of each request."""
        first = requests[0]
        shared = {(r.steps, r.solver, r.guidance, r.rescale) for r in requests}
        if len(shared) > 1:
            raise ValueError("requests of one batch must share steps, solver, guidance, rescale")
        shapes = [self.latent_shape(request) for request in requests]
        given = [Given.nothing(shape) for shape in shapes]
        noise = [latent_noise(r.seed, shape) for r, shape in zip(requests, shapes, strict=True)]
        rates = [request.fps for request in requests]
        patch = self.transformer.config.patch
        packed = pack(noise, rates, patch).moved_to(self.device)
        clean = pack([g.latents for g in given], rates, patch).tokens.to(self.device)
        sigmas = self._sigmas(first.steps, packed, given)
        x = path.mix(clean, packed.tokens, sigmas[0])
        watch = (lambda step, _: progress(step, first.steps)) if progress else None
        tokens = named_solver(first.solver)(self._denoiser(requests, packed), x, sigmas, watch)
        return unpack(packed.with_tokens(tokens), self.transformer.config.channels, patch)

    @torch.inference_mode()
    def decode(self, latents: Float[Tensor, "C T H W"], request: Request) -> Video:
        """Latents to the frames that were asked for."""
        frames = np.concatenate(list(self.decode_stream(latents)))
        wanted = max(1, round(request.seconds * request.fps))
        return Video(frames[:wanted], request.fps)

    @torch.inference_mode()
    def decode_stream(
        self, latents: Float[Tensor, "C T H W"], chunk: int = 4
    ) -> Iterator[UInt8[np.ndarray, "F H W 3"]]:
        """Bytes of the frames as they are decoded, `chunk` latent frames at a time."""
        pieces = (piece[None] for piece in latents.split(chunk, dim=1))
        for pixels in self.autoencoder.decode_stream(pieces):
            bytes_ = ((pixels[0].float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
            yield rearrange(bytes_, "c f h w -> f h w c").cpu().numpy()

    def latent_shape(self, request: Request) -> tuple[int, int, int, int]:
        """(C, T, H, W) of the latents of a request.

        Raises:
            UserError: the model cannot make this size or length, or memory would not hold it.
        """
        time, space, _ = self.autoencoder.stride
        patch = self.transformer.config.patch
        check_size(request.size, space * patch[1], space * patch[2])
        frames = frames_of(request.seconds, request.fps, time * patch[0])
        width, height = request.size
        check_memory(frames, request.size, self.autoencoder.config.widths[0])
        channels = self.autoencoder.config.channels
        return channels, 1 + (frames - 1) // time, height // space, width // space

    def _sigmas(self, count: int, packed: Packed, given: Sequence[Given]) -> Float[Tensor, "K N"]:
        """The schedule of every token: its clip's, never above what is given allows."""
        columns = []
        for grid, one in zip(packed.grids, given, strict=True):
            tokens = grid[0] * grid[1] * grid[2]
            schedule = steps(count, shift_of(tokens))
            columns.append(torch.minimum(schedule[:, None], one.token_ceiling(grid)[None]))
        return torch.cat(columns, dim=1).to(self.device)

    def _denoiser(self, requests: Sequence[Request], packed: Packed) -> Denoise:
        """The transformer as a function from noisy to clean tokens, guided by the prompts."""
        first = requests[0]
        text = self.text.encode([request.prompt for request in requests])
        if first.guidance == 1:
            return lambda x, sigma: self._clean(packed.with_tokens(x), sigma, text)
        without = self.text.encode([request.negative for request in requests])
        text = concatenate([text, without])
        twice = packed.followed_by(packed)

        def both(x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
            doubled = twice.with_tokens(torch.cat([x, x]))
            clean = self._clean(doubled, torch.cat([sigma, sigma]), text)
            with_prompt, without_prompt = clean.chunk(2)
            return with_prompt, without_prompt

        groups = torch.nn.functional.one_hot(packed.clip_of_token()).float()
        return guided(both, first.guidance, first.rescale, groups)

    def _clean(self, packed: Packed, sigma: Tensor, text: TextFeatures) -> Tensor:
        output = self.transformer(packed, sigma, text).prediction
        return self.prediction.clean(output, packed.tokens, sigma)


def variations(request: Request, count: int) -> list[Request]:
    """The same request with the seeds that follow."""
    return [replace(request, seed=request.seed + index) for index in range(count)]
