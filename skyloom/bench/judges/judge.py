"""The judges: small networks, taught on the world's truth alone, that say what a clip shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skyloom.bench.judges.data import LEARNT
from skyloom.bench.judges.moments import chosen, to_scale
from skyloom.bench.judges.network import JudgeConfig, JudgeNetwork
from skyloom.config import from_dict, to_dict
from skyloom.errors import UserError
from skyloom.storage import load_component, save_component
from skyloom.video import Video

FOLDER = Path(__file__).parents[1]
NAME = "judge"
ACCURACY = "accuracy.json"
LOOKED = 6
"""Frames that portraits and scenery are taken from."""


@dataclass(frozen=True)
class Judge:
    """What says which words a clip shows.

    Attributes:
        network: in fp32, so that its words do not depend on the machine's bf16.
        accuracy: how often it is right on real renders that it never saw, by tier and attribute;
            empty if nobody has measured it.
    """

    network: JudgeNetwork
    accuracy: Mapping[str, Any]

    def words(self, video: Video) -> dict[str, str]:
        """The word of every attribute, the likeliest one whether or not the clip has it."""
        logits = self.logits([video])
        return {name: LEARNT[name][int(row[0].argmax())] for name, row in logits.items()}

    @torch.inference_mode()
    def logits(self, videos: Sequence[Video]) -> dict[str, Tensor]:
        """Logits by attribute, one row a video; all of one size, length and rate."""
        clips = [to_scale(chosen(video, self.network.config.moments)) for video in videos]
        clip = torch.stack(clips).to(next(self.network.parameters()).dtype)
        return self.network(clip, looked_at(len(clip), clip.shape[1])).words


def looked_at(batch: int, frames: int) -> Tensor:
    """The frames that portraits and scenery are taken from when judging: evenly spread."""
    spread = torch.linspace(0, frames - 1, min(LOOKED, frames)).round().long()
    return spread.expand(batch, -1)


def save_judge(folder: Path, network: JudgeNetwork) -> None:
    """Write folder/judge with the weights in bf16."""
    state = {name: tensor.to(torch.bfloat16) for name, tensor in network.state_dict().items()}
    save_component(folder, NAME, to_dict(network.config), state, "JudgeNetwork")


def load_judge(folder: Path = FOLDER) -> Judge:
    """Read what `save_judge` wrote; the bundled judge unless a folder is named.

    Raises:
        UserError: it is missing, broken or of another shape.
    """
    config, state = load_component(folder, NAME)
    network = JudgeNetwork(from_dict(JudgeConfig, config))
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        raise UserError(
            f"The judge in '{folder / NAME}' is of another shape than this skyloom's: "
            "train it again with runs/default_judge.toml."
        ) from error
    path = folder / NAME / ACCURACY
    accuracy = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Judge(network.requires_grad_(False).eval(), accuracy)
