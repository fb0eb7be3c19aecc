"""Given frames on the time line, as the sampler and as the viewer see them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import Tiny
from torch.testing import assert_close

from skyloom.autoencoder.model import Autoencoder
from skyloom.canvas import Canvas
from skyloom.condition import Condition
from skyloom.data.prepare import to_pixels
from skyloom.errors import UserError
from skyloom.modelfolder import load_model
from skyloom.video import Video

SIZE = (64, 32)


@pytest.fixture(scope="module")
def autoencoder(tiny: Tiny) -> Autoencoder:
    return load_model(tiny.model).autoencoder.float()


def noise(frames: int, seed: int = 0) -> Video:
    rng = np.random.default_rng(seed)
    return Video(rng.integers(0, 256, (frames, 32, 64, 3), dtype=np.uint8), 12.0)


def canvas(*conditions: Condition, total: int = 9) -> Canvas:
    return Canvas.of(conditions, total, SIZE, slice(0, total))


def test_nothing_is_given() -> None:
    assert canvas().empty and not canvas().kept
    made = noise(9).frames
    assert np.array_equal(canvas().pasted(made), made)


def test_where_frames_lie() -> None:
    clip = noise(2)
    assert canvas(Condition(clip, 3)).strength[:, 0, 0].tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0]
    assert canvas(Condition(clip, -1)).strength[:, 0, 0].tolist() == [0] * 8 + [1]
    later = Condition(noise(9, 1), strength=0.5)
    both = canvas(later, Condition(clip, 3))
    assert both.strength[:, 0, 0].tolist() == [0.5] * 3 + [1, 1] + [0.5] * 4
    assert np.array_equal(both.frames[3:5], clip.frames)
    # A window on the clip sees its part of it.
    part = Canvas.of([Condition(clip, 3)], 9, SIZE, slice(4, 7))
    assert part.strength[:, 0, 0].tolist() == [1, 0, 0]
    assert np.array_equal(part.frames[0], clip.frames[1])


def test_a_negative_place_counts_from_what_is_shown() -> None:
    conditions = [Condition(noise(1), -1)]
    assert Canvas.of(conditions, 9, SIZE, slice(0, 9), asked=6).strength[:, 0, 0].argmax() == 5


def test_ceilings_follow_strength_and_share(autoencoder: Autoencoder) -> None:
    # Latent frames of 4 frames, the first of 1: frames 0 | 1-4 | 5-8.
    whole = canvas(Condition(noise(5), strength=0.75)).given(autoencoder)
    assert whole.ceiling[:, 0, 0].tolist() == pytest.approx([0.25, 0.25, 1.0])
    quarter = canvas(Condition(noise(1), 8)).given(autoencoder)
    assert quarter.ceiling[:, 0, 0].tolist() == pytest.approx([1.0, 1.0, 0.5])
    left = np.zeros((32, 64), bool)
    left[:, :16] = True
    masked = canvas(Condition(noise(9), mask=left)).given(autoencoder)
    assert masked.ceiling[:, 0].tolist() == [[0.0, 1.0, 1.0, 1.0]] * 3


@pytest.mark.parametrize("shown", [9, 5, 1])
def test_latents_of_what_is_given_are_its_encoding(autoencoder: Autoencoder, shown: int) -> None:
    clip = noise(shown)
    given = canvas(Condition(clip)).given(autoencoder)
    wanted = autoencoder.encode(to_pixels(clip.frames)[None])[0]
    assert_close(given.latents[:, : wanted.shape[1]], wanted)
    assert not given.latents[:, wanted.shape[1] :].any()


def test_a_window_inside_of_a_clip_is_encoded_without_a_first_frame(
    autoencoder: Autoencoder,
) -> None:
    clip = noise(8)
    part = Canvas.of([Condition(clip, 5)], 13, SIZE, slice(5, 13))
    raw = autoencoder.encode_raw(to_pixels(clip.frames)[None], first=False)
    assert_close(part.given(autoencoder).latents, autoencoder.normalise(raw)[0])


@given(st.lists(st.floats(0, 1, width=32), min_size=9, max_size=9))
@settings(max_examples=25)
def test_what_is_kept_comes_back_byte_for_byte(strengths: list[float]) -> None:
    clip = noise(9)
    made = noise(9, 1).frames
    back = canvas(Condition(clip, strength=tuple(strengths))).pasted(made)
    kept = np.array(strengths) == 1
    assert np.array_equal(back[kept], clip.frames[kept])
    if not kept.any():  # else those beside are brought to where they meet: test_settling.py
        assert np.array_equal(back, made)


def test_what_is_kept_of_a_frame_is_not_settled() -> None:
    """Beside a frame that is given whole: its light goes on in the part that is made alone."""
    clip, made = noise(9), noise(9, 1).frames
    left = np.zeros((32, 64), bool)
    left[:, :20] = True
    first = Condition(Video(clip.frames[:1], 12.0))
    back = canvas(Condition(clip, mask=left), first).pasted(made)
    assert np.array_equal(back[0], clip.frames[0])
    assert np.array_equal(back[:, :, :20], clip.frames[:, :, :20])
    assert not np.array_equal(back[1, :, 20:], made[1, :, 20:])


def test_what_does_not_fit() -> None:
    with pytest.raises(UserError, match="given is 64x32 and the clip is 32x64"):
        Canvas.of([Condition(noise(1))], 9, (32, 64), slice(0, 9))
    for at in (9, -10):
        with pytest.raises(UserError, match=f"Frame {at} is not in the clip of 9 frames: use 0 to"):
            canvas(Condition(noise(1), at))


def test_the_ceiling_never_leaves_its_range(autoencoder: Autoencoder) -> None:
    given = canvas(Condition(noise(9), strength=1.0), Condition(noise(3), 4, 0.3))
    ceiling = given.given(autoencoder).ceiling
    assert 0 <= ceiling.min() and ceiling.max() <= 1  # noqa: SIM300 - reads as a range
    assert torch.isfinite(ceiling).all()
