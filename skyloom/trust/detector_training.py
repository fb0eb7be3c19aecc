"""Teaching the detector: some minutes on one core, once the clips are there.

python -m skyloom.trust.detector_training [--data FOLDER] [--model FOLDER] [--steps N] [--scale S]

Clips are made where they are missing (skyloom/trust/detector_data.py), an hour on one core for all
of them. Each is seen as it is, through codecs, and smaller. What it prints is measured on held-out
clips: other prompts, scenes, maps and footage.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8

from skyloom import video
from skyloom.errors import UserError
from skyloom.files import atomic_path
from skyloom.progress import track
from skyloom.trust.detector import (
    MOST_FRAMES,
    SIZES,
    WEIGHTS,
    Detector,
    DetectorNetwork,
    as_input,
    crops_of,
    load,
)
from skyloom.trust.detector_data import DetectorClips, Labelled
from skyloom.video import Video, VideoWriter

DATA = Path("out/detector")
STEPS, BATCH = 600, 20
PAIRS_A_VIEW, PLACES_A_VIEW = 2, 1
CALIBRATING = 7
"""One clip in so many is kept from teaching, to calibrate on."""
SEEN = 0.995
"""Share of known clips that count as known."""


@dataclass(frozen=True)
class View:
    """Crops of one clip in one condition.

    Attributes:
        crops: of pairs of frames.
        made: whether this model made the clip.
    """

    crops: UInt8[np.ndarray, "N two h w 3"]
    made: bool


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

    size = tuple(max(SIZES[0], round(side * factor / 2) * 2) for side in clip.size)
    small = [np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))
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


def views_of(clips: Sequence[Labelled], seed: int) -> list[list[View]]:
    """For each clip its views, several crops of each variant."""
    rng = np.random.default_rng(seed)
    found = []
    with track(len(clips), "clips through codecs", unit="clips") as bar:
        for clip in clips:
            views = []
            for variant in variants(clip.video, rng):
                for _ in range(2):
                    crops = crops_of(variant, PAIRS_A_VIEW, PLACES_A_VIEW, int(rng.integers(2**31)))
                    views.append(View(crops, clip.made))
            found.append(views)
            bar.advance()
    return found


def train(network: DetectorNetwork, clips: list[list[View]], steps: int, seed: int) -> None:
    """Teach the network: batches of views of one crop size, as many made as not."""
    rng = np.random.default_rng(seed)
    groups: dict[tuple[int, bool], list[View]] = {}
    for views in clips:
        for view in views:
            groups.setdefault((view.crops.shape[2], view.made), []).append(view)
    sides = sorted({side for side, _ in groups if (side, True) in groups
                    and (side, False) in groups})  # fmt: skip
    weight = np.array([len(groups[side, True]) + len(groups[side, False]) for side in sides])
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    with track(steps, "teaching the detector", unit="steps") as bar:
        for _ in range(steps):
            side = int(rng.choice(sides, p=weight / weight.sum()))
            picked = [
                groups[side, made][rng.integers(len(groups[side, made]))]
                for made in (True, False)
                for _ in range(BATCH // 2)
            ]
            crops = np.stack([view.crops for view in picked])
            logits, _ = network(as_input(augmented(crops, rng)))
            target = torch.tensor([float(view.made) for view in picked])
            loss = F.binary_cross_entropy_with_logits(logits, 0.96 * target + 0.02)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.advance()


def augmented(
    crops: UInt8[np.ndarray, "B N two h w 3"], rng: np.random.Generator
) -> UInt8[np.ndarray, "B N two h w 3"]:
    """Mirrored, some as still pictures, some in other light, some with a little noise."""
    found = crops.copy()
    for row in range(len(found)):
        clip = found[row]
        if rng.random() < 0.5:
            clip = clip[:, :, :, ::-1]
        if rng.random() < 0.1:
            clip = clip[:, [0, 0]]
        gain, lift = rng.uniform(0.8, 1.2), rng.uniform(-15, 15)
        noise = rng.normal(0, rng.choice((0.0, 0.0, 1.0, 2.0)), clip.shape)
        found[row] = np.clip(clip * gain + lift + noise, 0, 255).astype(np.uint8)
    return found


def raw_scores(
    network: DetectorNetwork, clips: Sequence[Video]
) -> tuple[Float[np.ndarray, "B"], torch.Tensor]:
    """Logits and features of whole clips."""
    logits, features = [], []
    with torch.inference_mode():
        for clip in clips:
            logit, feature = network(as_input(crops_of(clip)[None]))
            logits.append(float(logit[0]))
            features.append(feature[0])
    return np.array(logits), torch.stack(features)


def calibrated(network: DetectorNetwork, clips: Sequence[Labelled], model: str) -> Detector:
    """The network with a scale and shift that make its logits probabilities (Platt), and how far
    from known clips a clip may be."""
    rng = np.random.default_rng(3)
    shown = [(variant, clip.made) for clip in clips for variant in variants(clip.video, rng)]
    logits, features = raw_scores(network, [variant for variant, _ in shown])
    target = torch.tensor([float(made) for _, made in shown])
    scale, shift = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    fit = torch.optim.LBFGS([scale, shift], max_iter=100)
    values = torch.tensor(logits, dtype=torch.float32)

    def closure() -> torch.Tensor:
        fit.zero_grad()
        loss = F.binary_cross_entropy_with_logits(scale * values + shift, target)
        loss = loss + 1e-2 * scale.square().sum()  # few clips must not make it too sure
        loss.backward()
        return loss

    fit.step(closure)
    centre, spread = features.mean(dim=0), features.std(dim=0).clamp(min=1e-3)
    distances = ((features - centre) / spread).square().mean(dim=1).sqrt()
    farthest = 1.25 * float(np.quantile(distances.numpy(), SEEN))
    return Detector(network, float(scale.detach()), float(shift.detach()), centre, spread,
                    farthest, model)  # fmt: skip


def save(detector: Detector, path: Path) -> None:
    """Write weights and calibration."""
    from safetensors.torch import save_file

    state = {name: tensor.detach().contiguous() for name, tensor
             in detector.network.state_dict().items()}  # fmt: skip
    state |= {"centre": detector.centre, "spread": detector.spread}
    facts = {"scale": detector.scale, "shift": detector.shift, "farthest": detector.farthest,
             "model": detector.model}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file(state, temporary, {"facts": json.dumps(facts)})


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
    views = views_of([clip for at, clip in enumerate(clips) if at % CALIBRATING], seed)
    network = DetectorNetwork()
    train(network, views, steps, seed)
    save(calibrated(network.eval(), kept, identity(model)[1]), out)
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
