"""The bench of editing: its measures can fail, its tasks line up, and it runs to its table."""

import json

import numpy as np
import pytest
import torch

from skyloom.bench.editing import NO_JUDGE, _judged, run, table
from skyloom.bench.edits import minute
from skyloom.bench.edits.figures import (
    boundary_jump,
    continuation_figures,
    given_figures,
    loop_figures,
    measure,
    seam_figures,
    summary,
)
from skyloom.bench.edits.operations import Done, HeldOut, Watched, held_out_clips, tasks
from skyloom.bench.edits.restyling import displacement, new_words
from skyloom.bench.edits.restyling import measure as restyled
from skyloom.bench.edits.seams import Seam, coarse_error, crossfade, differences, frozen, jump, turn
from skyloom.edit import shown
from skyloom.modelfolder import load_model
from skyloom.video import Video
from skyloom.world.sampling import sample_scene

STRIDE = 4


def panned(frames=17, side=64, speed=2, seed=0):
    """A smooth texture that moves to the left for ever: whole after `side` / `speed` frames."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] * 2 * np.pi / side
    waves = [
        np.sin(a * x + b * y + phase)
        for a, b, phase in zip(rng.integers(1, 4, 9), rng.integers(0, 4, 9), rng.random(9) * 6,
                               strict=True)
    ]  # fmt: skip
    texture = np.stack([sum(waves[i::3]) for i in range(3)], axis=-1) * 40 + 128
    clip = [np.roll(texture, -speed * number, axis=1) for number in range(frames)]
    return np.stack(clip).clip(0, 255).astype(np.uint8)


@pytest.fixture
def clip():
    return HeldOut(sample_scene(1, split="heldout", tier="one"), "a ball", Video(panned(), 12.0))


def perfect(task, real):
    """What the request of a task gives when all is right: the frames of the real clip."""
    before = 0 if task.edit.before is None else len(task.edit.before)
    places = np.arange(task.edit.request.frames) - task.edit.skip + before
    return real[places.clip(0, len(real) - 1)]


def test_a_clip_that_goes_on_has_no_seam():
    frames = panned()
    assert jump(frames, 8) == pytest.approx(1, abs=0.1)
    assert turn(panned(32)) == pytest.approx(1, abs=0.1)
    assert turn(frames) > 3
    cut = np.concatenate([frames[:8], panned(9, seed=1)])
    assert jump(cut, 8) > 2
    twice = np.concatenate([frames[:8], frames[7:]])
    assert jump(twice, 8) == 0 and not Seam(jump(twice, 8), 1.0).holds()


def test_what_stands_still_has_no_jump_and_wins_nothing():
    still = np.repeat(panned(1), 17, axis=0)
    assert jump(still, 8) is None and turn(still) is None
    assert not Seam(None, 1.0).holds() and not Seam(1.0, 0.0).holds()
    assert not Seam(1.0, None).holds() and not Seam(1.0, 30.0).holds()
    assert Seam(1.0, 1.0).holds() and not Seam(1.6, 1.0).holds()


def test_jumps_from_latent_to_latent_are_seen():
    frames = panned()
    assert boundary_jump(frames, STRIDE) == pytest.approx(1, abs=0.1)
    steps = np.repeat([0, 40, 0, 40, 0], [1, 4, 4, 4, 4]).astype(np.uint8)
    assert boundary_jump(frames // 2 + steps[:, None, None, None], STRIDE) > 3
    assert boundary_jump(np.repeat(frames[:1], 17, axis=0), STRIDE) is None


def test_differences_count_levels_and_come_round():
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    frames[1], frames[2] = 10, 4
    np.testing.assert_array_equal(differences(frames), [4, 10, 6])


def test_baselines_start_from_what_is_given():
    frames = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.full(
        (1, 4, 4, 3), 10, np.uint8
    )
    assert (frozen(frames, slice(4, 10)) == 30).all() and len(frozen(frames, slice(4, 10))) == 6
    assert (frozen(frames, slice(0, 3)) == 30).all()
    np.testing.assert_array_equal(crossfade(frames, slice(3, 6)), frames[3:6])


def test_the_coarse_error_looks_at_places_and_not_at_sharpness():
    frames = panned(3)
    rng = np.random.default_rng(0)
    grain = (frames + rng.normal(0, 8, frames.shape)).clip(0, 255).astype(np.uint8)
    moved = np.roll(frames, 8, axis=2)
    assert coarse_error(frames, frames) == 0
    assert coarse_error(frames, grain) < coarse_error(frames, moved) / 3


@pytest.mark.parametrize("frames", [13, 17, 25])
def test_tasks_line_up_with_the_real_clip(clip, frames):
    real = panned(frames)
    clip = HeldOut(clip.scene, clip.prompt, Video(real, 12.0))
    for task in tasks(clip, STRIDE):
        made = np.concatenate(list(shown(task.edit, iter([perfect(task, real)]))))
        assert len(made) == len(task.given)
        if task.truth:
            np.testing.assert_array_equal(made, real)
            figures = given_figures(task, Done(made, perfect(task, real)), real, panned(frames, 64))
            assert figures["shown"] == figures["sampled"] == 100
        assert all(0 <= seam < len(made) for seam in task.seams)


def results(clip, make):
    """The summary when what was made is `make(real frames, rng)`, by operation."""
    rng, real, records = np.random.default_rng(0), clip.video.frames, []
    for task in tasks(clip, STRIDE):
        if not (task.truth and task.seams):
            continue
        frames = real.copy()
        frames[task.made] = make(frames, task.made, rng)
        records.append(
            {
                "operation": task.name,
                "seams": seam_figures(task, frames, real),
                "continuation": continuation_figures(task, frames, real, real),
            }
        )
    return summary(records)


@pytest.mark.parametrize(
    ("name", "make", "holds", "share"),
    [
        ("truth", lambda real, made, rng: real[made], 1, 1),
        ("freeze", lambda real, made, rng: frozen(real, made), 0, 0),
        ("cut", lambda real, made, rng: panned(17, seed=1)[made], 0, 0),
        ("noise", lambda real, made, rng: rng.integers(0, 256, real[made].shape), 0, 0),
        (
            "flicker",
            lambda real, made, rng: real[made] + (np.arange(made.start, made.stop) % 2 * 60)[
                :, None, None, None
            ].astype(np.uint8),
            0,
            None,
        ),
    ],
)  # fmt: skip
def test_bad_edits_score_badly_and_the_truth_well(clip, name, make, holds, share):
    for operation, figures in results(clip, make).items():
        seams = figures["seams"]
        assert seams["holds"] == holds, operation
        assert seams["real"]["holds"] == 1
        assert seams["real"]["jump"] == pytest.approx(1, abs=0.1)
        if name == "truth":
            assert seams["jump"] == pytest.approx(1, abs=0.1) and seams["motion"] == 1
        if name == "freeze":
            assert seams["judged"] == 0 and seams["jump"] is None and seams["motion"] == 0
        for measured in figures["continuation"].values():
            assert share is None or measured["share"] == share, operation
            assert measured["autoencoder"] == 1


def test_a_loop_is_told_from_a_clip_that_starts_again(clip):
    words = list(tasks(clip, STRIDE))[-1]
    good = loop_figures(words, panned(16, speed=4), clip.video.frames)
    assert good["holds"] and good["jump"] == pytest.approx(1, abs=0.1)
    bad = loop_figures(words, panned(16), clip.video.frames)
    assert not bad["holds"] and bad["jump"] > 3
    assert bad["real"]["holds"] and not bad["no loop"]["holds"]


def test_given_frames_are_measured_before_they_are_put_back(tiny, clip):
    model = Watched(load_model(tiny.model))
    by_name = {record["operation"]: record for record in measure(model, clip, steps=1)}
    assert len(by_name) == 8
    for name in ("animate", "extend", "extend backward", "connect", "fill"):
        given = by_name[name]["given"]
        assert given["shown"] == 100 and given["sampled"] < 60, name
    for name in ("animate", "extend"):  # the same latents, decoded the same
        assert by_name[name]["given"]["sampled"] == pytest.approx(
            by_name[name]["given"]["autoencoder"], abs=0.1
        )
    assert "continuation" not in by_name["fill"] and "given" not in by_name["loop of words"]


def test_held_out_clips_move_and_are_the_same_again():
    clips = list(held_out_clips(2, (48, 32), 9))
    assert [clip.prompt for clip in held_out_clips(2, (48, 32), 9)] == [c.prompt for c in clips]
    for clip in clips:
        assert clip.video.frames.shape == (9, 32, 48, 3) and clip.prompt
        assert differences(clip.video.frames)[1:].mean() >= 0.4


def test_it_runs_and_gives_the_same_figures_again(tiny, tmp_path):
    def call():
        return run(
            tiny.model, tmp_path / "figures.json", quick=True, clips=1, size=(64, 64),
            seconds=1.0, steps=1, judge_folder=tmp_path,
        )  # fmt: skip

    figures = call()
    assert call() == figures
    assert json.loads((tmp_path / "figures.json").read_text()) == figures
    assert figures["frames"] == 13
    text = table(figures)
    for words in ("100.00", "extend backward", "loop of words", "cross-fade", "--quick"):
        assert words in text


def test_new_words_change_one_thing_and_say_so():
    seen = set()
    for number in range(9):
        scene = sample_scene(number, split="heldout", tier="one")
        words = new_words(scene, number)
        seen.add(words.changed)
        assert words.asked[words.changed] != getattr(scene, words.changed)
    assert seen == {"look", "time", "weather"}


def test_subjects_that_move_or_vanish_have_moved():
    centres = torch.full((2, 1, 2, 2), 0.5)
    there = torch.ones(2, 1, 2, dtype=torch.bool)
    assert displacement(centres, there, 0.5) == 0
    centres[1, 0, 0] = torch.tensor([0.7, 0.5])
    centres[1, 0, 1] = torch.tensor([0.5, 0.9])
    assert displacement(centres, there, 0.5) == pytest.approx(0.2)
    there[1, 0, 1] = False
    assert displacement(centres, there, 0.5) == pytest.approx(0.6)
    there[0] = False
    assert displacement(centres, there, 0.5) is None


def test_restyling_by_a_judge(tiny, clip, judge):
    model = Watched(load_model(tiny.model))
    found = restyled(model, judge, [clip], (0.5,), steps=1)
    assert list(found["strengths"]) == ["0", "0.5"]
    assert found["strengths"]["0"]["shift"] in (0, None)
    assert found["strength"] in (0.5, None)
    figures = {"restyle": {**found, "judge": 0.9}, "minute": NO_JUDGE, "storyboard": NO_JUDGE}
    assert NO_JUDGE in _judged(figures)


@pytest.mark.slow
def test_a_minute_in_small(tiny, judge):
    options = ("--size", "64x64", "--steps", "1")
    figures = minute.measure(tiny.model, judge, 1, (0.5, 1.5), options)
    assert 0.5 < figures["memory"]["ratio"] < 2
    assert set(figures["adherence"]) == {"everything", "what lasts"}
    assert figures["clips"][0]["first"]["motion"] >= 0
    without = {**figures, "adherence": None}
    rest = {"restyle": NO_JUDGE, "storyboard": NO_JUDGE}
    assert NO_JUDGE in _judged({**rest, "minute": without})
    assert "what lasts" in _judged({**rest, "minute": figures})
