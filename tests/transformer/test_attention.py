"""The backends of attention agree."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from skyloom.transformer.attention import attention, by_sequence


def dense(q: Tensor, k: Tensor, v: Tensor, lengths: list[int]) -> Tensor:
    """Attention as the equation says it, over a mask that is true within each sequence."""
    sequence = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    mask = sequence[:, None] == sequence[None, :]
    scores = torch.einsum("nhd,mhd->hnm", q, k) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)
    return torch.einsum("hnm,mhd->nhd", weights, v)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
@settings(max_examples=20)
def test_by_sequence_is_a_dense_mask(lengths: list[int]) -> None:
    q, k, v = torch.randn(3, sum(lengths), 2, 8, generator=torch.Generator().manual_seed(0))
    assert_close(attention(q, k, v, lengths), dense(q, k, v, lengths))


def test_gradients_agree() -> None:
    lengths = [5, 3, 5, 1]
    inputs = torch.randn(3, 14, 2, 8, requires_grad=True)
    weights = torch.randn(14, 2, 8)
    by, wanted = (
        torch.autograd.grad((function(*inputs, lengths) * weights).sum(), inputs)[0]
        for function in (by_sequence, dense)
    )
    assert_close(by, wanted)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="flash attention needs CUDA")
def test_variable_length_is_by_sequence() -> None:
    lengths = [50, 300, 50, 7]
    q, k, v = torch.randn(3, 407, 4, 64, device="cuda", dtype=torch.bfloat16)
    wanted = by_sequence(q.float(), k.float(), v.float(), lengths)
    assert_close(attention(q, k, v, lengths).float(), wanted, atol=0.02, rtol=0.02)
