"""How much a training step computes, in floating point operations: two for a multiply-add.

    a block of width D, a token      2 D^2 (4 + 2 r)        qkv, out and an MLP of r D
    its attention, a clip            4 n^2 D                n tokens, patches and words together

A backward pass costs twice a forward pass; recomputing the blocks in it, once more the forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from skyloom.text.bundled import BundledTextConfig
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.model import PLACE_FEATURES, SHAPE_FEATURES, SIGMA_FEATURES


@dataclass(frozen=True)
class Clip:
    """What one clip brings into a batch: so many tokens of video and of its prompt."""

    video: int
    words: int


@dataclass(frozen=True)
class Work:
    """Floating point operations of a forward pass.

    Attributes:
        blocks: of the matrices of the blocks.
        attention: of the attention of the blocks.
        rest: of what lies before and behind them, and of the text encoder.
    """

    blocks: float
    attention: float
    rest: float

    @property
    def forward(self) -> float:
        """All of it."""
        return self.blocks + self.attention + self.rest


def work_of(model: TransformerConfig, text: BundledTextConfig, clips: Sequence[Clip]) -> Work:
    """The work of one forward pass over a packed batch."""
    width, depth = model.width, model.depth
    video, words = sum(clip.video for clip in clips), sum(clip.words for clip in clips)
    token, word = (
        2 * width**2 * (4 + 2 * ratio) for ratio in (model.mlp_ratio, model.text_mlp_ratio)
    )
    pairs = sum((clip.video + clip.words) ** 2 for clip in clips)
    edges = video * 2 * width * (2 * model.token_width + PLACE_FEATURES)
    edges += words * 2 * width * model.text_width
    # Once a clip, for its tokens and for its words: sigma and shape to the modulation.
    features = SIGMA_FEATURES + SHAPE_FEATURES + model.text_width
    edges += len(clips) * 2 * (2 * width * features + 2 * width**2 + 14 * width**2)
    encoder = words * 24 * text.width**2 + 4 * text.width * sum(clip.words**2 for clip in clips)
    return Work(
        blocks=depth * (video * token + words * word),
        attention=depth * 4 * width * pairs,
        rest=edges + text.depth * encoder,
    )


def step_flops(
    work: Work,
    routed: float = 0.0,
    depth: int = 1,
    adapters_only: bool = False,
    recomputed: bool = False,
) -> float:
    """Floating point operations of a training step: forward and backward.

    Args:
        work: of a forward pass over its batch.
        routed: share of the tokens that skip all blocks but the first and the last.
        depth: of the transformer.
        adapters_only: whether the weights themselves have no gradients (LoRA).
        recomputed: whether the blocks run forward once more in the backward pass. That work
            takes time, and is not counted where utilisation is told.
    """
    outer = min(2, depth) / depth
    through = outer + (1 - outer) * (1 - routed)
    matrices = work.blocks * through
    # Attention of a share s of the tokens costs s squared.
    scores = work.attention * (outer + (1 - outer) * (1 - routed) ** 2)
    backward = matrices * (1 if adapters_only else 2) + 2 * scores
    backward += work.rest * (1 if adapters_only else 2)
    again = matrices + scores if recomputed else 0.0
    return matrices + scores + work.rest + backward + again
