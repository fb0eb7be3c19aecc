"""The bench of marks: its ways and its figures, on small clips."""

import numpy as np

from skyloom.bench import trust_marking
from skyloom.bench.trust_marking import WAYS, through
from skyloom.video import Video


def clip(frames: int = 30, side: int = 64) -> Video:
    """A plain scene with a bright bar that moves."""
    made = np.full((frames, side, side, 3), (70, 120, 160), np.uint8)
    for number in range(frames):
        made[number, 20:40, number : number + 20] = (200, 80, 60)
    return Video(made, 12.0)


def test_every_way_gives_a_clip() -> None:
    source = clip()
    for way in WAYS:
        frames, fps = way.go(source.frames, source.fps, np.random.default_rng(0))
        assert frames.dtype == np.uint8 and frames.shape[3] == 3
        assert abs(len(frames) / fps - (2.0 if "2 s" in way.name else 2.5)) < 0.1, way.name
        assert frames.shape[2] in (32, 58, 64)
    odd = np.ascontiguousarray(source.frames[:4, :33, :51])
    assert through(odd, 12.0).shape == odd.shape


def test_figures_and_their_table() -> None:
    found = trust_marking._survival([clip()]) | trust_marking._false_alarms([clip()], 12)
    assert found["psnr"] > 40 and found["found"]["as it is"] == 1.0
    assert found["unmarked"] == 12 and found["false"] == 0 and found["smallest p"] > 1e-5
    cost = {"making": 10.0, "marking": 0.1, "signing": 0.1, "share": 0.02}
    text = trust_marking.table(found | {"clips": 1, "cost": cost})
    assert "found, 10% crop, of 1" in text and "2.0%" in text and "found in 12 without" in text
