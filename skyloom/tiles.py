"""Images larger than the model makes at once: a small one first, grown and refined in tiles.

small image -> [scale up -> latents -> noise up to a middle sigma -> solver over blended tiles ->
pixels] for each doubling. A tile is a piece of its own that the model sees at a size it knows; at
every denoising the clean tokens that overlapping tiles believe in are blended (MultiDiffusion,
arXiv 2302.08113), so that all of them follow one picture and none has an edge. Memory is that of
a few tiles, whatever the size.
"""

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from itertools import product

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from skyloom.autoencoder.model import Autoencoder
from skyloom.autoencoder.tiling import decoded, encoded
from skyloom.condition import Given
from skyloom.deblocking import level
from skyloom.flow import path
from skyloom.flow.noise import latent_noise
from skyloom.flow.schedule import refining, shift_of
from skyloom.flow.solver import named_solver
from skyloom.framing import NATIVE_AREA, cover
from skyloom.request import Request
from skyloom.sampler import Piece, Progress, Sampler, Settings
from skyloom.transformer.patches import pack, unpack

AT_ONCE = 2 * NATIVE_AREA
"""Pixels of an image that the model makes at once. It has seen hardly any larger ones: at four
times the native area subjects get lost, at nine nothing is left of the prompt, where a native image
that was grown and refined keeps all (docs/log.md)."""
REFINED_FROM = 0.4
"""Sigma from which a grown image is refined: well above it every tile invents a subject of its own,
far below it none adds detail."""
REFINED_GUIDANCE = 1.0
"""Guidance of a refinement, off: what guidance pushes for is a whole picture of the prompt in every
tile, and a lattice of specks is what comes of it. It also takes half the time."""
REFINED_STEPS = 0.5
"""Steps of a refinement as a share of those of the whole way from noise."""

Frames = UInt8[np.ndarray, "F H W 3"]
Size = tuple[int, int]


@dataclass(frozen=True)
class Tiling:
    """How a grid of tokens is cut.

    Tiles half as wide again as a native image are the smallest that agree on large even areas,
    and the largest whose outermost tokens the model still places (docs/log.md).

    Attributes:
        side: tokens along a side of a tile.
        overlap: tokens that neighbours share at least.
        batch: tiles in one call of the network.
    """

    side: int = 12
    overlap: int = 4
    batch: int = 8

    def starts(self, length: int) -> list[int]:
        """Where the tiles begin along an axis of so many tokens, evenly."""
        if length <= self.side:
            return [0]
        count = -(-(length - self.overlap) // (self.side - self.overlap))
        return [round(n * (length - self.side) / (count - 1)) for n in range(count)]

    def calls(self, grid: tuple[int, int]) -> int:
        """Calls of the network for one denoising of a (y, x) grid."""
        return -(-len(self.starts(grid[0])) * len(self.starts(grid[1])) // self.batch)


TILING = Tiling()


@dataclass(frozen=True)
class Growth:
    """The way to a large image.

    Attributes:
        sizes: (width, height) of the small image, then each size it grows to, the last as asked.
        calls: calls of the network on the way to each size.
    """

    sizes: tuple[Size, ...]
    calls: tuple[int, ...]

    @classmethod
    def of(cls, request: Request, multiple: int, tiling: Tiling = TILING) -> "Growth | None":
        """The way to the image of a request; None where the model makes it at once.

        Args:
            multiple: pixels along a side of a token.
        """
        width, height = request.size
        if request.frames > 1 or request.given or request.loop or width * height <= AT_ONCE:
            return None
        sizes = [request.size]
        while sizes[-1][0] * sizes[-1][1] > AT_ONCE:
            width, height = (max(multiple, _rounded(side / 2, multiple)) for side in sizes[-1])
            if (width, height) == sizes[-1]:
                break
            sizes.append((width, height))
        sizes.reverse()
        steps = refining_steps(request)
        grids = [(height // multiple, width // multiple) for width, height in sizes[1:]]
        calls = (request.steps, *(steps * tiling.calls(grid) for grid in grids))
        return cls(tuple(sizes), calls)


def large_image(
    request: Request,
    growth: Growth,
    make: Callable[[Request, Progress | None], Iterator[Frames]],
    sampler: Sampler,
    autoencoder: Autoencoder,
    progress: Progress | None = None,
    tiling: Tiling = TILING,
) -> Frames:
    """The one frame of a request that `growth` leads to.

    Args:
        make: frames of a request that the model makes at once.
    """
    total = sum(growth.calls)
    tell = progress or (lambda step, count: None)
    small = replace(request, size=growth.sizes[0])
    picture = np.concatenate(list(make(small, lambda step, _: tell(step, total))))
    for stage, size in enumerate(growth.sizes[1:], 1):
        done = sum(growth.calls[:stage])
        grown = cover(picture[0], size)[None]

        def watch(call: int, _: int, done: int = done) -> None:
            tell(done + call, total)

        latents = refined(encoded(autoencoder, grown), request, sampler, watch, tiling)
        picture = level(decoded(autoencoder, latents), autoencoder.stride[1])
    return picture


def refining_steps(request: Request) -> int:
    """Steps of the solver in a refinement."""
    return max(1, round(request.steps * REFINED_STEPS))


@torch.inference_mode()
def refined(
    latents: Float[Tensor, "C 1 H W"],
    request: Request,
    sampler: Sampler,
    progress: Progress | None = None,
    tiling: Tiling = TILING,
) -> Float[Tensor, "C 1 H W"]:
    """The same image with the detail that its size has room for.

    Args:
        progress: called after each call of the network.
    """
    patch = sampler.transformer.config.patch
    channels, _, height, width = latents.shape
    noise = latent_noise(request.seed, (channels, 1, height, width))
    whole = pack([noise], [request.fps], patch)
    clean = pack([latents.cpu().float()], [request.fps], patch).tokens.to(sampler.device)
    cut = _Cut.of(whole.grids[0][1:], tiling)
    steps = refining_steps(request)
    schedule = refining(REFINED_FROM, steps, shift_of(cut.rows.shape[1])).to(sampler.device)
    sigmas = schedule[:, None].expand(-1, len(clean))
    blended = _Blended(cut, request, sampler, tiling, steps, progress)
    x = path.mix(clean, whole.tokens.to(sampler.device), sigmas[0])
    tokens = named_solver(request.solver)(blended, x, sigmas, blended.step_done)
    (made,) = unpack(whole.with_tokens(tokens), channels, patch)
    return made


@dataclass(frozen=True)
class _Cut:
    """Tiles of a grid of tokens.

    Attributes:
        shape: (y, x) tokens of a tile.
        rows: which tokens of the whole each tile holds.
        window: weight of each token of a tile, highest in its middle.
        weight: sum of the windows at each token of the whole.
    """

    shape: tuple[int, int]
    rows: Int[Tensor, "tiles n"]
    window: Float[Tensor, " n"]
    weight: Float[Tensor, " N"]

    @classmethod
    def of(cls, grid: tuple[int, int], tiling: Tiling) -> "_Cut":
        height, width = (min(tiling.side, length) for length in grid)
        places = torch.arange(grid[0] * grid[1]).view(grid)
        corners = product(tiling.starts(grid[0]), tiling.starts(grid[1]))
        rows = [places[y : y + height, x : x + width].flatten() for y, x in corners]
        window = torch.outer(_hann(height), _hann(width)).flatten()
        weight = torch.zeros(places.numel())
        for tile in rows:
            weight[tile] += window
        return cls((height, width), torch.stack(rows), window, weight)


class _Blended:
    """`denoise` of the whole grid: what the tiles believe in, blended where they overlap."""

    def __init__(
        self,
        cut: _Cut,
        request: Request,
        sampler: Sampler,
        tiling: Tiling,
        steps: int,
        progress: Progress | None,
    ) -> None:
        self.device = sampler.device
        self.batches = cut.rows.to(self.device).split(tiling.batch)
        self.window = cut.window.to(self.device)
        self.weight = cut.weight.to(self.device)
        settings = Settings(request.steps, request.solver, REFINED_GUIDANCE, request.rescale)
        said = (request.words, request.negative, request.fps, request.seed, request.size)
        self.about = (*said, astuple(settings), astuple(tiling), len(cut.weight))
        self.remembered = sampler.remembered
        _, down, across = sampler.transformer.config.patch
        channels = sampler.transformer.config.channels
        shape = (channels, 1, cut.shape[0] * down, cut.shape[1] * across)
        empty, nothing = torch.zeros(shape), Given.nothing(shape)
        piece = Piece(request.words, request.negative, request.fps, empty, nothing)
        self.denoise = {  # all tiles are of one shape, so that batches of one size are alike
            count: sampler.denoiser([piece] * count, settings)
            for count in {len(batch) for batch in self.batches}
        }
        self.steps, self.step, self.calls = steps, 0, 0
        self.progress = progress

    def __call__(self, x: Float[Tensor, "N P"], sigma: Float[Tensor, " N"]) -> Tensor:
        clean = self.remembered((*self.about, float(sigma[0])), lambda: self._made(x, sigma))
        self._tell(len(self.batches))
        return clean

    def _made(self, x: Float[Tensor, "N P"], sigma: Float[Tensor, " N"]) -> Tensor:
        total = torch.zeros_like(x)
        for batch in self.batches:
            rows = batch.flatten()
            believed = self.denoise[len(batch)](x[rows], sigma[rows])
            total.index_add_(0, rows, self.window.repeat(len(batch))[:, None] * believed)
            self._tell(self.calls + 1)
        return total / self.weight[:, None]

    def step_done(self, step: int, _: Tensor) -> None:
        """A step counts one denoising; where the solver takes two, the second is not told."""
        self._tell(len(self.batches))
        self.step, self.calls = step, 0

    def _tell(self, calls: int) -> None:
        if calls <= len(self.batches) and calls > self.calls and self.progress:
            every = len(self.batches)
            self.progress(self.step * every + calls, self.steps * every)
        self.calls = max(self.calls, calls)


def _hann(length: int) -> Float[Tensor, " n"]:
    return torch.sin(torch.pi * (torch.arange(length) + 0.5) / length) ** 2


def _rounded(side: float, multiple: int) -> int:
    return round(side / multiple) * multiple
