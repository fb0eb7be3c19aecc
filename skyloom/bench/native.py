"""The bench of native sizes: does a model that learnt from square crops cut its subjects off?

The claim of the report on Sora, repeated: "cropping all training videos to be square" makes videos
"where the subject is only partially in view", training at the native aspect "improves framing".
The bundled model learns on, twice, by one recipe and from the same clips, as many tokens each: once
from wide, tall and square clips as they are, once from the squares in their middles. Both make
clips of the same prompts with the same seeds, and a judge that never saw a generated picture says
where an edge cuts.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from skyloom.autoencoder.folder import load_autoencoder
from skyloom.bench.natives.arms import NativeModel, prepare_data, train_arms
from skyloom.bench.natives.data import ARMS, FPS, SIZES, NativeData, scene_of, write_data
from skyloom.bench.natives.judge import FramingJudge, JudgeTraining, judge_for, judged
from skyloom.bench.races.race import machine
from skyloom.bench.table import Cell, format_table, percent, write_json
from skyloom.errors import UserError
from skyloom.files import atomic_path
from skyloom.progress import track
from skyloom.world.captions import describe

if TYPE_CHECKING:
    from skyloom.video import Video

Made = dict[tuple[str, tuple[int, int]], list["Video"]]
"""Clips by model and (width, height)."""

BATCH = 16
"""Clips that are made together."""
LOOKED = 3
"""Frames of a clip that are judged: the first, the middle and the last."""
NOTE = "native.json"


@dataclass(frozen=True)
class NativeConfig:
    """All of the experiment; a folder holds one of them.

    Attributes:
        prompts: of scenes that neither model learnt from; a clip of each, in each size.
        steps: of the sampler.
    """

    data: NativeData = field(default_factory=NativeData)
    model: NativeModel = field(default_factory=NativeModel)
    judge: JudgeTraining = field(default_factory=JudgeTraining)
    prompts: int = 96
    steps: int = 12


QUICK = NativeConfig(
    NativeData(clips=6, stills=24, frames=9),
    NativeModel(tokens=512, steps=4),
    JudgeTraining(pictures=10, steps=6, batch=8, tested=12),
    prompts=3,
    steps=2,
)
"""Everything once, to see whether all is well; its figures mean nothing."""


def run(
    folder: Path,
    json_path: Path | None = None,
    picture: Path | None = None,
    config: NativeConfig | None = None,
    start: Path | None = None,
    workers: int = 2,
) -> dict[str, Any]:
    """Do the experiment in `folder`, or go on with what an earlier call left there.

    Args:
        picture: PNG file for what both learnt from and what both made.
        start: model folder that both go on from; None is the bundled one.

    Raises:
        UserError: the folder holds another experiment or cannot be written, or a training failed.
    """
    from skyloom.bench.natives.picture import draw

    config = config or NativeConfig()
    bundled = Path(__file__).parents[1] / "weights"
    start = (start or bundled).resolve()
    folder = folder.resolve()
    _begin(folder, config)
    framing = write_data(folder / "data", config.data, workers)
    prepare_data(folder, start)
    train_arms(folder, start, config.model)
    network = load_autoencoder(start)
    judge, accuracy = judge_for(folder, network, config.judge, workers)
    made = _make(folder, config)
    figures: dict[str, Any] = {
        "machine": machine(),
        "config": asdict(config),
        "tokens": config.model.steps * config.model.tokens,
        "learnt from": framing,
        "made": {
            arm: {f"{width}x{height}": _judge(judge, made[arm, (width, height)])
                  for width, height in SIZES}
            for arm in ARMS
        },
        "judge": dict(accuracy),
    }  # fmt: skip
    write_json(figures, json_path)
    if picture is not None:
        draw(picture, folder / "data", made, judge)
    return figures


def _begin(folder: Path, config: NativeConfig) -> None:
    """Make the folder, or see that what it holds is of the same experiment."""
    wanted = json.loads(json.dumps(asdict(config)))
    note = folder / NOTE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if note.is_file():
            if json.loads(note.read_text()) != wanted:
                raise UserError(
                    f"'{folder}' holds this experiment with other settings: name a new folder."
                )
            return
        if any(folder.iterdir()):
            raise UserError(f"'{folder}' holds something else: name a new or an empty folder.")
        with atomic_path(note) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise UserError(f"Cannot write to '{folder}': {error.strerror}.") from error


def prompts(count: int) -> list[str]:
    """Short captions of scenes of the same kind that nobody learnt from, always the same."""
    found: list[str] = []
    seed = 0
    while len(found) < count:
        scene = scene_of(seed, 0, "test")
        seed += 1
        if scene is not None:
            found.append(describe(scene, scene.seed, still=False)[0])
    return found


def _make(folder: Path, config: NativeConfig) -> Made:
    """Clips of both models: the same prompts, sizes and seeds."""
    from skyloom.pipeline import Skyloom
    from skyloom.request import Request

    said, seconds = prompts(config.prompts), config.data.frames / FPS
    made: Made = {}
    with track(len(ARMS) * len(SIZES) * len(said), "making", unit="clips") as bar:
        for arm in ARMS:
            model = Skyloom.load(folder / arm / "model")
            for size in SIZES:
                requests = [
                    Request(prompt, size, seconds, FPS, seed, steps=config.steps)
                    for seed, prompt in enumerate(said)
                ]
                clips = made[arm, size] = []
                for at in range(0, len(requests), BATCH):
                    clips += model.generate_many(requests[at : at + BATCH])
                    bar.advance(len(requests[at : at + BATCH]))
    return made


def looked_at(video: "Video") -> np.ndarray:
    """The frames of a clip that are judged."""
    return video.frames[np.linspace(0, len(video.frames) - 1, LOOKED).round().astype(int)]


def _judge(judge: FramingJudge, videos: list["Video"]) -> dict[str, float]:
    """How often a subject is seen, and cut off where it is seen, with a bootstrap over clips.

    Returns:
        "seen", a share of the frames that are judged; "cut", a share of those; "low" and "high",
        the middle 95% of "cut" over 1,000 draws of clips.
    """
    with torch.inference_mode():
        found = judged(judge, np.concatenate([looked_at(video) for video in videos]))
    seen = found.seen.reshape(len(videos), -1).sum(axis=1)
    cut = found.cut.reshape(len(videos), -1).sum(axis=1)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(videos), size=(1000, len(videos)))
    shares = cut[drawn].sum(axis=1) / np.maximum(seen[drawn].sum(axis=1), 1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return {
        "seen": float(found.seen.mean()),
        "cut": float(cut.sum() / max(seen.sum(), 1)),
        "low": float(low),
        "high": float(high),
    }


def table(figures: Mapping[str, Any]) -> str:
    """How often the subject is cut off: in what each model learnt from, and in what it makes."""
    rows: list[list[Cell]] = [
        ["in the clips, wide and tall ones (the truth)",
         *(percent(figures["learnt from"][arm]["cut"]) for arm in ARMS)],
        ["out of the picture there (the truth)",
         *(percent(figures["learnt from"][arm]["out"]) for arm in ARMS)],
    ]  # fmt: skip
    sizes = figures["made"][ARMS[0]]
    for size in sorted(sizes, key=lambda name: len(set(name.split("x")))):
        each = [figures["made"][arm][size] for arm in ARMS]
        cells = [
            f"{percent(one['cut'])} ({percent(one['low'])} to {percent(one['high'])})"
            for one in each
        ]
        rows.append([f"made at {size} (the judge)", *cells])
        rows.append(["  a subject is seen in", *(percent(one["seen"]) for one in each)])
    judge, config = figures["judge"], figures["config"]
    notes = [
        f"{figures['tokens']:,} tokens each, one recipe, one start; {config['prompts']} prompts in "
        f"each size, {LOOKED} frames of each clip; in brackets 95% by bootstrap over clips.",
        f"The judge, on renders it never saw: right about {percent(judge['plain'])} of plain ones "
        f"and {percent(judge['noisy'])} of noisy ones;",
        f"of these it takes {percent(judge['false alarms'])} of the whole for cut, and "
        f"{percent(judge['missed'])} of the cut for whole.",
    ]
    columns = ["the subject is cut off", "native sizes", "square crops"]
    return format_table("native sizes", columns, rows, notes)
