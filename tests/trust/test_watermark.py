"""The watermark: what it does to a picture, what it lives through, and what is never found."""

import hashlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # for clips.py, whatever imports these tests
from clips import cropped, moving, scaled, through

from skyloom.trust.marks.carriers import MOVING, STILL, carriers
from skyloom.trust.marks.finding import find, search
from skyloom.trust.marks.observing import observe
from skyloom.trust.watermark import Mark, gathering, marked, spreading

KEY = bytes(range(32))
PAYLOAD = 0x123456789ABC
FPS = 12.0


def mark(frames: np.ndarray, fps: float = FPS, still: bool = False) -> np.ndarray:
    return np.concatenate(list(marked([frames], fps, Mark(KEY, PAYLOAD), still)))


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return mark(moving())


def test_it_does_not_show(clip: np.ndarray) -> None:
    assert psnr(clip, moving()) >= 41
    textured = np.random.default_rng(0).integers(60, 190, (4, 96, 160, 3), dtype=np.uint8)
    assert 40.0 <= psnr(mark(textured), textured) <= 40.3  # more where it is busy
    flat = np.full((4, 96, 160, 3), 99, np.uint8)
    assert psnr(mark(flat), flat) >= 42.8
    assert np.abs(clip.astype(int) - moving()).max() <= 12


def test_quiet_frames_get_less_than_busy_ones_and_their_places_the_same() -> None:
    flat = np.full((4, 128, 128, 3), 128, np.uint8)
    half = flat.copy()
    half[:, :, 64:] = np.random.default_rng(0).integers(90, 170, (4, 128, 64, 1))
    added = np.square(mark(half).astype(float) - half)
    assert 0.8 < added[:, :, 72:].mean() / added[:, :, :56].mean() < 1.25
    assert added.mean() > 1.5 * np.square(mark(flat).astype(float) - flat).mean()


def test_pieces_make_no_difference(clip: np.ndarray) -> None:
    def one_by_one() -> Iterator[np.ndarray]:
        for frame in moving():
            yield frame[None]

    assert np.array_equal(np.concatenate(list(marked(one_by_one(), FPS, Mark(KEY, PAYLOAD)))), clip)


def test_it_is_no_static_pattern(clip: np.ndarray) -> None:
    """What many frames have in common is not the mark: averaged, it nearly goes away."""
    long = np.repeat(moving(1), 240, axis=0)
    added = mark(long).astype(float) - long
    assert np.square(added.mean(axis=0)).mean() < np.square(added).mean() / 10
    other = np.concatenate(list(marked([moving()], FPS, Mark(KEY, PAYLOAD + 1))))
    same = np.corrcoef((clip - moving()).ravel(), (other - moving()).ravel())[0, 1]
    assert abs(same) < 0.9  # another number is another pattern, not the same with a flag


WAYS: dict[str, Callable[[np.ndarray], tuple[np.ndarray, float]]] = {
    "as it is": lambda clip: (clip, FPS),
    "h264 crf 23": lambda clip: (through(clip, FPS), FPS),
    "h264 crf 30": lambda clip: (through(clip, FPS, crf=30), FPS),
    "x265 crf 28": lambda clip: (through(clip, FPS, "libx265", 28), FPS),
    "half size": lambda clip: (through(scaled(clip, (64, 64)), FPS), FPS),
    "half rate": lambda clip: (through(clip[1::2], FPS / 2), FPS / 2),
    "two seconds": lambda clip: (through(clip[13:37], FPS), FPS),
    "cropped": lambda clip: (through(cropped(clip, 0.9, (0.3, 0.8)), FPS), FPS),
    "cropped and scaled": lambda clip: (
        through(scaled(cropped(clip, 0.9, (0.9, 0.1)), (128, 128)), FPS),
        FPS,
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_it_lives_through(clip: np.ndarray, way: str) -> None:
    found = find([WAYS[way](clip)[0]], WAYS[way](clip)[1], KEY)
    assert found.p_value < 1e-6
    assert found.cropped == way.startswith("cropped")
    if way in ("as it is", "h264 crf 23", "half rate"):
        assert found.payload == PAYLOAD


def test_24_frames_a_second() -> None:
    clip = mark(moving(96), 24.0)
    for phase in (0, 1):
        dropped = through(clip[phase::2], 12.0)
        found = find([dropped], 12.0, KEY)
        assert found.p_value < 1e-6 and found.payload == PAYLOAD


@pytest.mark.parametrize("size", [(64, 64), (160, 96), (321, 181)])
def test_other_sizes(size: tuple[int, int]) -> None:
    clip = mark(moving(36, size))
    found = find([clip], FPS, KEY)
    assert found.p_value < 1e-6 and found.payload == PAYLOAD


def test_a_picture() -> None:
    rng = np.random.default_rng(1)
    picture = moving(1, (192, 128))
    picture = np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
    made = mark(picture, still=True)
    assert psnr(made, picture) >= 40.2
    file = io.BytesIO()
    Image.fromarray(made[0]).save(file, "JPEG", quality=90)
    decoded = np.asarray(Image.open(file).convert("RGB"))[None]
    for seen in (made, decoded):
        found = find([seen], 1.0, KEY)
        assert found.p_value < 1e-6 and found.payload == PAYLOAD


@pytest.mark.parametrize("cuts", [(0.1, 0.1, 0.1, 0.1), (0.0, 0.08, 0.03, 0.0)])
def test_a_picture_whose_edges_were_cut(cuts: tuple[float, float, float, float]) -> None:
    rng = np.random.default_rng(1)
    picture = moving(1, (256, 192))
    picture = np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
    top, bottom, left, right = (
        round(cut * side) for cut, side in zip(cuts, (192, 192, 256, 256), strict=True)
    )
    cut = mark(picture, still=True)[:, top : 192 - bottom, left : 256 - right]
    found = find([cut], 1.0, KEY)
    assert found.p_value < 1e-6 and found.cropped
    assert find([cut], 1.0, bytes(32)).p_value > 1e-4


def test_a_picture_is_scored_through_a_view_as_its_cells_would_be() -> None:
    seen = observe([mark(moving(1, (96, 96)), still=True)], 1.0)
    pilot = carriers(KEY, STILL).pilot[0]
    scores = seen.picture_scores(pilot)
    whole = seen.whole[0]
    first = (whole.cells[0, 0] * pilot.ravel()).sum() / whole.size[0]
    assert scores[0] == pytest.approx(first, rel=1e-3)  # the first view leaves all of it


def test_another_key_finds_nothing(clip: np.ndarray) -> None:
    for number in range(6):
        found = find([clip], FPS, hashlib.sha256(bytes([number])).digest())
        assert found.p_value > 1e-4 and found.payload is None


def test_the_p_value_is_honest() -> None:
    """On clips without a mark, it is below x in a share of x of cases at most.

    Few cases at each x: the bound is the binomial's, some three deviations up.
    """
    rng = np.random.default_rng(4)
    clips = [moving(48), moving(24, seed=2), rng.integers(0, 256, (30, 64, 64, 3), dtype=np.uint8)]
    values = []
    for frames in clips:
        seen = observe([frames], FPS)
        values += [search(seen, rng.bytes(32)).p_value for _ in range(50)]
    told = np.array(values)
    assert np.median(told) > 0.3
    for level in (0.3, 0.1, 0.03, 0.01):
        most = level + 3.3 * np.sqrt(level / len(told))
        assert (told < level).mean() < most
    assert told.min() > 1e-5


def test_short_and_strange_clips() -> None:
    for frames in (1, 2, 3, 5, 7, 9):
        found = find([moving(frames, (32, 18))], FPS, KEY)
        assert 1e-4 < found.p_value <= 1
    flat = np.full((20, 64, 64, 3), 7, np.uint8)
    assert find([flat], FPS, KEY).p_value > 1e-4
    assert find([moving(20)], 1.0, KEY).p_value > 1e-4
    with pytest.raises(ValueError, match="without frames"):
        find([], FPS, KEY)


def test_memory_does_not_grow_with_the_clip() -> None:
    import tracemalloc

    def frames(count: int) -> Iterator[np.ndarray]:
        still = moving(1, (256, 256))
        for _ in range(count):
            yield still

    peaks = []
    for count in (10, 120):
        tracemalloc.start()
        for _ in marked(frames(count), 24.0, Mark(KEY, PAYLOAD)):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 1e5


def test_matrices_that_gather_and_spread() -> None:
    for pixels, cells in ((128, 32), (100, 32), (17, 32)):
        assert np.allclose(gathering(pixels, cells).sum(axis=1), 1)
        assert np.allclose(spreading(pixels, cells).sum(axis=1), 1, atol=1e-5)
    there = gathering(128, 32) @ spreading(128, 32)
    assert np.abs(there - np.eye(32)).max() < 0.2


def test_patterns_belong_to_their_key() -> None:
    one, other = carriers(KEY, MOVING), carriers(bytes(32), MOVING)
    assert abs((one.pilot * other.pilot).mean()) < 0.05
    assert np.bincount(one.bit[0].ravel()).min() >= 7  # every code bit has its cells
    digest = hashlib.sha256(one.patterns(PAYLOAD).tobytes()).hexdigest()
    # files out there are marked with these: a change of them loses every mark
    assert digest == "f81ad2342ba7a8f01fa85f61f515ea7316b371381b7b77c32e01e107378959d1"
