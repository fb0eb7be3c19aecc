"""The experiment of native sizes: its clips, its judge, and all of it once at tiny size."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import Tiny

from skyloom import video
from skyloom.autoencoder.folder import load_autoencoder
from skyloom.bench import native
from skyloom.bench.natives.data import (
    ARMS,
    MARGIN,
    SIDE,
    SIZES,
    centred,
    composed,
    cut_at,
    pixels_of,
    seen_through,
)
from skyloom.bench.natives.judge import (
    VIEW,
    JudgeTraining,
    LargePictures,
    accuracy,
    judged,
    teach,
    window_for,
)
from skyloom.errors import UserError

pytest.importorskip("mujoco")


@pytest.mark.parametrize("number", range(3))
def test_subjects_are_whole_in_clips_and_the_truth_follows_the_window(number: int) -> None:
    clip, window = composed(number, SIZES[number], 3)
    shown, truth = seen_through(clip, window)
    assert shown.size == SIZES[number] and truth["size"] == list(SIZES[number])
    for frame, (found,) in enumerate(truth["screen"]):
        box = pixels_of(found, shown.size)
        assert box is not None
        assert min(box[:2]) >= MARGIN - 0.1  # four decimals of a fraction are a hundredth
        assert box[2] <= shown.size[0] - MARGIN + 0.1 and box[3] <= shown.size[1] - MARGIN + 0.1
        large = pixels_of(clip.truth["screen"][frame][0], clip.video.size)
        assert cut_at(large, window) == (False,) * 4
    again, same = composed(number, SIZES[number], 3)
    assert same == window and np.array_equal(again.video.frames, clip.video.frames)


def test_what_an_edge_cuts() -> None:
    window = centred((0, 0, 160, 96))
    assert window == (32, 0, SIDE, SIDE)
    assert cut_at((40.0, 10.0, 60.0, 30.0), window) == (False,) * 4
    assert cut_at((20.0, 10.0, 60.0, 30.0), window) == (True, False, False, False)
    assert cut_at((100.0, -5.0, 140.0, 99.0), window) == (False, True, True, True)
    assert cut_at((0.0, 10.0, 32.0, 30.0), window) is None
    assert cut_at(None, window) is None


def test_windows_hold_or_cut_about_half_each() -> None:
    rng = np.random.default_rng(0)
    box, cuts = (140.0, 150.0, 180.0, 190.0), []
    for _ in range(300):
        window = window_for(box, SIZES[0], rng)
        assert min(window) >= 0 and window[0] + window[2] <= VIEW and window[1] + window[3] <= VIEW
        cut = cut_at(box, window)
        assert cut is not None
        cuts.append(sum(cut))
    assert 0.4 < np.mean(np.array(cuts) > 0) < 0.6 and max(cuts) == 2


def test_a_judge_learns_what_is_cut_and_sees_nothing_where_nothing_is(tiny: Tiny) -> None:
    """Bright squares on dark ground: a minute of a judge's life is enough for these."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 40, (24, VIEW, VIEW, 3), dtype=np.uint8)
    boxes = np.zeros((24, 4), np.float32)
    for frame, box in zip(frames, boxes, strict=True):
        left, top = rng.integers(130, 150, 2)
        box[:] = left, top, left + 40, top + 40
        frame[top : top + 40, left : left + 40] = (240, 200, 60)
    large = LargePictures(frames, boxes)
    autoencoder = load_autoencoder(tiny.model)
    how = JudgeTraining(steps=60, batch=16, widths=(16, 16, 16), noise=0.0, tested=60)
    judge = teach(large, autoencoder, how)
    right = accuracy(judge, large, autoencoder, how)
    assert right["plain"] > 0.85 and right["seen"] >= 0.0
    whole = np.zeros((2, 96, 96, 3), np.uint8)
    whole[0, 30:70, 30:70] = (240, 200, 60)
    whole[1, 30:70, :25] = (240, 200, 60)
    found = judged(judge, whole)
    assert found.seen.tolist() == [True, True] and found.cut.tolist() == [False, True]
    assert not judged(judge, np.full((1, 96, 160, 3), 20, np.uint8)).seen[0]


@pytest.mark.slow
def test_everything_once(tiny: Tiny, tmp_path: Path) -> None:
    folder, picture, told = tmp_path / "out", tmp_path / "native.png", tmp_path / "native.json"
    figures = native.run(folder, told, picture, native.QUICK, tiny.model, workers=1)
    assert json.loads(json.dumps(figures)) == json.loads(told.read_text())
    assert figures["learnt from"]["native"] == {"cut": 0.0, "out": 0.0}
    assert figures["learnt from"]["square"]["cut"] > 0
    text = native.table(figures)
    assert "96x160 (the judge)" in text and "native sizes" in text
    with Image.open(picture) as drawn:
        assert drawn.mode == "RGB" and drawn.height > 6 * 96
    for arm in ARMS:
        first = video.read(folder / "data" / arm / "000000.safetensors")
        assert first.size == ((96, 96) if arm == "square" else SIZES[0])
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    assert native.run(folder, None, None, native.QUICK, tiny.model, workers=1) == figures
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(UserError, match="with other settings"):
        native.run(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").write_text("mine")
    with pytest.raises(UserError, match="holds something else"):
        native.run(tmp_path / "mine")
