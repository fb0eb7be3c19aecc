"""Classifier-free guidance."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from skyloom.flow.guidance import guided

WITH = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))
WITHOUT = torch.randn(7, 4, generator=torch.Generator().manual_seed(2))
CLIPS = torch.tensor([0, 0, 0, 1, 1, 1, 1])
GROUPS = torch.nn.functional.one_hot(CLIPS).float()


def both(x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    return WITH, WITHOUT


def result(scale: float, rescale: float) -> Tensor:
    return guided(both, scale, rescale, GROUPS)(torch.zeros(7, 4), torch.ones(7))


@pytest.mark.parametrize("rescale", [0.0, 0.5, 1.0])
def test_scale_one_is_the_prompted_estimate(rescale: float) -> None:
    assert_close(result(1.0, rescale), WITH)


def test_scale_goes_beyond_the_difference() -> None:
    assert_close(result(0.0, 0.0), WITHOUT)
    assert_close(result(4.0, 0.0), WITHOUT + 4 * (WITH - WITHOUT))


def test_rescale_gives_each_clip_the_deviation_of_its_prompted_estimate() -> None:
    plain, whole, half = result(4.0, 0.0), result(4.0, 1.0), result(4.0, 0.5)
    for clip in (0, 1):
        here = clip == CLIPS
        wanted = WITH[here].std(correction=0)
        assert_close(whole[here].std(correction=0), wanted)
        assert_close(whole[here], plain[here] * wanted / plain[here].std(correction=0))
        assert_close(half[here], (plain[here] + whole[here]) / 2)


def test_rescale_of_a_flat_estimate_is_finite() -> None:
    flat = guided(lambda x, sigma: (x * 0 + 0.5, x * 0), 4.0, 1.0, GROUPS)
    assert torch.isfinite(flat(torch.ones(7, 4), torch.ones(7))).all()
