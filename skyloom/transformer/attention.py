"""The one door to attention over packed sequences: each clip attends to itself alone.

Two backends that agree: padded batches of clips of similar length, which run anywhere, and
variable-length flash attention on CUDA.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from skyloom.transformer.segments import Group, Segments

FUSED_FROM = 1024
"""Tokens from which scores are not written out whole: they would fill the memory."""


def attention(
    qkv: Float[Tensor, "N 3 heads head"], segments: Segments
) -> Float[Tensor, "N heads head"]:
    """Attention of every head within each clip; rows keep their places.

    Args:
        qkv: queries, keys and values of the joint sequence.
        segments: which rows belong together.
    """
    if qkv.is_cuda and qkv.dtype in (torch.bfloat16, torch.float16):
        return _variable_length(qkv, segments)
    return by_group(qkv, segments)


def by_group(
    qkv: Float[Tensor, "N 3 heads head"], segments: Segments
) -> Float[Tensor, "N heads head"]:
    """The reference: a padded batch for each group of clips."""
    heads = qkv.shape[2]
    flat = rearrange(qkv, "n a h d -> n (a h d)")
    attended = []
    for group in segments.groups:
        rows = flat.index_select(0, group.rows.flatten())
        clips = len(group.rows)
        q, k, v = rearrange(rows, "(b m) (a h d) -> a b h m d", a=3, b=clips, h=heads)
        attended.append(rearrange(_batch(q, k, v, group), "b h m d -> (b m) h d"))
    return torch.cat(attended).index_select(0, segments.slots)


def _batch(q: Tensor, k: Tensor, v: Tensor, group: Group) -> Float[Tensor, "B heads M head"]:
    """Attention of a batch of clips. A slot without a token gives what nobody reads.

    Short clips as plain products of matrices: for 64 to 512 tokens that is two to four
    times as fast as the fused kernel, forward and backward together, on a CPU without matrix
    units (docs/log.md).
    """
    mask = None if group.there is None else rearrange(group.there, "b m -> b 1 1 m")
    if group.rows.shape[1] > FUSED_FROM:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    if mask is not None:
        scores = scores + torch.zeros_like(mask, dtype=scores.dtype).masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=-1) @ v


def _variable_length(qkv: Tensor, segments: Segments) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = qkv.index_select(0, segments.order).unbind(dim=1)
    ends = torch.tensor([0, *segments.lengths], device=q.device).cumsum(0).to(torch.int32)
    longest = max(segments.lengths)
    attended = varlen_attn(q, k, v, ends, ends, longest, longest)
    assert isinstance(attended, Tensor)  # a pair only where the log-sum-exp is asked for
    return torch.empty_like(attended).index_copy(0, segments.order, attended)
