"""Crops of clips: pure functions of (seed, step), and windows of what is really there."""

import json
from pathlib import Path

import numpy as np
import pytest
from films import film, numbered, numbers

from skyloom import video
from skyloom.data.crops import Crops, CropShape, crop_of_file
from skyloom.errors import UserError
from skyloom.video import Video

SHAPES = (CropShape(5, (32, 16), 2, 0.75), CropShape(1, (16, 16), 3, 0.25))


def coded(frames: int, height: int, width: int) -> np.ndarray:
    """A clip each of whose pixels says where it is: (frame, row, column)."""
    grid = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
    return np.stack(grid, axis=-1).astype(np.uint8)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    lines = []
    for index, shape in enumerate([(9, 40, 48), (7, 32, 64)]):
        name = f"clip_{index}.safetensors"
        video.write(Video(coded(*shape), 12.0), tmp_path / name)
        lines.append({"file": name, "captions": ["a clip"]})
    lines.append({"file": "still.png", "captions": ["an image is passed over"]})
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_a_batch_is_a_pure_function_of_seed_and_step(world: Path) -> None:
    one, other = Crops(world, 0.0, SHAPES, seed=1), Crops(world, 0.0, SHAPES, seed=1)
    batches = [one.batch(step) for step in range(6)]
    for step in (4, 0, 3):
        assert np.array_equal(other.batch(step), batches[step])
    changed = Crops(world, 0.0, SHAPES, seed=2)
    assert any(not np.array_equal(changed.batch(step), batches[step]) for step in range(6))


def test_shapes_are_drawn_by_their_share(world: Path) -> None:
    crops = Crops(world, 0.0, SHAPES, seed=0)
    drawn = [crops.batch(step).shape for step in range(200)]
    assert set(drawn) == {(2, 5, 16, 32, 3), (3, 1, 16, 16, 3)}
    assert drawn.count((2, 5, 16, 32, 3)) / 200 == pytest.approx(0.75, abs=0.08)


def test_a_crop_is_a_window_half_of_them_mirrored(world: Path) -> None:
    rng = np.random.default_rng(0)
    starts, mirrored = set(), 0
    for _ in range(200):
        crop = crop_of_file(world / "clip_0.safetensors", SHAPES[0], rng).astype(int)
        steps = np.diff(crop[0, 0, :, 2])
        assert set(steps) in ({1}, {-1})
        mirrored += steps[0] == -1
        if steps[0] == -1:
            crop = crop[:, :, ::-1]
        start = crop[0, 0, 0]
        assert np.array_equal(crop, coded(9, 40, 48)[tuple(
            slice(a, a + n) for a, n in zip(start, (5, 16, 32), strict=True))])  # fmt: skip
        starts.add(tuple(start))
    assert 70 < mirrored < 130
    assert [max(s[i] for s in starts) for i in range(3)] == [4, 24, 16]  # the whole clip is used
    assert [min(s[i] for s in starts) for i in range(3)] == [0, 0, 0]


def test_what_is_too_short_or_small_is_mirrored(world: Path) -> None:
    shape = CropShape(20, (80, 48), 1)
    crop = crop_of_file(world / "clip_0.safetensors", shape, np.random.default_rng(1))
    assert crop.shape == (20, 48, 80, 3)
    times = crop[:, 0, 0, 0].tolist()
    assert times[:9] == list(range(9)) and times[9:18] == list(range(9))[::-1]
    assert np.abs(np.diff(crop[0, :, 0, 1].astype(int))).max() == 1


def test_worlds_without_clips_or_with_clips_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "captions.jsonl").write_text(json.dumps({"file": "a.png", "captions": []}))
    with pytest.raises(UserError, match=r"no clips to crop from, only pictures"):
        Crops(tmp_path, 0.0, SHAPES, seed=0)
    (tmp_path / "captions.jsonl").write_text(json.dumps({"file": "gone.mp4", "captions": []}))
    with pytest.raises(UserError, match=r"gone\.mp4' is missing"):
        Crops(tmp_path, 0.0, SHAPES, seed=0)


def test_a_film_gives_windows_of_what_is_in_it(tmp_path: Path) -> None:
    """Any window of any moment; every frame tells its number by its brightness."""
    path = tmp_path / "film.mp4"
    video.write(Video(numbered(26, (64, 48)), 12.0), path)
    rng, firsts = np.random.default_rng(0), set()
    for _ in range(60):
        crop = crop_of_file(path, CropShape(5, (32, 16), 1), rng)
        assert crop.shape == (5, 16, 32, 3)
        first = numbers(crop)
        assert first == list(range(first[0], first[0] + 5))
        firsts.add(first[0])
    assert min(firsts) == 0 and max(firsts) == 21 and len(firsts) > 12


def test_a_film_is_seen_at_every_scale_and_place(tmp_path: Path) -> None:
    path = tmp_path / "film.webm"
    ramp = np.linspace(0, 255, 128).astype(np.uint8)
    frame = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], 128), -1).astype(np.uint8)
    video.write(Video(np.stack([frame] * 3), 12.0), path)
    rng, slopes, corners = np.random.default_rng(0), [], []
    for _ in range(60):
        crop = crop_of_file(path, CropShape(1, (32, 32), 1), rng)[0].astype(float)
        slopes.append(abs(crop[16, 28, 0] - crop[16, 4, 0]) / 24)
        corners.append(crop[0, :, :2].min(axis=0))
    # a pixel of the film is 2 grey levels wide; the window holds from a quarter to all of it
    assert min(slopes) < 2.6 and max(slopes) > 6.5
    assert np.ptp(corners, axis=0).min() > 100


def test_films_turned_short_cut_off_and_no_films(tmp_path: Path) -> None:
    turned = film(tmp_path / "turned.mov", numbered(4, (64, 32)), rotation=90)
    crop = crop_of_file(turned, CropShape(6, (16, 32), 1), np.random.default_rng(0))
    assert crop.shape == (6, 32, 16, 3) and numbers(crop) == [0, 1, 2, 3, 3, 2]
    whole = tmp_path / "whole.mp4"
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (30, 64, 64, 3), dtype=np.uint8)
    video.write(Video(noise, 12.0), whole)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    for _ in range(8):  # the header promises all 30
        crop = crop_of_file(cut, CropShape(5, (16, 16), 1), rng)
        assert crop.shape == (5, 16, 16, 3) and crop.std() > 8
    (tmp_path / "text.mp4").write_bytes(b"no film")
    with pytest.raises(UserError, match=r"text\.mp4' is not a video"):
        crop_of_file(tmp_path / "text.mp4", SHAPES[0], rng)


def test_batches_of_films_are_pure_and_mix_with_raw_clips(world: Path) -> None:
    video.write(Video(numbered(20, (64, 48), first=70), 12.0), world / "film.mp4")
    with (world / "captions.jsonl").open("a") as lines:
        lines.write("\n" + json.dumps({"file": "film.mp4", "captions": []}))
    one, other = Crops(world, 0.0, SHAPES, seed=1), Crops(world, 0.0, SHAPES, seed=1)
    batches = [one.batch(step) for step in range(12)]
    for step in (4, 0, 11):  # as a run that was stopped asks for them
        assert np.array_equal(other.batch(step), batches[step])
    assert {bool(crop.min() > 60) for batch in batches for crop in batch} == {True, False}


def test_real_footage_alone_and_mixed(world: Path) -> None:
    pytest.importorskip("skimage")
    alone = Crops(None, 0.0, SHAPES, seed=0, split="heldout")
    assert alone.real_share == 1.0
    batch = alone.batch(0)
    assert batch.shape[1:] == (5, 16, 32, 3) or batch.shape[1:] == (1, 16, 16, 3)
    assert np.array_equal(alone.batch(0), batch)
    mixed = Crops(world, 0.5, SHAPES, seed=0, split="heldout")
    # A coded clip is dark where its blue is the column: below 64.
    real = [crop.max() > 64 for step in range(40) for crop in mixed.batch(step)]
    assert 0.3 < np.mean(real) < 0.7
