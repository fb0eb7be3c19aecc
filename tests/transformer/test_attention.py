"""The backends of attention agree."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from skyloom.transformer import attention as door
from skyloom.transformer.attention import attention, by_group
from skyloom.transformer.segments import Segments


def dense(qkv: Tensor, text: list[int], video: list[int]) -> Tensor:
    """Attention as the equation says it, over a mask that is true within each clip."""
    clips = torch.arange(len(text))
    owner = torch.cat(
        [clips.repeat_interleave(torch.tensor(text)), clips.repeat_interleave(torch.tensor(video))]
    )
    mask = owner[:, None] == owner[None, :]
    q, k, v = qkv.unbind(dim=1)
    scores = torch.einsum("nhd,mhd->hnm", q, k) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)
    return torch.einsum("hnm,mhd->nhd", weights, v)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60)), min_size=1, max_size=6))
@settings(max_examples=30)
def test_groups_are_a_dense_mask(lengths: list[tuple[int, int]]) -> None:
    text, video = ([pair[i] for pair in lengths] for i in (0, 1))
    qkv = torch.randn(sum(text) + sum(video), 3, 2, 8, generator=torch.Generator().manual_seed(0))
    assert_close(attention(qkv, Segments.of(text, video)), dense(qkv, text, video))


def test_gradients_agree() -> None:
    text, video = [2, 1, 3, 1], [5, 3, 40, 1]
    segments = Segments.of(text, video)
    assert any(group.there is not None for group in segments.groups)  # padding is at work
    qkv = torch.randn(56, 3, 2, 8, requires_grad=True)
    weights = torch.randn(56, 2, 8)
    by, wanted = (
        torch.autograd.grad((attended * weights).sum(), qkv)[0]
        for attended in (by_group(qkv, segments), dense(qkv, text, video))
    )
    assert_close(by, wanted)


def test_long_clips_take_the_fused_kernel_and_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    text, video = [3, 1, 2], [30, 9, 29]
    qkv = torch.randn(74, 3, 2, 8)
    monkeypatch.setattr(door, "FUSED_FROM", 8)
    assert_close(attention(qkv, Segments.of(text, video)), dense(qkv, text, video))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="flash attention needs CUDA")
def test_variable_length_is_by_group() -> None:
    segments = Segments.of([10, 20, 10, 3], [40, 280, 40, 4], "cuda")
    qkv = torch.randn(407, 3, 4, 64, device="cuda", dtype=torch.bfloat16)
    wanted = by_group(qkv.float(), segments)
    assert_close(attention(qkv, segments).float(), wanted, atol=0.02, rtol=0.02)
