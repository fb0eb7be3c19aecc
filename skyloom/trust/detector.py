"""The detector: whether this model made a clip, told from its pixels without any mark.

A small network weighs the traces that a decoder leaves in crops of pairs of frames, at the
resolution they have, see skyloom/trust/detecting/traces.py. Its probability is calibrated on clips
that it was not taught; it says "cannot tell" between the two, on sizes it does not know, and where
a clip is unlike all it was taught. It is taught anew for each model by
skyloom/trust/detecting/training.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from skyloom.trust import bundled
from skyloom.trust.bundled import Stored, read_stored
from skyloom.trust.detecting.traces import traces
from skyloom.video import Video

WEIGHTS = bundled.WEIGHTS / "detector.safetensors"
CROPS = (64, 32)
"""Sides of the crops that are looked at: the first that fits."""
SIZES = (32, 512)
"""Shortest and longest side that it knows."""
PAIRS, PLACES = 8, 3
"""Pairs of frames, and crops of each, that are looked at."""
TOGETHER = 2
"""Crops whose traces are averaged."""
MOST = 5.0
"""Spreads at which a trace's say ends."""
LAYERS = 3
SURE = 0.8
"""Probability from which on it says so; below 1 - SURE it says the contrary."""
MOST_FRAMES = 96


@dataclass(frozen=True)
class Detection:
    """What the detector says.

    Attributes:
        score: calibrated probability that this model made the clip; None where it cannot look.
        verdict: in words.
        sure: whether it takes a side.
    """

    score: float | None
    verdict: str
    sure: bool

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {"score": self.score, "verdict": self.verdict, "sure": self.sure}


@dataclass(frozen=True)
class Detector:
    """Weights and calibration.

    Attributes:
        centre, spread: of the traces of the clips that it was taught.
        layers: weights and biases of the network from the traces in spreads to a logit.
        scale, shift: of the logit, so that it is a probability.
        farthest: root mean square of spreads beyond which a clip is unlike what it knows.
        model: sha256 of the list of files of the model that it was taught for.
    """

    centre: Float32[np.ndarray, "E"]
    spread: Float32[np.ndarray, "E"]
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    scale: float
    shift: float
    farthest: float
    model: str

    def look(self, video: Video) -> Detection:
        """Say whether a clip or a picture is this model's."""
        if not _known(video.size):
            width, height = video.size
            return Detection(None, f"cannot tell: {width}x{height} is a size it does not know",
                             False)  # fmt: skip
        logit, distance = self.raw(video)
        score = float(1 / (1 + np.exp(-np.clip(self.scale * logit + self.shift, -30, 30))))
        if distance > self.farthest:
            return Detection(score, "cannot tell: the clip is unlike all it knows", False)
        if 1 - SURE < score < SURE:
            return Detection(score, "cannot tell", False)
        said = "made by this model" if score >= SURE else "not made by this model"
        return Detection(score, said, True)

    def raw(self, video: Video) -> tuple[float, float]:
        """The logit, and how far the clip is from those it knows, in spreads."""
        crops = crops_of(video)
        rows = np.stack([traces(crops[at : at + TOGETHER])
                         for at in range(0, len(crops), TOGETHER)])  # fmt: skip
        far = (rows - self.centre) / self.spread
        return float(self.logits(far).mean()), float(np.sqrt(np.mean(far**2)))

    def logits(self, far: Float32[np.ndarray, "N E"]) -> Float32[np.ndarray, "N"]:
        """What the network says of traces, given in spreads from their centre."""
        *hidden, (weight, bias) = self.layers
        values = np.clip(far, -MOST, MOST)
        for inner, shift in hidden:
            values = np.maximum(values @ inner.T + shift, 0)
        return (values @ weight.T + bias)[:, 0]


def crops_of(
    video: Video, pairs: int = PAIRS, places: int = PLACES, seed: int = 0
) -> UInt8[np.ndarray, "N two h w 3"]:
    """The crops that are looked at: spread over time, at places drawn by the seed."""
    rng = np.random.default_rng(seed)
    side = next(side for side in (*CROPS, min(video.size)) if side <= min(video.size))
    width, height = video.size
    last = max(len(video.frames) - 2, 0)
    found = []
    for at in np.linspace(0, last, pairs).round().astype(int):
        after = min(at + 1, len(video.frames) - 1)
        for _ in range(places):
            x, y = rng.integers(width - side + 1), rng.integers(height - side + 1)
            found.append(video.frames[[at, after], y : y + side, x : x + side])
    return np.stack(found)


@cache
def load(path: Path = WEIGHTS) -> Detector:
    """Read the bundled detector, or another one.

    Raises:
        UserError: the file is missing or damaged.
    """
    return read_stored(path, "The detector", "skyloom.trust.detecting.training", _built)


def _built(stored: Stored) -> Detector:
    tensors, facts = stored.tensors, stored.facts
    return Detector(
        centre=tensors["centre"],
        spread=tensors["spread"],
        layers=tuple((tensors[f"weight.{at}"], tensors[f"bias.{at}"]) for at in range(LAYERS)),
        scale=facts["scale"],
        shift=facts["shift"],
        farthest=facts["farthest"],
        model=facts["model"],
    )


def wanted(size: tuple[int, int]) -> int:
    """Frames of (width, height) `size` that it looks at: one, where it does not know the size."""
    return MOST_FRAMES if _known(size) else 1


def detect(pieces: Sequence[Video], kind: str) -> Detection:
    """What the detector says of a file, for `skyloom verify`.

    Args:
        pieces: its first frames, as many as are `wanted`.
        kind: of the file, as in "video/mp4".

    Raises:
        UserError: the detector's own weights are missing or damaged.
    """
    if kind == "image/gif":
        said = "cannot tell: the few colours of a GIF hide what it looks for"
        return Detection(None, said, False)
    frames = np.concatenate([piece.frames for piece in pieces])
    return load().look(Video(frames, pieces[0].fps))


def _known(size: tuple[int, int]) -> bool:
    return SIZES[0] <= min(size) and max(size) <= SIZES[1]
