"""The detector: whether this model made a clip, told from its pixels without any mark.

A small network looks at crops of pairs of frames, at the resolution they have, and weighs what it
sees over all of them. Its probability is calibrated on clips that it was not taught; it says
"cannot tell" between the two, on sizes it does not know, and where a clip is unlike all it was
taught. It is taught by skyloom/trust/detector_training.py, anew for each model.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from skyloom.errors import UserError
from skyloom.video import Video, read_chunks

WEIGHTS = Path(__file__).parent / "weights" / "detector.safetensors"
CROPS = (64, 32)
"""Sides of the crops that are looked at: the first that fits."""
SIZES = (32, 512)
"""Shortest and longest side that it knows."""
PAIRS, PLACES = 8, 3
"""Pairs of frames, and crops of each, that are looked at."""
SURE = 0.8
"""Probability from which on it says so; below 1 - SURE it says the contrary."""
MOST_FRAMES = 96

Pair = UInt8[np.ndarray, "two h w 3"]


class DetectorNetwork(nn.Module):
    """Crops of pairs of frames to one logit a clip."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(9, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, 24, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(24, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(32, 40, 3, stride=2, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.weigh = nn.Sequential(nn.Linear(80, 32), nn.ReLU())
        self.out = nn.Linear(32, 1)

    def forward(
        self, clips: Float[Tensor, "B N 6 h w"]
    ) -> tuple[Float[Tensor, "B"], Float[Tensor, "B E"]]:
        """Logits, and the features that they come from.

        Args:
            clips: N crops of each clip: a frame in [-1, 1], and its difference to the next.
        """
        crops = rearrange(clips, "b n c h w -> (b n) c h w")
        fine = crops[:, :3] - nn.functional.avg_pool2d(crops[:, :3], 3, 1, 1)
        seen = self.layers(torch.cat([crops, 4 * fine], dim=1))
        pooled = torch.cat([seen.mean(dim=(2, 3)), seen.std(dim=(2, 3))], dim=1)
        features = rearrange(self.weigh(pooled), "(b n) e -> b n e", b=len(clips)).mean(dim=1)
        return self.out(features)[:, 0], features


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
    """A taught network and its calibration.

    Attributes:
        scale, shift: of the logit, so that it is a probability.
        centre, spread: of the features of clips it knows.
        farthest: root mean square of spreads beyond which a clip is unlike them.
        model: sha256 of the list of files of the model that it was taught for.
    """

    network: DetectorNetwork
    scale: float
    shift: float
    centre: Float[Tensor, "E"]
    spread: Float[Tensor, "E"]
    farthest: float
    model: str

    def look(self, video: Video) -> Detection:
        """Say whether a clip or a picture is this model's."""
        if not (SIZES[0] <= min(video.size) and max(video.size) <= SIZES[1]):
            width, height = video.size
            return Detection(None, f"cannot tell: {width}x{height} is a size it does not know",
                             False)  # fmt: skip
        logit, features = self.raw([crops_of(video)])
        score = float(torch.sigmoid(self.scale * logit[0] + self.shift))
        if self.distance(features)[0] > self.farthest:
            return Detection(score, "cannot tell: the clip is unlike all it knows", False)
        if 1 - SURE < score < SURE:
            return Detection(score, "cannot tell", False)
        said = "made by this model" if score >= SURE else "not made by this model"
        return Detection(score, said, True)

    @torch.inference_mode()
    def raw(
        self, clips: Sequence[UInt8[np.ndarray, "N two h w 3"]]
    ) -> tuple[Float[Tensor, "B"], Float[Tensor, "B E"]]:
        """Logits and features of clips whose crops are of one size."""
        return self.network(as_input(np.stack(clips)))

    def distance(self, features: Float[Tensor, "B E"]) -> Float[Tensor, "B"]:
        """How far clips are from those it knows, in spreads."""
        return ((features - self.centre) / self.spread).square().mean(dim=1).sqrt()


def as_input(crops: UInt8[np.ndarray, "B N two h w 3"]) -> Float[Tensor, "B N 6 h w"]:
    """Crops of pairs as the network takes them."""
    pixels = torch.from_numpy(crops).float() / 127.5 - 1
    first, second = pixels[:, :, 0], pixels[:, :, 1]
    return rearrange(torch.cat([first, 2 * (second - first)], dim=-1), "b n h w c -> b n c h w")


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
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        state = load_file(path)
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
        network = DetectorNetwork()
        centre, spread = state.pop("centre").float(), state.pop("spread").float()
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        return Detector(
            network.eval().requires_grad_(False),
            facts["scale"],
            facts["shift"],
            centre,
            spread,
            facts["farthest"],
            facts["model"],
        )
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise UserError(
            f"The detector in '{path}' is missing or damaged: install skyloom again, or teach it "
            "anew with python -m skyloom.trust.detector_training."
        ) from error


def detect_file(path: Path) -> dict[str, Any]:
    """What the detector says of a file, for `skyloom verify`: score, verdict, sure.

    Raises:
        UserError: the file is no video or picture.
    """
    pieces = list(islice(read_chunks(path, 16), MOST_FRAMES // 16))
    frames = np.concatenate([piece.frames for piece in pieces])
    return load().look(Video(frames, pieces[0].fps)).record()
