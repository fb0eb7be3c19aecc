"""Classifier-free guidance of one clip."""

import pytest
import torch
from torch.testing import assert_close

from skyloom.flow.guidance import guided

WITH = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))
WITHOUT = torch.randn(7, 4, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("rescale", [0.0, 0.5, 1.0])
def test_scale_one_is_the_prompted_estimate(rescale: float) -> None:
    assert_close(guided(WITH, WITHOUT, 1.0, rescale), WITH)


def test_scale_goes_beyond_the_difference() -> None:
    assert_close(guided(WITH, WITHOUT, 0.0, 0.0), WITHOUT)
    assert_close(guided(WITH, WITHOUT, 4.0, 0.0), WITHOUT + 4 * (WITH - WITHOUT))


def test_rescale_gives_the_deviation_of_the_prompted_estimate() -> None:
    plain, half, whole = (guided(WITH, WITHOUT, 4.0, rescale) for rescale in (0.0, 0.5, 1.0))
    wanted = WITH.std(correction=0)
    assert_close(whole.std(correction=0), wanted)
    assert_close(whole, plain * wanted / plain.std(correction=0))
    assert_close(half, (plain + whole) / 2)


def test_rescale_of_a_flat_estimate_is_finite() -> None:
    flat = torch.full((7, 4), 0.5)
    assert torch.isfinite(guided(flat, torch.zeros(7, 4), 4.0, 1.0)).all()
