"""The ways that marked clips go: each gives a clip of the size and rate that it says."""

import numpy as np

from skyloom.bench.marks.ways import WAYS, through


def test_every_way_gives_a_clip() -> None:
    frames = np.full((30, 64, 64, 3), (70, 120, 160), np.uint8)
    for way in WAYS:
        sent, fps = way.go(frames, 12.0, np.random.default_rng(0))
        assert sent.dtype == np.uint8 and sent.shape[3] == 3
        assert abs(len(sent) / fps - (2.0 if "2 s" in way.name else 2.5)) < 0.1, way.name
        assert sent.shape[2] in (32, 58, 64)
    odd = np.ascontiguousarray(frames[:4, :33, :51])
    assert through(odd, 12.0).shape == odd.shape
