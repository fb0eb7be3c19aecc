"""What the judges learn from: moments, places, spoiling, batches that are pure in their step."""

import numpy as np
import pytest
import torch

from skyloom.bench.judges.attributes import ROLES, canonical, mirrored, words_of
from skyloom.bench.judges.data import LEARNT, JudgeClips, boxes_of, places_of, spoiled
from skyloom.bench.judges.moments import chosen, moments, seen_size, to_scale
from skyloom.video import Video
from skyloom.world.sampling import sample_scene

BOX = [0.25, 0.75, 0.2, 0.1, 0.05]


def test_three_moments_a_second():
    assert moments(49, 12.0, 12) == list(range(0, 48, 4))
    assert moments(9, 12.0, 12) == [0, 4, 8]
    assert moments(1, 12.0, 12) == [0]
    assert moments(10, 2.0, 12) == list(range(8)) or len(moments(10, 2.0, 12)) <= 12


def test_every_size_is_seen_at_one_scale():
    assert seen_size((128, 128)) == (128, 128) and seen_size((64, 64)) == (128, 128)
    assert seen_size((160, 96)) == (160, 96) and seen_size((192, 320)) == (96, 160)
    video = Video(np.full((5, 64, 64, 3), 255, np.uint8), 3.0)
    clip = to_scale(chosen(video, 12))
    assert clip.shape == (5, 3, 128, 128) and torch.allclose(clip, torch.ones(1), atol=1e-5)


def test_places_are_where_the_boxes_are():
    other = [0.75, 0.25, 0.1, 0.1, 0.0001]  # too small to be seen
    screen = [[BOX, other], [None, BOX]]
    boxes, visible = boxes_of(screen, (1, 0), mirror=False)
    assert visible.tolist() == [[0, 1, 0], [1, 0, 0]]
    torch.testing.assert_close(boxes[0, 1], torch.tensor(BOX[:4]))
    things, places = places_of(boxes[None], visible[None], (8, 16))
    assert places.shape == (1, 2, len(ROLES), 8, 16) and things.shape == (1, 2, 8, 16)
    assert places[0, 0, 1].sum() == pytest.approx(1.0, abs=1e-4) and places[0, 0, 0].sum() == 0
    row, column = divmod(int(places[0, 0, 1].argmax()), 16)
    assert row in (5, 6) and column in (3, 4)
    assert things[0, 0].sum() == things[0, 1].sum() > 0 and things[0, 0, row, column] == 1
    mirrored_boxes, seen = boxes_of(screen, (1, 0), mirror=True)
    _, flipped = places_of(mirrored_boxes[None], seen[None], (8, 16))
    torch.testing.assert_close(flipped, places.flip(-1), atol=1e-4, rtol=0)


def test_spoiling_keeps_shape_and_range_and_is_repeatable():
    clip = torch.rand(4, 3, 32, 48) * 2 - 1
    for seed in range(12):
        once, again = (spoiled(clip, np.random.default_rng(seed)) for _ in range(2))
        assert torch.equal(once, again) and once.shape == clip.shape
        assert once.dtype == torch.float32 and once.abs().max() <= 1
        assert (once - clip).abs().mean() < 0.6


def test_batches_are_pure_in_their_step_and_an_epoch_holds_every_clip(raw):
    folder = raw()
    clips = JudgeClips([folder], slice(None), 2, 12, seed=3, spoil=False)
    assert len(clips) == 7 and clips.steps == 4
    again = JudgeClips([folder], slice(None), 2, 12, seed=3, spoil=False)
    later = again.batch(5)  # out of order
    assert torch.equal(later.clip, clips.batch(5).clip)
    sizes = sorted(len(clips.batch(step).clip) for step in range(4))
    assert sizes == [1, 2, 2, 2]
    total = sum(float(clips.batch(step).clip.sum()) for step in range(4))
    second = sum(float(clips.batch(step).clip.sum()) for step in range(4, 8))
    assert total == pytest.approx(second, rel=1e-4)


def test_labels_say_what_the_scene_says(raw):
    folder = raw(1)
    clean = JudgeClips([folder], slice(None), 1, 12, spoil=False).batch(0)
    scene = sample_scene(0)
    words = words_of(scene)
    for name, label in clean.labels.items():
        assert words[name] == (None if label[0] < 0 else LEARNT[name][int(label[0])])
    assert clean.visible[0, 0].tolist() == [
        float(i < len(scene.subjects)) for i in range(len(ROLES))
    ]


def test_a_mirrored_clip_has_mirrored_labels(raw):
    folder = raw(1)
    scene = sample_scene(0)
    seen = set()
    spoiling = JudgeClips([folder], slice(None), 1, 12, spoil=True)
    for step in range(8):
        batch = spoiling.batch(step)
        columns = batch.places[0, 0, 0].sum(dim=0)
        mirror = int(columns.argmax()) >= len(columns) // 2
        seen.add(mirror)
        told = mirrored(scene) if mirror else scene
        words = words_of(told)
        assert canonical(told).order
        for name, label in batch.labels.items():
            assert words[name] == (None if label[0] < 0 else LEARNT[name][int(label[0])])
    assert seen == {False, True}
