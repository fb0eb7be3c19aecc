"""The bundled text encoder: a small bidirectional transformer, trained with the video model.

Pre-norm blocks with rotary positions. A letter of a spelled word also learns which letter it is:
the video model reads text tokens as a set, so order that it must draw has to be in the features.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from skyloom.ranges import check_ranges
from skyloom.text.features import TextFeatures
from skyloom.text.tokenizer import MAX_PLACE, Tokenizer

INITIAL_STD = 0.02
ROTARY_BASE = 1000.0


@dataclass(frozen=True)
class BundledTextConfig:
    """Sizes of the bundled encoder.

    Attributes:
        vocabulary: rows of the embedding, at least as many as the tokenizer has tokens.
        width: E of the features, and inside.
        depth: number of blocks.
        heads: attention heads; width / heads is the head width, an even number.
        max_tokens: tokens of the longest prompt, END included.
    """

    vocabulary: int = 2048
    width: int = 256
    depth: int = 2
    heads: int = 4
    max_tokens: int = 128

    def __post_init__(self) -> None:
        check_ranges(self, {"depth": (0, math.inf), "width": (1, math.inf), "heads": (1, math.inf)})
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"width {self.width} over {self.heads} heads must give an even number")


@dataclass(frozen=True, eq=False)
class TextTokens:
    """Tokenised prompts, laid end to end; cheap to make ahead, in a worker of the data loader.

    Attributes:
        ids: numbers of the tokens.
        places: which letter of a spelled word each is, from 1; 0 for all other tokens.
        lengths: tokens of each prompt; they add up to L.
    """

    ids: Int[Tensor, " L"]
    places: Int[Tensor, " L"]
    lengths: tuple[int, ...]

    def to(self, device: torch.device | str) -> "TextTokens":
        """The same on another device."""
        return TextTokens(self.ids.to(device), self.places.to(device), self.lengths)


class BundledTextEncoder(nn.Module):
    """A `TextEncoder` whose features are differentiable, down to the embedding of the tokens."""

    def __init__(self, config: BundledTextConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        if tokenizer.vocabulary > config.vocabulary:
            raise ValueError(
                f"{tokenizer.vocabulary} tokens do not fit a vocabulary of {config.vocabulary}"
            )
        if tokenizer.max_tokens != config.max_tokens:
            raise ValueError(
                f"the tokenizer cuts at {tokenizer.max_tokens} tokens, not at {config.max_tokens}"
            )
        self.config = config
        self.tokenizer = tokenizer
        self.embed = nn.Embedding(config.vocabulary, config.width)
        self.embed_place = nn.Embedding(MAX_PLACE + 1, config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self._initialise()

    def _initialise(self) -> None:
        """Embeddings normal(1), matrices normal(0.02), branch ends smaller by depth (GPT-2).

        Large embeddings keep words apart from the first step on: with small ones, what the blocks
        add to all words alike soon drowned what tells them apart, and prompts were not heeded.
        """
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight)
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=INITIAL_STD)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
            if isinstance(module, Block):
                for last in (module.out, module.fall):
                    nn.init.normal_(last.weight, std=INITIAL_STD / (2 * self.config.depth) ** 0.5)

    @property
    def width(self) -> int:
        """E of the features."""
        return self.config.width

    @property
    def max_tokens(self) -> int:
        """The longest prompt in tokens, END included."""
        return self.config.max_tokens

    def truncated(self, prompt: str) -> str | None:
        """The prompt up to where `encode` cuts it, None if all of it fits."""
        return self.tokenizer.truncated(prompt)

    def tokenize(self, prompts: Sequence[str]) -> TextTokens:
        """What `forward` takes, on the CPU; needs no weights. "" is a single END."""
        if not prompts:
            raise ValueError("there are no prompts to tokenize")
        tokens = [self.tokenizer.encode(prompt) for prompt in prompts]
        return TextTokens(
            torch.tensor([token.id for prompt in tokens for token in prompt]),
            torch.tensor([token.place for prompt in tokens for token in prompt]),
            tuple(len(prompt) for prompt in tokens),
        )

    def encode(self, prompts: Sequence[str]) -> TextFeatures:
        """Features of each prompt, in order."""
        return self(self.tokenize(prompts).to(self.embed.weight.device))

    def forward(self, tokens: TextTokens) -> TextFeatures:
        """Features of each token; prompts do not see each other."""
        grid = Grid.of(tokens.lengths, self.width // self.config.heads, tokens.ids.device)
        x = self.embed(tokens.ids) + self.embed_place(tokens.places)  # L E
        for block in self.blocks:
            x = block(x, grid)
        return TextFeatures(_norm(x), tokens.lengths)


@dataclass(frozen=True)
class Grid:
    """How packed tokens lie in a padded batch of B prompts of M tokens, for attention alone.

    Attention is a small part of the work. For 16 captions of 21 to 80 tokens on one core this is
    as fast as a call for each length, with always the same few calls; padding the whole network
    takes 40% longer.

    Attributes:
        rows: where each packed token stands in the flattened batch.
        mask: which keys there are.
        cos, sin: rotary factors of the M positions, W half the width of a head.
    """

    rows: Int[Tensor, " L"]
    mask: Bool[Tensor, "B 1 1 M"]
    cos: Float[Tensor, "M W"]
    sin: Float[Tensor, "M W"]

    @classmethod
    def of(cls, lengths: tuple[int, ...], head_width: int, device: torch.device) -> "Grid":
        """The grid of prompts of such lengths."""
        longest = max(lengths)
        there = torch.arange(longest) < torch.tensor(lengths)[:, None]
        exponents = torch.arange(0, head_width, 2) / head_width
        angles = torch.arange(longest)[:, None] * ROTARY_BASE**-exponents
        return cls(
            there.flatten().nonzero().squeeze(1).to(device),
            rearrange(there, "b m -> b 1 1 m").to(device),
            angles.cos().to(device),
            angles.sin().to(device),
        )


class Block(nn.Module):
    """Attention within each prompt, then an MLP of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.rise = nn.Linear(width, 4 * width)
        self.fall = nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "L E"], grid: Grid) -> Float[Tensor, "L E"]:
        x = x + self.out(self._attend(self.qkv(_norm(x)), grid))
        return x + self.fall(F.gelu(self.rise(_norm(x))))

    def _attend(self, qkv: Float[Tensor, "L K"], grid: Grid) -> Float[Tensor, "L E"]:
        prompts, longest = len(grid.mask), grid.mask.shape[-1]
        batch = qkv.new_zeros(prompts * longest, qkv.shape[1]).index_copy(0, grid.rows, qkv)
        q, k, v = rearrange(batch, "(b m) (a h w) -> a b h m w", b=prompts, a=3, h=self.heads)
        out = F.scaled_dot_product_attention(
            _rotate(q, grid), _rotate(k, grid), v, attn_mask=grid.mask
        )
        return rearrange(out, "b h m w -> (b m) (h w)").index_select(0, grid.rows)


def _rotate(x: Float[Tensor, "B H M W"], grid: Grid) -> Float[Tensor, "B H M W"]:
    """Rotary positions (arXiv 2104.09864): channel pairs (i, i + W/2) turn with the position."""
    cos, sin = grid.cos.to(x.dtype), grid.sin.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def _norm(x: Float[Tensor, "L E"]) -> Float[Tensor, "L E"]:
    """Layer norm; its scale and shift would be those of the linear layer that follows."""
    return F.layer_norm(x, x.shape[-1:])
