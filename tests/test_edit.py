"""Every operation leaves what was given untouched, and makes what is asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skyloom import edit
from skyloom.errors import UserError
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.text.features import TextFeatures
from skyloom.trajectory import Clip
from skyloom.transformer.patches import pack
from skyloom.video import Video

ASKED = Request("a red ball", size=(64, 32), seconds=0.5, steps=2, seed=1)
STRIDE = 4


def noise(frames: int, seed: int = 0, size: tuple[int, int] = (64, 32)) -> Video:
    rng = np.random.default_rng(seed)
    return Video(rng.integers(0, 256, (frames, *size[::-1], 3), dtype=np.uint8), 12.0)


def test_animate(skyloom: Skyloom) -> None:
    picture = noise(1)
    start = skyloom.animate(picture, ASKED).frames
    assert len(start) == 6
    assert np.array_equal(start[0], picture.frames[0])
    assert not np.array_equal(start[1], start[0])
    end = skyloom.animate(picture, ASKED, at="end").frames
    assert np.array_equal(end[-1], picture.frames[0]) and not np.array_equal(end[0], end[-1])
    # What it is given changes what it makes elsewhere too.
    other = skyloom.animate(noise(1, 1), ASKED).frames
    assert not np.array_equal(other[-1], start[-1])


@pytest.mark.parametrize("backward", [False, True])
@given(frames=st.integers(5, 30), new=st.integers(1, 12))
@settings(max_examples=8)
def test_extend(skyloom: Skyloom, backward: bool, frames: int, new: int) -> None:
    clip = noise(frames)
    request = replace(ASKED, seconds=new / 12, steps=1)
    longer = skyloom.extend(clip, request, backward).frames
    assert len(longer) == frames + new
    kept = longer[new:] if backward else longer[:frames]
    assert np.array_equal(kept, clip.frames)


def test_backward_is_not_reversed_forward(skyloom: Skyloom) -> None:
    clip = noise(9)
    turned = Video(clip.frames[::-1], 12.0)
    backward = skyloom.extend(clip, ASKED, backward=True).frames[:6]
    assert not np.array_equal(backward, skyloom.extend(turned, ASKED).frames[:-7:-1])


def test_backward_gives_whole_latent_frames() -> None:
    for new in range(1, 9):
        made = edit.extend(noise(20), replace(ASKED, seconds=new / 12), STRIDE, backward=True)
        begins = made.request.frames - made.drop
        assert (begins - 1) % STRIDE == 0 and begins - made.skip == new


def test_connect(skyloom: Skyloom) -> None:
    first, second = noise(9), noise(7, 1)
    whole = skyloom.connect(first, second, ASKED).frames
    assert len(whole) == 9 + 6 + 7
    assert np.array_equal(whole[:9], first.frames) and np.array_equal(whole[-7:], second.frames)


def test_a_clip_closed_into_a_loop(skyloom: Skyloom) -> None:
    clip = noise(9)
    closed = skyloom.loop(ASKED, clip).frames
    assert len(closed) == 9 + 6  # its first frame is not repeated at its end
    assert np.array_equal(closed[:9], clip.frames)


def test_a_loop_of_words_has_no_first_frame(skyloom: Skyloom) -> None:
    looped = skyloom.loop(replace(ASKED, seconds=1.0))
    assert len(looped.frames) == 12
    other = skyloom.generate(replace(ASKED, seconds=1.0))
    assert not np.array_equal(looped.frames, other.frames)


def test_between_connected_clips_lies_their_fade_loosely() -> None:
    black, white = (Video(np.full((9, 32, 64, 3), level, np.uint8), 12.0) for level in (0, 200))
    first, sketch, second = edit.connect(black, white, ASKED, STRIDE).request.given
    levels = sketch.video.frames[:, 0, 0, 0].tolist()
    assert levels == sorted(levels) and len(levels) == ASKED.frames and 0 < levels[0] < 100
    assert sketch.at == len(first.video.frames) and second.at == -len(second.video.frames)
    assert first.strengths == second.strengths == (1.0,) and 0 < sketch.strengths[0] < 0.5


def test_the_coordinates_of_a_loop_wrap() -> None:
    text = TextFeatures(torch.zeros(1, 4), (1,))
    places = pack([torch.zeros(8, 5, 2, 2)], [12.0], (1, 2, 2), [1])
    clip, other = (Clip(places, text, None, loop=loop) for loop in (True, False))
    first = [clip.at(places.tokens, number).coordinates[:, 0].tolist() for number in range(10)]
    assert first[0] == [1, 2, 3, 4, 5] and first[1] == [3, 4, 5, 1, 2]
    assert {row[0] for row in first} == {1, 2, 3, 4, 5}  # the seam goes everywhere
    assert other.at(places.tokens, 9).coordinates[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_blend(skyloom: Skyloom) -> None:
    first, second = noise(12), noise(9, 1)
    blended = skyloom.blend(first, second, ASKED).frames
    assert len(blended) == 9
    assert np.array_equal(blended[0], first.frames[0])
    assert np.array_equal(blended[-1], second.frames[8])


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 3)), min_size=1, max_size=3))
@settings(max_examples=8)
def test_fill(skyloom: Skyloom, stretches: list[tuple[int, int]]) -> None:
    clip = noise(12)
    keep = [(first, min(11, first + length)) for first, length in stretches]
    kept = {frame for first, last in keep for frame in range(first, last + 1)}
    filled = skyloom.fill(clip, keep, ASKED).frames
    for frame in range(12):
        assert np.array_equal(filled[frame], clip.frames[frame]) == (frame in kept)


@pytest.mark.parametrize("keep", [[(0, 11)], [(0, 5), (6, 11)]])
def test_nothing_to_fill(skyloom: Skyloom, keep: list[tuple[int, int]]) -> None:
    with pytest.raises(UserError, match="where all frames are kept: keep fewer"):
        skyloom.fill(noise(12), keep, ASKED)
    with pytest.raises(UserError, match="where no frames are kept: keep some"):
        skyloom.fill(noise(12), [], ASKED)


def test_restyle(skyloom: Skyloom) -> None:
    clip = noise(9)
    assert np.array_equal(skyloom.restyle(clip, ASKED, 0.0).frames, clip.frames)
    forgotten = skyloom.generate(replace(ASKED, seconds=9 / 12)).frames
    assert np.array_equal(skyloom.restyle(clip, ASKED, 1.0).frames, forgotten)
    half = skyloom.restyle(clip, ASKED, 0.5).frames
    assert not np.array_equal(half, clip.frames) and not np.array_equal(half, forgotten)
    left = np.zeros((32, 64), bool)
    left[:, :16] = True
    there = skyloom.restyle(clip, ASKED, 0.8, left).frames
    assert np.array_equal(there[:, :, 16:], clip.frames[:, :, 16:])
    assert not np.array_equal(there[:, :, :16], clip.frames[:, :, :16])


def test_no_step_is_lost_where_all_is_given_in_part(skyloom: Skyloom) -> None:
    seen: list[tuple[int, int]] = []
    some = edit.restyle(noise(9), replace(ASKED, steps=4), 0.3)
    skyloom.edit(some, lambda step, count: seen.append((step, count)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_inputs_are_fitted_to_the_request(skyloom: Skyloom) -> None:
    picture = noise(1, size=(100, 80))
    assert skyloom.animate(picture, ASKED).size == (64, 32)
    faster = Video(noise(30).frames, 24.0)
    assert len(skyloom.extend(faster, ASKED).frames) == 15 + 6


def test_a_clip_of_many_windows_is_kept_whole_too(skyloom: Skyloom) -> None:
    long = replace(ASKED, seconds=40 / 12, steps=1, window=17 / 12)
    assert len(skyloom.spans(long)) > 2
    made = skyloom.connect(noise(9), noise(9, 1), long).frames
    assert len(made) == 9 + 40 + 9
    assert np.array_equal(made[-9:], noise(9, 1).frames)


@pytest.mark.parametrize("new", [8, 12, 20, 60])
def test_what_leads_to_a_given_clip_is_made_in_a_window_that_sees_it(
    skyloom: Skyloom, new: int
) -> None:
    """A loop of a clip had gone on from its end and had not come back to its start."""
    clip = noise(21)
    request = replace(ASKED, seconds=new / 12, window=25 / 12)
    for edited in (
        edit.loop(request, STRIDE, clip),
        edit.connect(clip, noise(9, 1), request, STRIDE),
        edit.extend(clip, request, STRIDE, backward=True),
    ):
        made = edited.request
        given = -(-(made.frames - edited.drop - 1) // STRIDE) + 1  # the first latent frame after it
        (last,) = (
            span
            for span in skyloom.spans(made)
            if span.start + span.history < given <= span.stop - span.future
        )
        assert last.stop > given
        # It has time to arrive: more than one latent frame, where there is more than one.
        assert given - (last.start + last.history) >= min(2, new // STRIDE)


def test_a_frame_kept_far_inside_a_clip_is_seen_by_what_leads_to_it(skyloom: Skyloom) -> None:
    clip = noise(61)
    request = replace(ASKED, steps=1, window=25 / 12)
    filled = edit.fill(clip, [(0, 0), (29, 29), (60, 60)], request)
    spans = skyloom.spans(filled.request)
    # Frame 29 is one of those of latent frame 8; windows of seven would end at 7.
    assert [(span.start, span.stop) for span in spans][:2] == [(0, 5), (2, 9)]
    made = skyloom.edit(filled).frames
    assert all(np.array_equal(made[at], clip.frames[at]) for at in (0, 29, 60))


def test_a_long_extension_backward_is_made_from_the_clip_on(skyloom: Skyloom) -> None:
    clip = noise(13)
    request = replace(ASKED, seconds=60 / 12, steps=1, window=25 / 12)
    spans = skyloom.spans(edit.extend(clip, request, STRIDE, backward=True).request)
    assert len(spans) > 2
    assert [span.start for span in spans] == sorted((span.start for span in spans), reverse=True)
    longer = skyloom.extend(clip, request, backward=True).frames
    assert len(longer) == 73 and np.array_equal(longer[60:], clip.frames)
    # What is given is felt beyond the window that holds it.
    other = skyloom.extend(noise(13, 1), request, backward=True).frames
    assert not np.array_equal(other[:56], longer[:56])


def test_a_stream_is_the_whole_clip(skyloom: Skyloom) -> None:
    long = replace(ASKED, seconds=3.0, steps=1, window=17 / 12)
    pieces = list(skyloom.stream(long))
    assert len(pieces) == len(skyloom.spans(long)) > 1
    assert np.array_equal(np.concatenate(pieces), skyloom.generate(long).frames)
    one = replace(long, window=3.0)
    assert len(skyloom.spans(one)) == 1 and len(skyloom.generate(one).frames) == 36


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: edit.animate(noise(1), ASKED, "middle"), "cannot be at 'middle': use start or en"),
        (lambda: edit.animate(noise(1), replace(ASKED, seconds=0)), "leave no time to move"),
        (lambda: edit.extend(noise(4), ASKED, STRIDE), "has 4 frames and 5 or more are needed"),
        (lambda: edit.extend(noise(9), replace(ASKED, seconds=0.01), STRIDE), "leave no time for"),
        (lambda: edit.connect(noise(9), noise(3), ASKED, STRIDE), "has 3 frames"),
        (lambda: edit.blend(noise(2), noise(9), ASKED), "2 frames cannot be blended"),
        (lambda: edit.fill(noise(9), [(3, 9)], ASKED), "Frames 3 to 9 are not in the clip: .* 8"),
        (lambda: edit.fill(noise(9), [], ASKED), "where no frames are kept"),
        (lambda: edit.restyle(noise(9), ASKED, 1.5), "Strength 1.5 is not between 0"),
    ],
)
def test_what_cannot_be(make, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make()
