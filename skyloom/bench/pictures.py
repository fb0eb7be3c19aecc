"""The pictures of the documentation, made by the bundled model.

python -m skyloom.bench.pictures [FOLDER]

Prompts, clips and seeds stand here, chosen before anything was made of them; none is picked by its
result.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from skyloom.bench.edits.operations import FPS, held_out_clips
from skyloom.pipeline import Skyloom
from skyloom.progress import track
from skyloom.request import Request
from skyloom.video import Video

PROMPTS = (
    "a red ball rolls across the snow at sunset, the camera orbits left",
    "a blue car drives right in the desert by day",
    "a green rabbit hops to the left in the meadow",
    "a white robot walks on the moon at night",
    "a large purple cube spins in the city square by day",
    "an orange cone lies on the beach at night",
    "a yellow ring rolls to the right in a room",
    "a large cyan cylinder slides to the left across the snow",
)
SIZE = (128, 128)
BAR = 16
"""Height of a row's title in pixels."""
DARK, LIGHT = (40, 40, 40), (230, 230, 230)

Strip = UInt8[np.ndarray, "_h _w 3"]


def strip(video: Video, count: int) -> Strip:
    """So many frames of a clip side by side, evenly spread."""
    places = np.linspace(0, len(video.frames) - 1, count).round().astype(int)
    return np.concatenate(list(video.frames[places]), axis=1)


def titled(row: Strip, title: str) -> Strip:
    """A row below its title."""
    bar = Image.new("RGB", (row.shape[1], BAR), DARK)
    ImageDraw.Draw(bar).text((4, 2), title, fill=LIGHT)
    return np.concatenate([np.asarray(bar), row])


def generated(
    model: Skyloom, prompts: Sequence[str] = PROMPTS, count: int = 6, steps: int = Request.steps
) -> Strip:
    """One prompt a row."""
    requests = [Request(prompt, size=SIZE, steps=steps) for prompt in prompts]
    with track(len(requests), "prompts", unit="clips") as bar:
        rows = []
        for request in requests:
            rows.append(strip(model.generate(request), count))
            bar.advance()
    return np.concatenate(rows)


def operations(model: Skyloom, steps: int = Request.steps) -> Iterator[tuple[str, Video]]:
    """Every operation on the first two held-out clips of the bench of editing, with its title."""
    first, second = held_out_clips(2, SIZE, 25)
    a, b = first.video, second.video
    asked = Request(first.prompt, SIZE, len(a.frames) / FPS, FPS, steps=steps)
    two = Request(first.prompt, SIZE, 2.0, FPS, steps=steps)
    silent = Request("", SIZE, 1.4, FPS, steps=steps)
    yield "given A", a
    yield "given B", b
    yield "animate: the first frame of A", model.animate(Video(a.frames[:1], FPS), asked)
    yield "extend A", model.extend(a, two)
    yield "extend A backward", model.extend(a, two, backward=True)
    yield "connect A and B", model.connect(a, b, silent)
    yield "blend A and B", model.blend(a, b, silent)
    yield "fill A: keep 0-2 and 22-24", model.fill(a, [(0, 2), (22, 24)], asked)
    drawn = replace(asked, prompt="the same scene as a charcoal drawing")
    yield "restyle B: as a charcoal drawing, 0.7", model.restyle(b, drawn, 0.7)
    yield "loop of words: a blue car", model.loop(Request(PROMPTS[1], SIZE, 4.0, FPS, steps=steps))


def prompting(model: Skyloom, count: int = 8, steps: int = Request.steps) -> Strip:
    """One operation a row."""
    rows = []
    for title, video in operations(model, steps):
        rows.append(titled(strip(video, count), title))
    return np.concatenate(rows)


def main(folder: Path) -> None:
    """Write generated.png and prompting.png into a folder."""
    model = Skyloom.load()
    for name, picture in (("generated", generated), ("prompting", prompting)):
        Image.fromarray(picture(model)).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
