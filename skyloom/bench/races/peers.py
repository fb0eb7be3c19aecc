"""Transformers of one shape to race: skyloom's, and those of diffusers where it is installed.

A racer is a network with inputs ready made: `step()` runs it forward and returns its prediction.
All have the same width, depth, heads, video tokens, text tokens and precision, random weights, and
one clip, unless others are asked for. They differ in design, which is the point, and so in FLOPs,
which are counted.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, cast

import torch
from torch import Tensor, nn

from skyloom.text.features import TextFeatures
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.model import Transformer
from skyloom.transformer.patches import pack

Grid = tuple[int, int, int]
"""(t, y, x) tokens of a clip."""
Step = Callable[[], Tensor]
"""Forward once, on inputs that are ready made; returns the prediction."""

CHANNELS = 16
PATCH = 2
MLP_RATIO = 4
ROUTED = 0.5
"""Share of the tokens that skip the middle blocks in a training step that routes."""


@dataclass(frozen=True)
class RaceShape:
    """The shape that all racers share.

    Attributes:
        grid: (t, y, x) video tokens of the clip.
        text: tokens of the prompt.
    """

    width: int = 512
    depth: int = 8
    heads: int = 8
    grid: Grid = (16, 8, 8)
    text: int = 64

    @property
    def tokens(self) -> int:
        """Video tokens."""
        return self.grid[0] * self.grid[1] * self.grid[2]


def latents_of(grid: Grid) -> tuple[int, int, int]:
    """Latent frames, height and width that these tokens cover."""
    return grid[0], PATCH * grid[1], PATCH * grid[2]


@dataclass(frozen=True)
class Racer:
    """One network and its inputs.

    Attributes:
        step: forward one clip of the shape's grid.
        clips: makes a step of so many clips, all of one grid, as every batch of the peers is.
        routed: `step` with tokens routed past the middle blocks, which a recipe may ask for.
    """

    name: str
    network: nn.Module
    step: Step
    clips: Callable[[int, Grid], Step]
    routed: Step | None = None


def racers(shape: RaceShape, dtype: torch.dtype = torch.bfloat16) -> list[Racer]:
    """Ours first, then those of diffusers if it is installed."""
    torch.manual_seed(0)
    makers = [_skyloom]
    if find_spec("diffusers") is not None:
        makers += [_cogvideox, _sd3, _wan]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what diffusers says about itself while it is imported
        return [maker(shape, dtype) for maker in makers]


def packed_step(network: Transformer, grids: Sequence[Grid], text: int) -> Step:
    """A step of ours over clips of any grids, each with a prompt of `text` tokens."""
    latents = [torch.randn(CHANNELS, *latents_of(grid)) for grid in grids]
    packed = pack(latents, [12.0] * len(grids), network.config.patch)
    sigma = torch.rand(len(grids)).repeat_interleave(torch.tensor(packed.lengths))
    features = torch.randn(text * len(grids), network.config.text_width)
    prompts = TextFeatures(features.to(network.enter.weight.dtype), (text,) * len(grids))
    return lambda: network(packed, sigma, prompts).prediction


def _skyloom(shape: RaceShape, dtype: torch.dtype) -> Racer:
    config = TransformerConfig(
        channels=CHANNELS, patch=(1, PATCH, PATCH), width=shape.width, depth=shape.depth,
        heads=shape.heads, mlp_ratio=MLP_RATIO, text_mlp_ratio=MLP_RATIO, text_width=shape.width,
    )  # fmt: skip
    network = Transformer(config).to(dtype)
    packed = pack([torch.randn(CHANNELS, *latents_of(shape.grid))], [12.0], config.patch)
    sigma = torch.full((shape.tokens,), 0.5)
    text = TextFeatures(torch.randn(shape.text, shape.width, dtype=dtype), (shape.text,))
    kept = torch.randperm(shape.tokens)[: round(shape.tokens * (1 - ROUTED))].sort().values
    return Racer(
        "skyloom",
        network,
        lambda: network(packed, sigma, text).prediction,
        lambda count, grid: packed_step(network, [grid] * count, shape.text),
        lambda: network(packed, sigma, text, kept).prediction,
    )


def _cogvideox(shape: RaceShape, dtype: torch.dtype) -> Racer:
    from diffusers import CogVideoXTransformer3DModel

    frames, height, width = latents_of(shape.grid)
    network = cast(Any, CogVideoXTransformer3DModel)(
        num_attention_heads=shape.heads, attention_head_dim=shape.width // shape.heads,
        in_channels=CHANNELS, out_channels=CHANNELS, time_embed_dim=shape.width,
        text_embed_dim=shape.width, num_layers=shape.depth, sample_width=width,
        sample_height=height, sample_frames=4 * (frames - 1) + 1, patch_size=PATCH,
        max_text_seq_length=shape.text,
    ).to(dtype)  # fmt: skip
    # It would compute the positions of another grid than its own anew for every clip.
    places = network.patch_embed
    places._get_positional_embeddings = lru_cache(places._get_positional_embeddings)

    def clips(count: int, grid: Grid) -> Step:
        frames, height, width = latents_of(grid)
        x = torch.randn(count, frames, CHANNELS, height, width, dtype=dtype)
        text = torch.randn(count, shape.text, shape.width, dtype=dtype)
        when = torch.randint(1000, (count,))
        return lambda: network(x, text, when).sample

    return Racer("diffusers CogVideoX", network, clips(1, shape.grid), clips)


def _sd3(shape: RaceShape, dtype: torch.dtype) -> Racer:
    from diffusers import SD3Transformer2DModel

    frames, height, width = latents_of(shape.grid)
    network = cast(Any, SD3Transformer2DModel)(
        sample_size=max(frames * height, width), patch_size=PATCH, in_channels=CHANNELS,
        out_channels=CHANNELS, num_layers=shape.depth, num_attention_heads=shape.heads,
        attention_head_dim=shape.width // shape.heads, joint_attention_dim=shape.width,
        caption_projection_dim=shape.width, pooled_projection_dim=shape.width,
        pos_embed_max_size=frames * height, qk_norm="rms_norm",
    ).to(dtype)  # fmt: skip

    def clips(count: int, grid: Grid) -> Step:
        # It makes images: a clip's frames below each other are one of as many tokens.
        frames, height, width = latents_of(grid)
        x = torch.randn(count, CHANNELS, frames * height, width, dtype=dtype)
        text = torch.randn(count, shape.text, shape.width, dtype=dtype)
        pooled = torch.randn(count, shape.width, dtype=dtype)
        when = torch.randint(1000, (count,))
        return lambda: network(x, text, pooled, when).sample

    return Racer("diffusers SD3", network, clips(1, shape.grid), clips)


def _wan(shape: RaceShape, dtype: torch.dtype) -> Racer:
    from diffusers import WanTransformer3DModel

    network = cast(Any, WanTransformer3DModel)(
        patch_size=(1, PATCH, PATCH), num_attention_heads=shape.heads,
        attention_head_dim=shape.width // shape.heads, in_channels=CHANNELS,
        out_channels=CHANNELS, text_dim=shape.width, ffn_dim=MLP_RATIO * shape.width,
        num_layers=shape.depth,
    ).to(dtype)  # fmt: skip

    def clips(count: int, grid: Grid) -> Step:
        x = torch.randn(count, CHANNELS, *latents_of(grid), dtype=dtype)
        text = torch.randn(count, shape.text, shape.width, dtype=dtype)
        when = torch.randint(1000, (count,))
        return lambda: network(x, when, text).sample

    return Racer("diffusers Wan", network, clips(1, shape.grid), clips)
