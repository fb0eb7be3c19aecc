"""What a rank must hold while it trains, in bytes.

The state (weights, fp32 masters, averages, moments, gradients) is divided among the ranks where
weights are sharded. Activations are what autograd keeps of a forward pass until the backward pass
has used them: for every token so many numbers a block, counted in the code of
skyloom/transformer/blocks.py and held to what it really keeps by a test.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from skyloom.plan.networks import Counted
from skyloom.plan.work import Clip
from skyloom.text.bundled import BundledTextConfig
from skyloom.transformer.attention import FUSED_FROM
from skyloom.transformer.config import TransformerConfig

PROCESS = 400 * 2**20
"""Bytes of a process that has loaded PyTorch and skyloom and trains nothing yet, on a CPU."""


@dataclass(frozen=True)
class Memory:
    """Bytes of one rank.

    Attributes:
        weights: in the precision in which the networks run.
        masters, averages: in fp32, of the weights that are trained.
        moments: AdamW's two, Muon's one.
        gradients: in fp32, as the optimizer takes them.
        gathered: blocks that sharded ranks hold whole for a moment.
        activations: kept for the backward pass.
        working: for a moment: gradients in flight, or Muon's matrices, whichever is more.
        process: before anything is trained.
    """

    weights: float
    masters: float
    averages: float
    moments: float
    gradients: float
    gathered: float
    activations: float
    working: float
    process: float

    @property
    def state(self) -> float:
        """All that does not depend on the batch."""
        return self.total - self.activations

    @property
    def total(self) -> float:
        """All of it."""
        return sum(vars(self).values())


def memory_of(
    networks: Counted,
    model: TransformerConfig,
    text: BundledTextConfig,
    clips: Sequence[Clip],
    *,
    ranks: int = 1,
    context: int = 1,
    checkpointed: bool = False,
    element: int = 2,
    fused: bool = True,
    process: float = 0.0,
) -> Memory:
    """The memory of each of `ranks` ranks among which the state is divided.

    Args:
        clips: of the batch of one rank.
        context: ranks that share the tokens of this batch.
        checkpointed: whether blocks keep only what enters them.
        element: bytes of a number in the networks, 2 for bf16.
        fused: whether attention of any length keeps no scores, as on CUDA; on a CPU short clips do.
        process: bytes before anything is trained.
    """
    trained, block = networks.trained / ranks, networks.block * element
    kept, in_flight = activations(model, text, clips, checkpointed, element, fused, context)
    gradients = 4 * trained
    muon = (4 * networks.by_muon + 12 * networks.largest_group) / ranks
    # Activations are gone when Muon works: what counts is by how much the one moment exceeds
    # what is held in the other.
    working = max(in_flight, muon - kept)
    return Memory(
        weights=networks.total * element / ranks,
        masters=4 * trained,
        averages=4 * trained,
        moments=(8 * (networks.trained - networks.by_muon) + 4 * networks.by_muon) / ranks,
        gradients=gradients,
        gathered=3 * block if ranks > 1 else 0.0,
        activations=kept,
        working=working,
        process=process,
    )


def activations(
    model: TransformerConfig,
    text: BundledTextConfig,
    clips: Sequence[Clip],
    checkpointed: bool = False,
    element: int = 2,
    fused: bool = True,
    context: int = 1,
) -> tuple[float, float]:
    """Bytes that are kept for the backward pass, and that its gradients take for a moment.

    What the loss and the text encoder keep is not divided among ranks that share a batch.
    """
    video, words = sum(clip.video for clip in clips), sum(clip.words for clip in clips)
    block = block_bytes(model, clips, element, fused) / context
    if checkpointed:
        enters = model.width * element * (video + words) / context
        blocks = model.depth * enters + block
    else:
        blocks = model.depth * block
    # In and out of the blocks; the loss's own: noise, clean and noisy tokens, prediction in fp32.
    edges = video * (4 * model.width * element + model.token_width * (7 * 4 + element) + 64)
    of_encoder = words * 24 * text.width * element
    encoder = text.depth * of_encoder
    if checkpointed:
        encoder = of_encoder + text.depth * words * text.width * element
    return blocks + edges + encoder, block / 2


def block_bytes(
    model: TransformerConfig, clips: Sequence[Clip], element: int = 2, fused: bool = True
) -> float:
    """What one block keeps for its backward pass.

    A token has six modulations, thrice queries, keys and values (as made, normed in part, in the
    order of the clips), its attention, and the ins and outs of norms, products and gates: 24
    widths; and twice its MLP's hidden width. Norms keep their statistics in fp32.
    """
    video, words = sum(clip.video for clip in clips), sum(clip.words for clip in clips)
    widths = video * (24 + 2 * model.mlp_ratio) + words * (24 + 2 * model.text_mlp_ratio)
    statistics = (video + words) * (24 + 16 * model.heads)
    scores = 0 if fused else sum(_scores(clip, model.heads) for clip in clips)
    return element * (widths * model.width + scores) + statistics


def _scores(clip: Clip, heads: int) -> int:
    """Numbers of the attention of a clip that is short enough to be written out."""
    length = clip.video + clip.words
    return heads * length**2 if length <= FUSED_FROM else 0
