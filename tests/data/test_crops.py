"""Crops of clips: pure functions of (seed, step), and windows of what is really there."""

import json
from pathlib import Path

import numpy as np
import pytest

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


def test_worlds_without_lossless_clips(tmp_path: Path) -> None:
    line = {"file": "clip.mp4", "captions": ["a clip"]}
    (tmp_path / "captions.jsonl").write_text(json.dumps(line))
    with pytest.raises(UserError, match=r"no safetensors clips .*--format safetensors"):
        Crops(tmp_path, 0.0, SHAPES, seed=0)


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
