"""The convention for noise: ends, straightness, and its inverses."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from skyloom.flow import path


def tokens(seed: int) -> torch.Tensor:
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


CLEAN, NOISE = tokens(1), tokens(2)


def test_the_ends_are_exact() -> None:
    assert torch.equal(path.mix(CLEAN, NOISE, torch.zeros(5)), CLEAN)
    assert torch.equal(path.mix(CLEAN, NOISE, torch.ones(5)), NOISE)


def test_every_token_has_its_own_sigma() -> None:
    sigma = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    mixed = path.mix(CLEAN, NOISE, sigma)
    for token, s in enumerate(sigma):
        assert_close(mixed[token], (1 - s) * CLEAN[token] + s * NOISE[token])


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_a_velocity_and_clean_tokens_say_the_same(sigmas: list[float]) -> None:
    sigma = torch.tensor(sigmas, dtype=torch.float64)
    noisy, velocity = path.mix(CLEAN, NOISE, sigma), path.velocity(CLEAN, NOISE)
    assert_close(path.clean_from_velocity(noisy, velocity, sigma), CLEAN)
    back = path.velocity_from_clean(noisy, CLEAN, sigma)
    moving = sigma > 1e-6  # closer to clean, the difference of two equal numbers is divided
    assert_close(back[moving], velocity[moving], atol=1e-6, rtol=1e-6)
    assert torch.equal(back[sigma == 0], torch.zeros_like(back[sigma == 0]))


def test_the_velocity_is_the_derivative() -> None:
    sigma, step = torch.full((5,), 0.3, dtype=torch.float64), 1e-6
    change = path.mix(CLEAN, NOISE, sigma + step) - path.mix(CLEAN, NOISE, sigma)
    assert_close(change / step, path.velocity(CLEAN, NOISE), atol=1e-6, rtol=1e-6)
