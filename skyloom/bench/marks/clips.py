"""The clips that marks are measured on: of a model, of the world, and of real footage.

Each has a name that stands for it, so that what was measured on it need not be measured again. They
are made when they are looked at, which takes seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyloom.trust.marking import identity
from skyloom.video import Video

if TYPE_CHECKING:
    from skyloom.data.footage import RealClips
    from skyloom.pipeline import Skyloom

KINDS = {"model": 16, "world": 32, "footage": 12}
"""How many there are of each."""

SPLIT = "heldout"
"""Nothing was taught on these."""

SEED = 9_100_000
"""Of the first world clip; the others follow on."""

SIZE = (128, 128)
FOOTAGE_SIZE = (160, 96)
FOOTAGE_LENGTHS = ((49, 12.0), (96, 24.0))
"""Frames and frames a second, in turn."""

PROMPTS = (
    "a red ball rolls across the snow at sunset",
    "a blue car drives right in the desert at night",
    "a yellow robot walks on the beach, the camera orbits left",
    "a green cube falls in the meadow",
    "an orange cone spins in the city in the rain",
    "two balls collide on the road",
)


@dataclass(frozen=True, eq=False)
class Source:
    """A clip without a mark.

    Attributes:
        kind, number: of KINDS, and which of them.
        name: stands for its pixels; those of another model have other names.
        make: makes it.
    """

    kind: str
    number: int
    name: str
    make: Callable[[int], Video]

    @cached_property
    def video(self) -> Video:
        """The clip, made when it is first asked for."""
        return self.make(self.number)

    def rng(self, purpose: int) -> np.random.Generator:
        """Chances that are the same for this clip and purpose whatever else is measured."""
        return np.random.default_rng((purpose, tuple(KINDS).index(self.kind), self.number))


def sources(
    model: Path | None = None, counts: Mapping[str, int] = KINDS
) -> tuple[list[Source], list[str]]:
    """The clips, any first part of which is a fair one, and a sentence for what cannot be had.

    Args:
        model: a model folder; None is the bundled one.
    """
    from skyloom.data.footage import real_sources

    digest = identity(model)[1][:8]
    kinds: dict[str, tuple[str, Callable[[int], Video]]] = {
        "model": (f"model-{digest}", lambda number: _generated(model, number)),
        "world": ("world", _rendered),
        "footage": ("footage", _cut),
    }
    found, missing = [], []
    for kind, count in counts.items():
        if kind == "footage" and not real_sources(SPLIT):
            missing.append("Missing: footage, which pip install 'skyloom[footage]' brings.")
            continue
        called, make = kinds[kind]
        found += [Source(kind, n, f"{called}-{n:02d}", make) for n in range(count)]
    found.sort(key=lambda source: (source.number + 0.5) / counts[source.kind])
    return found, missing


def _generated(folder: Path | None, number: int) -> Video:
    from skyloom.request import Request

    prompt = PROMPTS[number % len(PROMPTS)]
    return _model(folder).generate(Request(prompt, seed=number))


@cache
def _model(folder: Path | None) -> "Skyloom":
    from skyloom.pipeline import Skyloom

    return Skyloom.load(folder)


def _rendered(number: int) -> Video:
    from skyloom.world import render_clip, sample_scene

    return render_clip(sample_scene(SEED + number, split=SPLIT), SIZE).video


@cache
def _footage() -> "RealClips":
    from skyloom.data.footage import RealClips

    return RealClips(SPLIT)


def _cut(number: int) -> Video:
    frames, fps = FOOTAGE_LENGTHS[number % len(FOOTAGE_LENGTHS)]
    rng = np.random.default_rng(number)
    return Video(_footage().sample(rng, FOOTAGE_SIZE, frames), fps)
