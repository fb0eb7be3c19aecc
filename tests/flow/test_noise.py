"""Noise that belongs to a clip and to nothing else."""

import pytest
import torch

from skyloom.flow.noise import latent_noise

SHAPE = (4, 6, 3, 5)


def test_the_same_seed_gives_the_same_noise_whatever_was_drawn_before() -> None:
    noise = latent_noise(7, SHAPE)
    torch.randn(11)
    latent_noise(8, SHAPE)
    assert torch.equal(latent_noise(7, SHAPE), noise)
    state = torch.random.get_rng_state()
    latent_noise(9, SHAPE)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_longer_clip_starts_with_the_noise_of_the_shorter(frames: int) -> None:
    shorter = latent_noise(7, (4, frames, 3, 5))
    assert torch.equal(latent_noise(7, SHAPE)[:, :frames], shorter)


def test_it_is_standard_normal_and_frames_are_independent() -> None:
    noise = latent_noise(0, (16, 8, 24, 24)).double()
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(1, abs=0.02)
    frames = noise.transpose(0, 1).flatten(1)
    assert torch.corrcoef(frames).fill_diagonal_(0).abs().max() < 0.05


def test_neighbouring_seeds_differ() -> None:
    drawn = [latent_noise(seed, SHAPE) for seed in (-1, 0, 1, 2, 2**63)]
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert not torch.isclose(one, other).any(dim=1).all()
            # Not the same frames in another order either.
            assert (one[:, :1] - other).abs().amax(dim=(0, 2, 3)).min() > 0.5
