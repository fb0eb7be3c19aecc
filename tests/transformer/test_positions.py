"""Rotary positions know differences alone; Fourier features know places."""

import torch
from torch.testing import assert_close

from skyloom.transformer.positions import fourier_places, fourier_sigma, rotary_angles, rotate

PLACES = torch.tensor([[0.0, -1.5, 2.0], [3.0, 0.5, -2.0], [7.5, 1.5, 0.0]])


def scores(coordinates: torch.Tensor) -> torch.Tensor:
    """What attention compares: products of every query with every key, head by head."""
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 3, 2, 16, generator=generator)
    angles = rotary_angles(coordinates, 16)
    q, k = (rotate(x, angles.cos(), angles.sin()) for x in (q, k))
    return torch.einsum("nhd,mhd->hnm", q, k)


def test_attention_depends_on_relative_positions_only() -> None:
    before = scores(PLACES)
    assert_close(scores(PLACES + torch.tensor([5.0, -3.0, 11.0])), before, atol=1e-4, rtol=1e-4)
    for axis in range(3):
        moved = PLACES.clone()
        moved[0, axis] += 1
        assert (scores(moved) - before).abs().max() > 0.05


def test_rotation_keeps_lengths_and_the_origin() -> None:
    x = torch.randn(3, 2, 16)
    angles = rotary_angles(PLACES, 16)
    assert_close(rotate(x, angles.cos(), angles.sin()).norm(dim=-1), x.norm(dim=-1))
    angles = rotary_angles(torch.zeros(3, 3), 16)
    assert torch.equal(rotate(x, angles.cos(), angles.sin()), x)


def test_each_axis_turns_pairs_of_its_own() -> None:
    for head_width in (8, 16, 64):
        angles = rotary_angles(torch.eye(3), head_width)
        assert angles.shape == (3, head_width // 2)
        assert ((angles != 0).sum(dim=0) == 1).all()  # a pair belongs to one axis
        assert ((angles != 0).sum(dim=1) >= 1).all()  # and every axis has some
        assert (angles.max(dim=1).values == 1).all()  # one radian a unit at the fastest


def test_fourier_features_tell_places_apart() -> None:
    rows = torch.cartesian_prod(torch.arange(6.0), torch.arange(-4.0, 5.0), torch.arange(-4.0, 5.0))
    features = fourier_places(rows)
    assert features.shape == (len(rows), 30) and features.abs().max() <= 1
    distance = torch.cdist(features, features) + 9 * torch.eye(len(rows))
    assert distance.min() > 0.1


def test_fourier_features_tell_sigmas_apart() -> None:
    features = fourier_sigma(torch.linspace(0, 1, 101), 64)
    assert features.shape == (101, 64)
    distance = torch.cdist(features, features) + 9 * torch.eye(101)
    assert distance.min() > 0.1
