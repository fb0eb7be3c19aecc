"""How fast films become frames of training size, beside what anybody would write with PyAV."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from skyloom.decoding import open_container, open_source, upright, video_stream
from skyloom.ingest.recipe import IngestRecipe
from skyloom.ingest.shots import beyond

SIDE = 256
"""Pixels of the shorter side that frames are shrunk to: a usual training size."""


def measure(file: Path | str, side: int = SIDE, repeats: int = 3) -> dict[str, float]:
    """Frames a second of one film, decoded three ways in turn; of each way the best round.

    Args:
        file: a film; measured through once without counting, so that the disk plays no part.
        side: pixels of the shorter side.
        repeats: rounds of all three.

    Returns:
        "frames", how many it has; "ours", frames a second as ingest makes them, upright RGB of
        training size; "pyav", `frame.to_ndarray(format="rgb24")` in one loop, at full size;
        "decode", decoding alone, no pixels converted; "gain", ours over pyav.

    Raises:
        UserError: the file is no film that can be read to its end.
    """
    path = Path(file)
    ways: dict[str, Callable[[], Iterator[object]]] = {
        "ours": lambda: _ours(path, side),
        "pyav": lambda: _pyav(path),
        "decode": lambda: _decode(path),
    }
    frames = sum(1 for _ in _decode(path))
    best = dict.fromkeys(ways, 0.0)
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            count = sum(1 for _ in way())
            best[name] = max(best[name], count / (time.perf_counter() - began))
    return {"frames": frames, **best, "gain": best["ours"] / best["pyav"]}


def _ours(path: Path, side: int) -> Iterator[object]:
    source = open_source(path, IngestRecipe.largest)
    with closing(source.pictures):
        for picture in source.pictures:
            turned = source.size[::-1] if picture.turns % 2 else source.size
            yield upright(picture, beyond(turned, side))


def _pyav(path: Path) -> Iterator[object]:
    with open_container(path) as container:
        for frame in container.decode(video_stream(container)):
            yield frame.to_ndarray(format="rgb24")


def _decode(path: Path) -> Iterator[object]:
    source = open_source(path, IngestRecipe.largest)
    with closing(source.pictures):
        yield from source.pictures
