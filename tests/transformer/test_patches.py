"""Latents to packed patches and back, and where each patch is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skyloom.transformer.patches import coordinates_of, pack, unpack

GRIDS = st.lists(st.tuples(*[st.integers(1, 4)] * 3), min_size=1, max_size=4)
PATCHES = st.tuples(*[st.integers(1, 3)] * 3)


def clips(grids: list[tuple[int, int, int]], patch: tuple[int, int, int]) -> list[torch.Tensor]:
    return [
        torch.randn(3, *(size * step for size, step in zip(grid, patch, strict=True)))
        for grid in grids
    ]


@given(GRIDS, PATCHES)
def test_unpack_is_the_inverse_of_pack(
    grids: list[tuple[int, int, int]], patch: tuple[int, int, int]
) -> None:
    latents = clips(grids, patch)
    packed = pack(latents, [12.0] * len(latents), patch)
    assert packed.grids == tuple(grids)
    assert sum(packed.lengths) == len(packed.tokens) == len(packed.coordinates)
    assert packed.clip_of_token().bincount().tolist() == list(packed.lengths)
    back = unpack(packed, 3, patch)
    assert all(torch.equal(one, other) for one, other in zip(back, latents, strict=True))


def test_clips_lie_end_to_end() -> None:
    latents, patch = clips([(2, 2, 1), (1, 3, 2)], (1, 2, 2)), (1, 2, 2)
    both = pack(latents, [12.0, 8.0], patch)
    one, other = (
        pack([clip], [fps], patch) for clip, fps in zip(latents, (12.0, 8.0), strict=True)
    )
    joined = one.followed_by(other)
    for packed in (joined, joined.moved_to("cpu")):
        assert torch.equal(packed.tokens, both.tokens)
        assert torch.equal(packed.coordinates, both.coordinates)
        assert (packed.grids, packed.fps) == (both.grids, both.fps)
    zeros = both.with_tokens(torch.zeros_like(both.tokens))
    assert zeros.coordinates is both.coordinates and not zeros.tokens.any()


def test_a_token_holds_one_patch_and_its_coordinates_say_which() -> None:
    latents = torch.arange(2 * 2 * 4 * 6.0).reshape(2, 2, 4, 6)
    packed = pack([latents], [6.0], (1, 2, 3))
    # The second row of patches, the first column, of the second latent frame.
    token = (1 * 2 + 1) * 2 + 0
    assert torch.equal(packed.tokens[token], latents[:, 1, 2:4, 0:3].flatten())
    # At 6 frames/s neighbouring frames are twice as far apart as at 12; y and x from the centre.
    assert packed.coordinates[token].tolist() == [2.0, 0.5, -0.5]


def test_coordinates() -> None:
    assert coordinates_of((1, 1, 1), 12.0).tolist() == [[0.0, 0.0, 0.0]]
    places = coordinates_of((2, 3, 2), 24.0)
    assert places[:, 0].unique().tolist() == [0.0, 0.5]
    assert places[:, 1].unique().tolist() == [-1.0, 0.0, 1.0]
    assert places[:, 2].unique().tolist() == [-0.5, 0.5]
    assert coordinates_of((2, 1, 1), 12.0, time_patch=2)[:, 0].tolist() == [0.0, 2.0]


def test_what_does_not_divide() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, 3, 4\) do not divide into patches \(1, 2, 2\)"):
        pack([torch.zeros(2, 1, 3, 4)], [12.0], (1, 2, 2))
