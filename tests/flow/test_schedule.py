"""Sigmas: the ends and the order of schedules, the shift, and the draws of training."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from skyloom.flow.schedule import BASE_TOKENS, logit_normal, refining, shift_of, shifted, steps

SHIFTS = st.floats(1, 30)


@given(st.integers(1, 200), SHIFTS)
def test_a_schedule_falls_from_one_to_zero(count: int, shift: float) -> None:
    sigmas = steps(count, shift)
    assert sigmas.shape == (count + 1,) and sigmas.dtype == torch.float32
    assert (sigmas[0].item(), sigmas[-1].item()) == (1.0, 0.0)
    assert bool((sigmas.diff() < 0).all())


@given(st.floats(0.01, 1), st.integers(1, 50), SHIFTS)
def test_a_refinement_falls_from_its_start_to_zero(start: float, count: int, shift: float) -> None:
    sigmas = refining(start, count, shift)
    assert sigmas.shape == (count + 1,) and bool((sigmas.diff() < 0).all())
    assert sigmas[0].item() == pytest.approx(start) and sigmas[-1].item() == 0
    assert_close(refining(1.0, count, shift), steps(count, shift))
    for wrong in ((0.0, 3), (1.5, 3), (0.5, 0)):
        with pytest.raises(ValueError, match="no schedule"):
            refining(*wrong)


def test_a_schedule_needs_a_step() -> None:
    with pytest.raises(ValueError, match="at least 1 step, not 0"):
        steps(0)


@given(st.floats(0, 1), SHIFTS)
def test_the_shift_equation(sigma: float, shift: float) -> None:
    moved = shifted(torch.tensor(sigma, dtype=torch.float64), shift).item()
    assert moved == pytest.approx(shift * sigma / (1 + (shift - 1) * sigma))
    assert sigma - 1e-9 <= moved <= 1 + 1e-9
    # Equation 23 says that the ratio of noise to signal is multiplied by the shift.
    assert moved * (1 - sigma) == pytest.approx(shift * sigma * (1 - moved))
    back = shifted(torch.tensor(moved, dtype=torch.float64), 1 / shift).item()
    assert back == pytest.approx(sigma)


def test_the_shift_grows_with_the_root_of_the_tokens() -> None:
    assert shift_of(BASE_TOKENS) == 1.0
    assert shift_of(4 * BASE_TOKENS) == pytest.approx(2.0)
    assert shift_of(13 * BASE_TOKENS) == pytest.approx(math.sqrt(13))
    assert shift_of(1) == 1.0  # less noise than the schedule has is never asked for


def test_sigmas_of_training() -> None:
    def draw(shift: float = 1.0) -> torch.Tensor:
        return logit_normal(20_000, shift, torch.Generator().manual_seed(3))

    sigma = draw()
    assert torch.equal(sigma, draw())
    assert sigma.min() > 0 and sigma.max() < 1
    logit = torch.logit(sigma.double())
    # Nine in ten of variance 1, one in ten uniform, whose logit has variance pi^2 / 3.
    assert logit.mean().item() == pytest.approx(0, abs=0.03)
    assert logit.var().item() == pytest.approx(0.9 + 0.1 * math.pi**2 / 3, abs=0.05)
    assert (sigma < 0.02).float().mean().item() == pytest.approx(0.1 * 0.02, abs=0.001)
    high = draw(3.0)
    assert high.mean() > sigma.mean() + 0.15
    assert_close(high.median(), shifted(torch.tensor(0.5), 3.0), atol=0.02, rtol=0)
