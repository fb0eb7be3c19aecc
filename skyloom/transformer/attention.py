"""The one door to attention over packed sequences: each clip attends to itself alone.

Backends that agree: padded batches of clips of similar length, which run anywhere, and
variable-length flash attention on CUDA; either on the heads of one process of several.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from skyloom.transformer.context import Exchange
from skyloom.transformer.segments import Gather, Group, Segments

FUSED_FROM = 1024
"""Tokens from which scores are not written out whole: they would fill the memory."""


def attention(
    qkv: Float[Tensor, "N 3 heads head"], segments: Segments, exchange: Exchange | None = None
) -> Float[Tensor, "N heads head"]:
    """Attention of every head within each clip; rows keep their places.

    Args:
        qkv: queries, keys and values of the joint sequence, or of the rows that are here.
        segments: which rows of the whole sequence belong together.
        exchange: brings the rows of other processes here; None where all are.
    """
    if exchange is None:
        return _within_clips(qkv, segments)
    return exchange.to_rows(_within_clips(exchange.to_heads(qkv), segments), qkv.shape[2])


def _within_clips(qkv: Tensor, segments: Segments) -> Tensor:
    """By what the device is best at."""
    if qkv.is_cuda and qkv.dtype in (torch.bfloat16, torch.float16):
        return _variable_length(qkv, segments)
    return by_group(qkv, segments)


def by_group(
    qkv: Float[Tensor, "N 3 heads head"], segments: Segments
) -> Float[Tensor, "N heads head"]:
    """The reference: a padded batch for each group of clips.

    What moves the rows of every head into these batches, and back, is one gather each way.
    """
    heads = qkv.shape[2]
    inwards, outwards = segments.gathers(heads)
    batches = Moved.apply(rearrange(qkv, "n a h d -> (n a h) d"), inwards)
    sizes = [3 * group.rows.numel() * heads for group in segments.groups]
    attended = []
    for group, rows in zip(segments.groups, batches.split(sizes), strict=True):
        q, k, v = rearrange(rows, "(a b h m) d -> a b h m d", a=3, b=len(group.rows), h=heads)
        attended.append(rearrange(_batch(q, k, v, group), "b h m d -> (b h m) d"))
    return rearrange(Moved.apply(torch.cat(attended), outwards), "(n h) d -> n h d", h=heads)


class Moved(torch.autograd.Function):
    """Rows to other places, and gradients back by a gather instead of a sum over places."""

    @staticmethod
    def forward(ctx: Any, rows: Float[Tensor, "R d"], gather: Gather) -> Float[Tensor, "S d"]:
        ctx.gather = gather
        return rows.index_select(0, gather.index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        back = gradient.index_select(0, ctx.gather.inverse)
        if ctx.gather.unread is not None:
            back.index_fill_(0, ctx.gather.unread, 0)
        return back, None


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
