"""The one door to attention over packed sequences: each clip attends to itself alone.

Two backends that agree: a plain reference that runs scaled-dot-product attention clip by clip,
clips of equal length together, and variable-length flash attention on CUDA.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def attention(
    q: Float[Tensor, "N K W"],
    k: Float[Tensor, "N K W"],
    v: Float[Tensor, "N K W"],
    lengths: Sequence[int],
) -> Float[Tensor, "N K W"]:
    """Attention of K heads of width W within each of the sequences laid end to end."""
    if q.is_cuda and q.dtype in (torch.bfloat16, torch.float16):
        return _variable_length(q, k, v, lengths)
    return by_sequence(q, k, v, lengths)


def by_sequence(
    q: Float[Tensor, "N K W"],
    k: Float[Tensor, "N K W"],
    v: Float[Tensor, "N K W"],
    lengths: Sequence[int],
) -> Float[Tensor, "N K W"]:
    """The reference: one call for all sequences of one length."""
    same = defaultdict(list)
    for index, length in enumerate(lengths):
        same[length].append(index)
    pieces = [x.split(list(lengths)) for x in (q, k, v)]
    results: list[Tensor | None] = [None] * len(lengths)
    for indices in same.values():
        batched = [
            rearrange(torch.stack([piece[i] for i in indices]), "b n k w -> b k n w")
            for piece in pieces
        ]
        out = F.scaled_dot_product_attention(*batched)
        for index, one in zip(indices, rearrange(out, "b k n w -> b n k w"), strict=True):
            results[index] = one
    return torch.cat([result for result in results if result is not None])


def _variable_length(q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int]) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    ends = torch.tensor([0, *lengths], device=q.device).cumsum(0).to(torch.int32)
    longest = max(lengths)
    return varlen_attn(q, k, v, ends, ends, longest, longest)
