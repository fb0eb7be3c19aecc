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
    q: Float[Tensor, "N heads head"],
    k: Float[Tensor, "N heads head"],
    v: Float[Tensor, "N heads head"],
    lengths: Sequence[int],
) -> Float[Tensor, "N heads head"]:
    """Attention of every head within each of the sequences laid end to end."""
    if q.is_cuda and q.dtype in (torch.bfloat16, torch.float16):
        return _variable_length(q, k, v, lengths)
    return by_sequence(q, k, v, lengths)


def by_sequence(
    q: Float[Tensor, "N heads head"],
    k: Float[Tensor, "N heads head"],
    v: Float[Tensor, "N heads head"],
    lengths: Sequence[int],
) -> Float[Tensor, "N heads head"]:
    """The reference: one call for all sequences of one length."""
    same = defaultdict(list)
    for index, length in enumerate(lengths):
        same[length].append(index)
    pieces = [x.split(list(lengths)) for x in (q, k, v)]
    results: dict[int, Tensor] = {}
    for indices in same.values():
        queries, keys, values = (
            rearrange(torch.stack([piece[i] for i in indices]), "b n h d -> b h n d")
            for piece in pieces
        )
        out = F.scaled_dot_product_attention(queries, keys, values)
        results |= zip(indices, rearrange(out, "b h n d -> b n h d"), strict=True)
    return torch.cat([results[index] for index in range(len(lengths))])


def _variable_length(q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int]) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    ends = torch.tensor([0, *lengths], device=q.device).cumsum(0).to(torch.int32)
    longest = max(lengths)
    attended = varlen_attn(q, k, v, ends, ends, longest, longest)
    assert isinstance(attended, Tensor)  # a pair only where the log-sum-exp is asked for
    return attended
