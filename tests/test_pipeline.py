"""Words to video, with a tiny model in fp32 whose weights were shaken to show what they do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import Tiny
from torch import Tensor
from torch.testing import assert_close

from skyloom.condition import Condition
from skyloom.device import pick_dtype
from skyloom.errors import UserError
from skyloom.flow.solver import SOLVERS
from skyloom.pipeline import Skyloom, variations
from skyloom.request import HELD_GUIDANCE, ROLLING_GUIDANCE, WORDS_GUIDANCE, Request
from skyloom.video import Video

BALL = Request("a red ball rolls left", size=(64, 64), seconds=0.75, steps=3, seed=3)
OTHERS = [
    Request("night", size=(96, 32), seconds=0, steps=3, seed=4, fps=24.0),
    Request('a sign says "HI"', size=(32, 64), seconds=1.0, fps=6.0, steps=3, negative="blurred"),
]


def test_what_was_asked_for_is_made(skyloom: Skyloom) -> None:
    clip = skyloom.generate(BALL)
    assert (clip.size, len(clip.frames), clip.fps) == ((64, 64), 9, 12.0)
    assert clip.frames.std() > 1
    image = skyloom.generate(OTHERS[0])
    assert (image.size, len(image.frames)) == ((96, 32), 1)
    # Frames come in ones and fours, and those beyond the length are cut off.
    assert skyloom.latent_shape(OTHERS[1]) == (8, 3, 4, 2)
    assert len(skyloom.generate(OTHERS[1]).frames) == 6


def test_the_same_seed_gives_the_same_frames(skyloom: Skyloom) -> None:
    first = skyloom.generate(BALL)
    torch.randn(5)
    assert np.array_equal(skyloom.generate(BALL).frames, first.frames)
    other = skyloom.generate(replace(BALL, seed=5))
    assert not np.array_equal(other.frames, first.frames)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_clip_alone_equals_the_same_clip_in_company(skyloom: Skyloom, solver: str) -> None:
    requests = [replace(request, solver=solver) for request in (OTHERS[0], BALL, OTHERS[1])]
    together = skyloom.sample(requests)
    for request, latents in zip(requests, together, strict=True):
        (alone,) = skyloom.sample([request])
        assert torch.equal(latents, alone)
    videos = skyloom.generate_many(requests)
    for request, video in zip(requests, videos, strict=True):
        assert np.array_equal(video.frames, skyloom.generate(request).frames)


def test_every_setting_matters(skyloom: Skyloom) -> None:
    (plain,) = skyloom.sample([BALL])
    for change in (
        {"prompt": "a blue cube"},
        {"negative": "night"},
        {"guidance": 1.0},
        {"rescale": 0.0},
        {"steps": 4},
        {"fps": 11.5},
        {"solver": "heun"},
    ):
        (other,) = skyloom.sample([replace(BALL, **change)])
        assert (other - plain).abs().max() > 1e-3, change


def test_guidance_one_is_no_guidance(skyloom: Skyloom) -> None:
    off, barely = (replace(BALL, guidance=scale, rescale=0.0) for scale in (1.0, 1.0 + 1e-6))
    assert_close(skyloom.sample([off])[0], skyloom.sample([barely])[0], atol=1e-4, rtol=1e-4)
    # The negative prompt is not even read.
    same = skyloom.sample([replace(off, negative="night")])[0]
    assert torch.equal(same, skyloom.sample([off])[0])


def test_guidance_is_low_where_frames_are_held_unless_it_is_asked_for() -> None:
    frame = Video(np.zeros((1, 64, 64, 3), np.uint8), 12.0)
    animated = replace(BALL, guidance=None, given=(Condition(frame),))
    sketched = replace(animated, given=(Condition(frame, strength=0.6),))
    assert [request.scale() for request in (animated, sketched)] == [HELD_GUIDANCE, WORDS_GUIDANCE]
    assert [request.scale(rolling=True) for request in (animated, sketched)] == [
        HELD_GUIDANCE,
        ROLLING_GUIDANCE,
    ]
    assert replace(animated, guidance=3.0).scale(rolling=True) == 3.0
    assert replace(animated, negative=animated.words).scale(rolling=True) == 1.0


def test_windows_that_go_on_are_guided_less_than_the_first(skyloom: Skyloom) -> None:
    long = replace(BALL, seconds=4.0, window=0.1, guidance=None)
    assert len(skyloom.spans(long)) > 1

    def windows(request: Request) -> list[Tensor]:
        return list(skyloom._latents(request, None))

    plain = windows(long)
    firm = windows(replace(long, guidance=WORDS_GUIDANCE))
    assert torch.equal(plain[0], firm[0])
    assert not torch.equal(plain[1], firm[1])


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_decoding_in_pieces_changes_nothing(skyloom: Skyloom, chunk: int) -> None:
    (latents,) = skyloom.sample([BALL])
    pieces, whole = (list(skyloom.decode_stream(iter([latents]), at)) for at in (chunk, 99))
    assert [len(frames) for frames in pieces] == [len(frames) for frames in whole] == [1, 4, 4]
    apart = np.concatenate(pieces).astype(int) - np.concatenate(whole)
    assert np.abs(apart).max() <= 1


def test_progress_counts_the_steps(skyloom: Skyloom) -> None:
    seen: list[tuple[int, int]] = []
    skyloom.generate(BALL, lambda step, count: seen.append((step, count)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_bare_prompt_is_a_request(skyloom: Skyloom, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []
    monkeypatch.setattr(skyloom, "generate_many", lambda requests, _: asked.extend(requests) or [
        Video(np.zeros((1, 8, 8, 3), np.uint8), 12.0)])  # fmt: skip
    skyloom.generate("a red ball")
    assert asked == [Request("a red ball")]


def test_variations() -> None:
    assert [request.seed for request in variations(BALL, 3)] == [3, 4, 5]
    assert variations(BALL, 1) == [BALL]


def test_a_model_runs_in_the_precision_that_suits_the_device(tiny: Tiny) -> None:
    model = Skyloom.load(tiny.model, "cpu")
    for network in (model.autoencoder, model.transformer, model.text):
        assert {w.dtype for w in network.parameters()} == {pick_dtype(torch.device("cpu"))}
    assert len(model.generate(BALL).frames) == 9


def test_words_may_be_missing_only_where_something_is_given(skyloom: Skyloom) -> None:
    silent = replace(BALL, prompt="  ")
    with pytest.raises(UserError, match="The prompt is empty"):
        skyloom.generate(silent)
    picture = skyloom.generate(BALL)
    longer = skyloom.extend(picture, silent)  # what is given is added by the operation
    assert len(longer.frames) > len(picture.frames)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": 0}, "0 steps cannot make a clip: use 1 or more"),
        ({"guidance": -1.0}, "Guidance -1.0 cannot be"),
        ({"guidance": float("nan")}, "Guidance nan cannot be"),
        ({"rescale": 1.5}, "Rescale 1.5 is not between 0"),
        ({"fps": 0.0}, "0 frames a second cannot be made: use 1 to 60"),
        ({"fps": 61.0}, "61 frames a second"),
        ({"seconds": -1.0}, "-1 seconds cannot be made: use 0"),
        ({"seconds": float("nan")}, "nan seconds cannot be made"),
        ({"solver": "rk4"}, "no solver 'rk4': use euler, heun, multistep"),
    ],
)
def test_requests_that_cannot_be(change: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        replace(BALL, **change)


def test_requests_that_this_model_cannot_make(
    skyloom: Skyloom, monkeypatch: pytest.MonkeyPatch
) -> None:
    for change, sentence in (
        ({"size": (100, 64)}, "the nearest size it can is 96x64 .multiples of 32"),
        ({"seconds": 2000.0}, "the longest it can is 600"),
    ):
        with pytest.raises(UserError, match=sentence):
            skyloom.sample([replace(BALL, **change)])
    with pytest.raises(ValueError, match="must share steps, solver, guidance, rescale"):
        skyloom.sample([BALL, replace(BALL, steps=4)])
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}
    monkeypatch.setattr("os.sysconf", pages.__getitem__)
    with pytest.raises(UserError, match=r"12 frames of 64x64 need about \d.\d GiB of memory"):
        skyloom.sample([BALL])
