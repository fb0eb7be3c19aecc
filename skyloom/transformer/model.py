"""The diffusion transformer: noisy patches, their sigmas and words to a prediction per patch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from skyloom.text.features import TextFeatures
from skyloom.transformer.blocks import Block, Layout, Modulated
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.context import ALL_HERE, Context, Exchange, order_of_rows
from skyloom.transformer.patches import Packed
from skyloom.transformer.positions import (
    fourier_places,
    fourier_sigma,
    rotary_angles,
)
from skyloom.transformer.segments import Segments

PLACE_FEATURES = 30
SIGMA_FEATURES = 128
SHAPE_FEATURES = 4


@dataclass(frozen=True)
class Output:
    """What a pass gives: the prediction, and hidden states that a training-time head may read.

    Attributes:
        middle: of the tokens that went through the middle blocks.
        kept: which these are; None is all.
    """

    prediction: Float[Tensor, "N P"]
    middle: Float[Tensor, "K D"]
    kept: Int[Tensor, " K"] | None = None


class Transformer(nn.Module):
    """MMDiT over packed sequences of spacetime patches, a sigma for every token."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.enter = nn.Linear(config.token_width, width)
        self.place = nn.Linear(PLACE_FEATURES, width, bias=False)
        self.enter_text = nn.Linear(config.text_width, width)
        self.condition = nn.Sequential(
            nn.Linear(SIGMA_FEATURES + SHAPE_FEATURES + config.text_width, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
        )
        self.modulate_video = nn.Linear(width, 6 * width)
        self.modulate_text = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.mlp_ratio, config.text_mlp_ratio)
            for _ in range(config.depth)
        )
        self.modulate_last = nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, config.token_width)
        self._initialise()

    def _initialise(self) -> None:
        """Residual branches and the output start at zero: the network starts as a constant.

        The branches' last matrices are zero and their gates one. The other way round (gates near
        zero, as in PixArt) every gradient of a branch is throttled by its gate: measured, prompts
        were still ignored after 1,200 steps.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for layer in (self.modulate_video, self.modulate_text, self.modulate_last, self.leave):
            nn.init.zeros_(layer.weight)
        for module in self.modules():
            if isinstance(module, Modulated):
                nn.init.zeros_(module.out.weight)
                nn.init.zeros_(module.fall.weight)

    def forward(
        self,
        packed: Packed,
        sigma: Float[Tensor, " N"],
        text: TextFeatures,
        kept: Int[Tensor, " K"] | None = None,
        context: Context = ALL_HERE,
    ) -> Output:
        """One pass.

        Args:
            packed: noisy tokens of the clips.
            sigma: how noisy each token is, 0 clean to 1 pure noise.
            text: one prompt a clip.
            kept: the tokens, in order and some of each clip, that go through all blocks. The others
                skip those between the first and the last, which saves time in training (TREAD,
                arXiv 2501.04765); None keeps all.
            context: the processes that share the tokens. All of them are given the same and get
                the same; gradients of weights are of a process's own tokens, and add up.
        """
        dtype = self.enter.weight.dtype
        clips = packed.clip_of_token()
        words = torch.repeat_interleave(
            torch.arange(len(packed.grids), device=clips.device),
            torch.tensor(text.lengths, device=clips.device),
        )
        levels, row_of_token = _noise_levels(sigma, clips)
        mean_sigma = torch.stack([piece.mean() for piece in sigma.float().split(packed.lengths)])
        per_clip = self._clip_features(packed, text).to(dtype)
        for_tokens = self._conditioning(levels[:, 0], per_clip[levels[:, 1].long()])
        for_clips = self._conditioning(mean_sigma, per_clip)

        here, spoken = context.part(len(clips)), context.part(len(words))
        x = self.enter(packed.tokens[here].to(dtype))
        x = x + self.place(fourier_places(packed.coordinates[here]).to(dtype))
        features = text.features[spoken]
        words_x = self.enter_text(F.layer_norm(features, features.shape[-1:]).to(dtype))
        words = words[spoken]
        video_shared = _six(self.modulate_video(for_tokens))
        text_shared = _six(self.modulate_text(for_clips))
        if len(self.blocks) < 3:
            kept = None  # there is nothing between the first block and the last
        counts = every = context.shares(len(clips))
        layout = whole = self._layout(packed.coordinates, packed.lengths, text, context, every)
        rows = own = row_of_token[here]
        middle, of_middle, skipping = x, every, x
        for index, block in enumerate(self.blocks):
            if kept is not None and index == 1:
                going, counts = context.among(kept, len(clips))
                skipping, x, rows = x, x.index_select(0, going), own.index_select(0, going)
                lengths = tuple(clips[kept].bincount(minlength=len(packed.grids)).tolist())
                layout = self._layout(packed.coordinates[kept], lengths, text, context, counts)
            if kept is not None and index == len(self.blocks) - 1:
                x, rows, layout, counts = skipping.index_copy(0, going, x), own, whole, every
            x, words_x = block(x, words_x, video_shared, rows, text_shared, words, layout)
            if index == (self.config.depth - 1) // 2:
                middle, of_middle = x, counts
        scale, shift = self.modulate_last(for_tokens).index_select(0, own).chunk(2, dim=-1)
        x = F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift
        prediction = context.gathered(self.leave(x).float(), every)
        return Output(prediction, context.gathered(middle, of_middle), kept)

    def _conditioning(self, sigma: Tensor, per_clip: Tensor) -> Float[Tensor, "rows D"]:
        """What the modulation is made from: the noise level, the clip's shape, the whole prompt."""
        features = torch.cat([fourier_sigma(sigma, SIGMA_FEATURES).to(per_clip.dtype), per_clip], 1)
        return self.condition(features)

    def _clip_features(self, packed: Packed, text: TextFeatures) -> Float[Tensor, "B features"]:
        """Log of the grid and of the frame rate, and the mean of the prompt's features."""
        shapes = torch.tensor(
            [[*grid, fps] for grid, fps in zip(packed.grids, packed.fps, strict=True)],
            device=packed.tokens.device,
        ).log()
        normed = F.layer_norm(text.features, text.features.shape[-1:])
        pooled = torch.stack([piece.mean(dim=0) for piece in normed.split(text.lengths)])
        return torch.cat([shapes.to(pooled.dtype), pooled], dim=1)

    def _layout(
        self,
        coordinates: Float[Tensor, "N 3"],
        lengths: tuple[int, ...],
        text: TextFeatures,
        context: Context,
        counts: tuple[int, ...],
    ) -> Layout:
        """Args: `coordinates` of all tokens, `counts` how many of them each process has."""
        first = sum(counts[: context.rank])
        here = coordinates[first : first + counts[context.rank]]
        angles = rotary_angles(here, self.config.width // self.config.heads)
        rows, exchange = None, None
        if context.ranks > 1:
            spoken = context.shares(sum(text.lengths))
            rows = order_of_rows(spoken, counts)
            exchange = Exchange(context, tuple(map(sum, zip(spoken, counts, strict=True))))
        segments = Segments.of(text.lengths, lengths, angles.device, rows, not self.training)
        return Layout(segments, angles.cos(), angles.sin(), exchange)


def _noise_levels(
    sigma: Float[Tensor, " N"], clips: Int[Tensor, " N"]
) -> tuple[Float[Tensor, "rows 2"], Int[Tensor, " N"]]:
    """The distinct (sigma, clip) pairs, and which of them each token has.

    Whole frames share a noise level, so that modulation is computed for a few rows and not for
    every token.
    """
    pairs = torch.stack([sigma.float(), clips.float()], dim=1)
    return torch.unique_consecutive(pairs, dim=0, return_inverse=True)


def _six(x: Float[Tensor, "rows _"]) -> Float[Tensor, "rows 6 D"]:
    """(scale, shift, gate) of the attention, then of the MLP."""
    return x.unflatten(1, (6, -1))
