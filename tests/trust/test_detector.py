"""The detector: what it says, where it says nothing, and how it is taught."""

from pathlib import Path

import numpy as np
import pytest

from skyloom import video
from skyloom.errors import UserError
from skyloom.trust import detector
from skyloom.trust.detecting.data import DetectorClips, graphics
from skyloom.trust.detecting.training import auc, main, resized, through
from skyloom.video import Video


def clip(width: int = 64, height: int = 64, frames: int = 9) -> Video:
    return Video(graphics(np.random.default_rng(0), (width, height), frames), 12.0)


def test_it_abstains_on_sizes_that_it_does_not_know() -> None:
    bundled = detector.load()
    for size in ((16, 16), (1024, 64)):
        said = bundled.look(clip(*size))
        assert said.score is None and not said.sure and "a size it does not know" in said.verdict


def test_the_same_clip_gets_the_same_score_in_any_company() -> None:
    bundled = detector.load()
    one, two = bundled.look(clip()), bundled.look(clip())
    assert one == two and one.score is not None and 0 <= one.score <= 1


def test_noise_is_unlike_all_it_knows() -> None:
    rng = np.random.default_rng(0)
    noise = Video(rng.integers(0, 256, (9, 96, 96, 3), dtype=np.uint8), 12.0)
    assert not detector.load().look(noise).sure


def test_as_many_frames_as_are_wanted(tmp_path: Path) -> None:
    assert detector.wanted((1024, 64)) == 1 and detector.wanted((64, 64)) == detector.MOST_FRAMES
    one = detector.detect([clip()], "video/mp4")
    frames = [Video(frame[None], 12.0) for frame in clip().frames]
    assert one == detector.detect(frames, "video/mp4") and one.score is not None
    assert detector.detect(frames, "image/gif").score is None
    assert detector.detect([clip(frames=1)], "image/png").score is not None


def test_damaged_weights(tmp_path: Path) -> None:
    file = tmp_path / "detector.safetensors"
    with pytest.raises(UserError, match="missing or damaged"):
        detector.load(file)
    file.write_bytes(detector.WEIGHTS.read_bytes()[:-100])
    with pytest.raises(UserError, match="missing or damaged"):
        detector.load(file)


def test_the_area_under_the_curve() -> None:
    assert auc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert auc(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0.5


def test_what_is_measured_changes_the_clip_as_it_says() -> None:
    whole = clip(96, 64)
    assert resized(whole, 0.5).size == (48, 32)
    coded = through(whole, 30)
    assert coded.size == whole.size and len(coded.frames) == len(whole.frames)
    assert not np.array_equal(coded.frames, whole.frames)


@pytest.mark.slow
def test_teaching_it_from_clips_that_are_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for split in ("train", "heldout"):
        clips = DetectorClips(tmp_path / "clips", split, scale=0.05)
        (tmp_path / "clips").mkdir(exist_ok=True)
        for kind, number in clips.plan:  # what it makes is flat, what it does not has grain
            made = kind in ("generated", "reconstructed")
            frames = graphics(rng, (64, 64), 5).astype(int)
            grain = 0 if made else rng.normal(0, 20, frames.shape)
            frames = np.clip(frames + grain, 0, 255).astype(np.uint8)
            video.write(Video(frames, 12.0), clips._path(kind, number))
    out = tmp_path / "detector.safetensors"
    figures = main(tmp_path / "clips", None, out, steps=40, scale=0.05, make=False)
    assert figures["clean"]["auc"] > 0.9
    assert detector.load(out).look(clip()).score is not None
    assert out.stat().st_size < 2**20
