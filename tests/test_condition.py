"""What is given: ceilings of sigmas, and the patterns that training draws."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skyloom.condition import Condition, Given, PatternConfig, random_ceiling
from skyloom.errors import UserError
from skyloom.video import Video

NEVER = PatternConfig(**{field.name: 0.0 for field in fields(PatternConfig)})
GIVING = ("first", "last", "head", "tail", "ends", "scattered")


def ceilings(config: PatternConfig, frames: int, count: int = 60) -> list[list[float]]:
    rng = np.random.default_rng(0)
    return [random_ceiling(frames, config, rng).tolist() for _ in range(count)]


def always(pattern: str, firm: float = 1.0) -> PatternConfig:
    return replace(NEVER, **{pattern: 1.0, "firm": firm})


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strengths_that_cannot_be(strength: float) -> None:
    video = Video(np.zeros((1, 4, 4, 3), dtype=np.uint8), 12.0)
    with pytest.raises(UserError, match=r"not between 0 \(ignore\) and 1 \(keep\)"):
        Condition(video, strength=strength)
    assert Condition(video).at == 0


def test_a_mask_or_strengths_of_another_size() -> None:
    video = Video(np.zeros((2, 4, 6, 3), dtype=np.uint8), 12.0)
    assert Condition(video, mask=np.ones((4, 6), bool), strength=(1.0, 0.5)).at == 0
    with pytest.raises(UserError, match="The mask is 4x6 and the frames are 6x4"):
        Condition(video, mask=np.ones((6, 4), bool))
    with pytest.raises(UserError, match="3 strengths do not fit 2 frames"):
        Condition(video, strength=(1.0, 1.0, 1.0))


def test_ceilings_of_tokens() -> None:
    nothing = Given.nothing((4, 3, 2, 2))
    assert nothing.latents.shape == (4, 3, 2, 2) and not nothing.latents.any()
    assert nothing.token_ceiling((1, 2, 2)).tolist() == [1.0] * 3
    ceiling = torch.tensor([0.0, 0.5, 1.0])[:, None, None].expand(3, 2, 4)
    some = Given(torch.zeros(4, 3, 2, 4), ceiling)
    assert some.token_ceiling((1, 2, 2)).tolist() == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    # A token that holds several latents is as clean as the cleanest of them.
    four = torch.tensor([0.0, 1.0, 0.5, 1.0])[:, None, None].expand(4, 2, 2)
    assert Given(torch.zeros(4, 4, 2, 2), four).token_ceiling((2, 2, 2)).tolist() == [0.0, 0.5]


def test_what_is_made_beside_a_window_is_a_little_noisy() -> None:
    before, after = torch.full((4, 2, 2, 2), 1.0), torch.full((4, 1, 2, 2), 2.0)
    given = Given.nothing((4, 4, 2, 2)).beside(before, after, 0.1)
    assert given.ceiling[:, 0, 0].tolist() == pytest.approx([0.1, 0.1, 1.0, 0.1])
    assert given.latents[0, :, 0, 0].tolist() == [1.0, 1.0, 0.0, 2.0]
    same = Given.nothing((4, 4, 2, 2)).beside(before[:, :0], after[:, :0], 0.1)
    assert same.ceiling.min() == 1 and not same.latents.any()


def test_which_frames_are_kept() -> None:
    clip = Video(np.zeros((3, 8, 8, 3), np.uint8), 12.0)
    end = Condition(clip, -3)
    assert [end.keeps(frame, 9) for frame in (5, 6, 8)] == [False, True, True]
    assert not Condition(clip, -3, 0.9).keeps(8, 9)
    some = Condition(clip, 0, (1.0, 0.5, 1.0))
    assert [some.keeps(frame, 9) for frame in range(4)] == [True, False, True, False]
    assert not Condition(clip, 0, mask=np.ones((8, 8), bool)).keeps(0, 9)


@given(st.integers(2, 12), st.sampled_from(GIVING), st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_one_frame_at_least_stays_free(frames: int, pattern: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ceiling = random_ceiling(frames, always(pattern), rng)
    assert ceiling.shape == (frames,) and ceiling.dtype == torch.float32
    assert set(ceiling.tolist()) <= {0.0, 1.0}
    assert ceiling.max() == 1.0


def test_what_each_pattern_gives() -> None:
    assert ceilings(always("nothing"), 5) == [[1.0] * 5] * 60
    assert ceilings(always("first"), 5) == [[0.0, 1.0, 1.0, 1.0, 1.0]] * 60
    assert ceilings(always("last"), 5) == [[1.0, 1.0, 1.0, 1.0, 0.0]] * 60
    head = {tuple(row) for row in ceilings(always("head"), 5)}
    assert head == {(0.0, 1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0, 1.0)}
    assert {row[::-1] for row in head} == {tuple(row) for row in ceilings(always("tail"), 5)}
    for row in ceilings(always("ends"), 9):
        assert row[0] == row[-1] == 0.0 and row[3:6] == [1.0] * 3
        assert row == sorted(row[:4]) + sorted(row[4:], reverse=True)
    scattered = ceilings(always("scattered"), 12)
    assert len({tuple(row) for row in scattered}) > 30
    for row in ceilings(always("independent"), 5):
        assert len(set(row)) == 5 and all(0 <= sigma < 1 for sigma in row)


def test_given_frames_that_are_not_firm_carry_a_little_noise() -> None:
    levels = [row[0] for row in ceilings(always("first", firm=0.0), 3)]
    assert all(0 < level <= 0.3 for level in levels) and len(set(levels)) > 50
    half = [row[0] for row in ceilings(always("first", firm=0.5), 3, 400)]
    assert half.count(0.0) / 400 == pytest.approx(0.5, abs=0.08)


def test_patterns_come_as_often_as_their_shares_say() -> None:
    drawn = ceilings(PatternConfig(), 7, 4000)
    nothing = sum(row == [1.0] * 7 for row in drawn) / 4000
    independent = sum(len(set(row)) == 7 for row in drawn) / 4000
    first = sum(row[0] < 1 and row[1:] == [1.0] * 6 for row in drawn) / 4000
    assert nothing == pytest.approx(0.6, abs=0.03)
    assert independent == pytest.approx(0.08, abs=0.02)
    assert first == pytest.approx(0.12 + 0.06 / 3, abs=0.03)  # a head of one frame is the first


def test_an_image_is_never_given() -> None:
    assert ceilings(always("first"), 1) == [[1.0]] * 60


def test_the_same_generator_gives_the_same_pattern() -> None:
    assert ceilings(PatternConfig(), 7) == ceilings(PatternConfig(), 7)


def test_ends_are_given_alike() -> None:
    only = PatternConfig(
        nothing=0, first=0, last=0, head=0, tail=0, ends=1, scattered=0, independent=0
    )
    for seed in range(40):
        ceiling = random_ceiling(13, only, np.random.default_rng(seed))
        assert torch.equal(ceiling, ceiling.flip(0))
