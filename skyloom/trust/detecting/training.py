"""Teaching the detector: some minutes on one core, once the clips are there.

python -m skyloom.trust.detecting.training [--data FOLDER] [--model FOLDER] [--steps N] [--scale S]

Clips are made where they are missing (skyloom/trust/detecting/data.py), an hour on one core for all
of them. Each is seen as it is, through codecs, and smaller. What it prints is measured on held-out
clips: other prompts, scenes, maps and footage.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32

from skyloom import video
from skyloom.errors import UserError
from skyloom.files import atomic_path
from skyloom.progress import track
from skyloom.trust.detecting.data import DetectorClips, Labelled
from skyloom.trust.detecting.traces import traces
from skyloom.trust.detector import (
    MOST,
    MOST_FRAMES,
    SIZES,
    TOGETHER,
    WEIGHTS,
    Detector,
    crops_of,
    load,
)
from skyloom.video import Video, VideoWriter

DATA = Path("out/detector")
STEPS, BATCH = 6000, 256
HIDDEN = 64
"""Numbers in each of the two hidden layers."""
DROPOUT, SHAKEN = 0.2, 0.05
"""Of hidden numbers, and of traces, in spreads: noise, so that no single one decides."""
PLACES_A_VARIANT = 3
"""Places that are looked at in each variant of a clip that teaches."""
CALIBRATING = 7
"""One clip in so many is kept from teaching, to calibrate on."""
SEEN, FARTHER = 0.995, 1.2
"""Share of known clips that set how far one may be, and how much farther it may."""


def through(clip: Video, crf: int, suffix: str = ".mp4") -> Video:
    """A clip through a codec and back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip{suffix}"
        with VideoWriter(path, clip.size, clip.fps, crf) as writer:
            writer.append(clip.frames)
        return video.read(path, MOST_FRAMES)


def resized(clip: Video, factor: float) -> Video:
    """A clip at another size, sides even."""
    from PIL import Image

    width, height = (max(SIZES[0], round(side * factor / 2) * 2) for side in clip.size)
    small = [np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC))
             for frame in clip.frames]  # fmt: skip
    return Video(np.stack(small), clip.fps)


def variants(clip: Video, rng: np.random.Generator) -> list[Video]:
    """A clip as people meet it: as it is, through codecs, smaller."""
    half = resized(clip, 0.5)
    return [
        clip,
        through(clip, int(rng.integers(16, 25))),
        through(clip, int(rng.integers(26, 34))),
        through(half, int(rng.integers(16, 26))),
        through(resized(clip, float(rng.uniform(0.6, 0.9))), int(rng.integers(18, 30))),
    ]


def views_of(
    clips: Sequence[Labelled], seed: int
) -> tuple[Float32[np.ndarray, "V E"], Bool[np.ndarray, "V"]]:
    """Traces of every variant of every clip, at several places, and whether this model made it."""
    rng = np.random.default_rng(seed)
    rows, made = [], []
    with track(len(clips), "clips through codecs", unit="clips") as bar:
        for clip in clips:
            for variant in variants(clip.video, rng):
                for _ in range(PLACES_A_VARIANT):
                    crops = crops_of(variant, TOGETHER, 1, int(rng.integers(2**31)))
                    rows.append(traces(crops))
                    made.append(clip.made)
            bar.advance()
    return np.stack(rows), np.array(made)


def fit(
    rows: Float32[np.ndarray, "V E"], made: Bool[np.ndarray, "V"], steps: int, model: str
) -> Detector:
    """A network of two hidden layers, both classes weighing alike, with dropout and some decay."""
    centre, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    scaled = torch.from_numpy(np.clip((rows - centre) / spread, -MOST, MOST)).float()
    target = torch.from_numpy(made).float()
    share = target.mean()
    balance = torch.where(target > 0, 1 - share, share) * 2
    net = _network(rows.shape[1])
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=5e-2)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for order in (torch.randint(len(scaled), (BATCH,)) for _ in range(steps)):
        shaken = scaled[order] + SHAKEN * torch.randn(len(order), rows.shape[1])
        logits = net(shaken)[:, 0]
        loss = F.binary_cross_entropy_with_logits(logits, target[order], weight=balance[order])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
    linear = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
    layers = tuple((layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in linear)
    return Detector(centre, spread, layers, 1.0, 0.0, np.inf, model)


def _network(traces: int) -> torch.nn.Sequential:
    def hidden(width: int) -> list[torch.nn.Module]:
        return [torch.nn.Linear(width, HIDDEN), torch.nn.ReLU(), torch.nn.Dropout(DROPOUT)]

    return torch.nn.Sequential(*hidden(traces), *hidden(HIDDEN), torch.nn.Linear(HIDDEN, 1))


def calibrated(detector: Detector, clips: Sequence[Labelled]) -> Detector:
    """The detector with a scale and shift that make its logits probabilities (Platt), and how far
    from known clips a clip may be."""
    rng = np.random.default_rng(3)
    shown = [(variant, clip.made) for clip in clips for variant in variants(clip.video, rng)]
    raw = np.array([detector.raw(variant) for variant, _ in shown])
    values = torch.from_numpy(raw[:, 0]).float()
    target = torch.tensor([float(made) for _, made in shown])
    scale, shift = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    solver = torch.optim.LBFGS([scale, shift], max_iter=100)

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = F.binary_cross_entropy_with_logits(scale * values + shift, target)
        loss = loss + 1e-3 * scale.square().sum()  # few clips must not make it too sure
        loss.backward()
        return loss

    solver.step(closure)
    farthest = FARTHER * float(np.quantile(raw[:, 1], SEEN))
    return replace(
        detector,
        scale=float(scale.detach()),
        shift=float(shift.detach()),
        farthest=farthest,
    )


def save(detector: Detector, path: Path) -> None:
    """Write weights and calibration."""
    from safetensors.numpy import save_file

    state = {"centre": detector.centre, "spread": detector.spread}
    for at, (weight, bias) in enumerate(detector.layers):
        state |= {f"weight.{at}": weight, f"bias.{at}": bias}
    state = {name: np.ascontiguousarray(array, np.float32) for name, array in state.items()}
    facts = {name: getattr(detector, name) for name in ("scale", "shift", "farthest", "model")}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file(state, temporary, {"facts": json.dumps(facts)})
        temporary.chmod(0o644)


def auc(made: np.ndarray, other: np.ndarray) -> float:
    """The chance that a clip that was made scores higher than one that was not."""
    above = (made[:, None] > other[None]).mean()
    return float(above + 0.5 * (made[:, None] == other[None]).mean())


def conditions(clip: Video) -> dict[str, Video]:
    """What is measured: as it is, through H.264 at crf 30, at half size."""
    return {
        "clean": clip,
        "crf 30": through(clip, 30),
        "half size": through(resized(clip, 0.5), 20),
    }


def measure(detector: Detector, clips: Sequence[Labelled]) -> dict[str, dict[str, float]]:
    """AUC, accuracy where it is sure, and how often it abstains, on clips it never saw."""
    rows: dict[str, list[tuple[float, bool, bool]]] = {}
    for clip in clips:
        for name, shown in conditions(clip.video).items():
            said = detector.look(shown)
            rows.setdefault(name, []).append((said.score or 0.0, said.sure, clip.made))
    figures = {}
    for name, found in rows.items():
        score, sure, made = (np.array(column) for column in zip(*found, strict=True))
        right = (score >= 0.5) == made
        figures[name] = {
            "auc": auc(score[made], score[~made]),
            "abstains": float(1 - sure.mean()),
            "right where sure": float(right[sure].mean()) if sure.any() else 0.0,
        }
    return figures


def main(
    data: Path = DATA, model: Path | None = None, out: Path = WEIGHTS, steps: int = STEPS,
    scale: float = 1.0, make: bool = True, seed: int = 0,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Make the clips, teach, calibrate, write, measure."""
    from skyloom.trust.marking import identity

    torch.manual_seed(seed)
    taught, held = (DetectorClips(data, split, model, scale) for split in ("train", "heldout"))
    if make:
        held.make()
        taught.make()
    clips = list(taught.there())
    kept = clips[::CALIBRATING]
    rows, made = views_of([clip for at, clip in enumerate(clips) if at % CALIBRATING], seed)
    detector = fit(rows, made, steps, identity(model)[1])
    save(calibrated(detector, kept), out)
    load.cache_clear()
    figures = measure(load(out), list(held.there()))
    for name, row in figures.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--no-make", action="store_true", help="use the clips that are there")
    given = parser.parse_args()
    try:
        main(given.data, given.model, given.out, given.steps, given.scale, not given.no_make)
    except UserError as error:
        sys.exit(str(error))
