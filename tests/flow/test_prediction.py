"""What an output means: from the exact output each adapter finds the clean tokens again."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from skyloom.errors import UserError
from skyloom.flow import path
from skyloom.flow.alternatives import ALTERNATIVES, VariancePreservingPrediction
from skyloom.flow.prediction import CleanPrediction, Prediction, named_prediction

NAMES = ("velocity", "clean", "cosine", "linear", "edm")
GENERATOR = torch.Generator().manual_seed(0)
CLEAN = torch.randn(9, 4, generator=GENERATOR, dtype=torch.float64)
NOISE = torch.randn(9, 4, generator=GENERATOR, dtype=torch.float64)
SIGMA = torch.linspace(0, 1, 9, dtype=torch.float64)


def coefficients(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """a and b, a^2 + b^2 = 1, whose rectified sigma b / (a + b) is `sigma`."""
    angle = torch.atan2(sigma, 1 - sigma)[:, None]
    return torch.cos(angle), torch.sin(angle)


def exact(name: str) -> Tensor:
    """What a perfect network says."""
    if name == "clean":
        return CLEAN
    if name == "velocity":
        return NOISE - CLEAN
    a, b = coefficients(SIGMA)
    return a * NOISE - b * CLEAN


@pytest.mark.parametrize("name", NAMES)
def test_the_exact_output_gives_the_clean_tokens(name: str) -> None:
    prediction = named_prediction(name)
    assert isinstance(prediction, Prediction)
    noisy = path.mix(CLEAN, NOISE, SIGMA)
    assert_close(prediction.clean(exact(name), noisy, SIGMA), CLEAN)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_zero_there_and_nowhere_else(name: str) -> None:
    prediction = named_prediction(name)
    assert_close(prediction.loss(exact(name), CLEAN, NOISE, SIGMA), torch.zeros(9).double())
    assert (prediction.loss(exact(name) + 0.1, CLEAN, NOISE, SIGMA) > 0.009).all()


def test_clean_prediction_has_the_loss_of_the_velocity_it_implies() -> None:
    output = CLEAN + 0.3
    noisy = path.mix(CLEAN, NOISE, SIGMA)
    loss = CleanPrediction(floor=0.2).loss(output, CLEAN, NOISE, SIGMA)
    implied = path.velocity_from_clean(noisy, output, SIGMA)
    on_velocity = named_prediction("velocity").loss(implied, CLEAN, NOISE, SIGMA)
    assert_close(loss[SIGMA >= 0.2], on_velocity[SIGMA >= 0.2])
    assert_close(loss[SIGMA < 0.2], torch.full((2,), (0.3 / 0.2) ** 2).double())


def test_an_unknown_prediction() -> None:
    with pytest.raises(UserError, match="no prediction 'noise': use one of velocity, clean, cosi"):
        named_prediction("noise")


# ------------------------------------------------------------------------------ the other paths


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_a_change_of_clock_and_scale_is_all_that_differs(name: str) -> None:
    other = ALTERNATIVES[name]
    t = torch.linspace(0.02, 0.98, 9, dtype=torch.float64)
    sigma = other.sigma(t)
    a, b = coefficients(sigma)
    assert_close((b / a)[:, 0], other.ratio(t))
    z = a * CLEAN + b * NOISE  # where this path is at time t
    assert_close(z / (a + b), path.mix(CLEAN, NOISE, sigma))
    output = a * NOISE - b * CLEAN
    clean = VariancePreservingPrediction(other).clean(output, z / (a + b), sigma)
    assert_close(clean, CLEAN)


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_clocks_run_from_data_to_noise(name: str) -> None:
    sigma = ALTERNATIVES[name].sigma(torch.linspace(1e-4, 1 - 1e-4, 200, dtype=torch.float64))
    assert bool((sigma.diff() > 0).all())
    assert 0 < sigma[0] < 0.02 and 0.9 < sigma[-1] < 1


def test_clocks_are_those_of_the_papers() -> None:
    t = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    a, _ = coefficients(ALTERNATIVES["cosine"].sigma(t))
    assert_close(a[:, 0], torch.cos(math.pi / 2 * t))
    a, _ = coefficients(ALTERNATIVES["linear"].sigma(t))
    betas = torch.linspace(0.1 / 1000, 20 / 1000, 1000, dtype=torch.float64)
    discrete = (1 - betas).cumprod(0).sqrt()[(t * 1000).long() - 1]
    assert_close(a[:, 0], discrete, atol=0.01, rtol=0)
    drawn = ALTERNATIVES["edm"].draw(20_000, torch.Generator().manual_seed(0)).double()
    log_ratio = torch.log(drawn / (1 - drawn))
    assert log_ratio.mean().item() == pytest.approx(-1.2, abs=0.03)
    assert log_ratio.std().item() == pytest.approx(1.2, abs=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_draws_of_training_move_with_the_shift(name: str) -> None:
    prediction = named_prediction(name)

    def draw(shift: float) -> Tensor:
        return prediction.draw(4000, shift, torch.Generator().manual_seed(1))

    assert torch.equal(draw(1.0), draw(1.0))
    assert draw(1.0).min() >= 0 and draw(1.0).max() <= 1
    assert draw(3.0).mean() > draw(1.0).mean() + 0.05
