"""Teaching the judges on the world's truth, and finding out how far they can be trusted.

python -m skyloom.bench.judges.training runs/default_judge.toml [key=value ...] [--minutes M]
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from skyloom.bench.judges.attributes import ROLES
from skyloom.bench.judges.data import JudgeBatch, JudgeClips
from skyloom.bench.judges.judge import ACCURACY, NAME, Judge, load_judge, looked_at, save_judge
from skyloom.bench.judges.network import Boxes, Findings, JudgeConfig, JudgeNetwork
from skyloom.bench.prompts import held_out_prompts
from skyloom.bench.table import write_json
from skyloom.bench.tally import Tally
from skyloom.config import load_toml, to_dict
from skyloom.device import pick_device, pick_dtype
from skyloom.errors import UserError
from skyloom.progress import track
from skyloom.train.loop import LoopConfig, run
from skyloom.train.optim import OptimConfig
from skyloom.train.prefetch import Prefetch
from skyloom.world.scene import TIERS

TEST_FIRST = 500
"""Held-out prompts before this one are the adherence bench's; the judges are tested on others."""


@dataclass(frozen=True)
class JudgeRecipe:
    """Everything that decides a run.

    Attributes:
        out: folder of the run; its judge appears in out/model/judge.
        data: raw datasets of the world, train split.
        start: folder whose judge to go on from, which decides `model`; "" for scratch.
        batch: clips a step.
        held_out: clips at the end of the data that are kept for evaluation.
        looked: frames of each clip whose details are read in training.
        finding: weight of finding the subjects beside the words.
        test_clips: unseen renders of each tier that the finished judge is tested on.
    """

    out: str
    data: tuple[str, ...]
    start: str = ""
    batch: int = 8
    held_out: int = 64
    looked: int = 4
    finding: float = 1.0
    test_clips: int = 150
    seed: int = 0
    device: str = "auto"
    model: JudgeConfig = field(default_factory=JudgeConfig)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(weight_decay=0.05))
    loop: LoopConfig = field(default_factory=LoopConfig)


class JudgeTask:
    """Loss, evaluation and export of the judges."""

    def __init__(self, recipe: JudgeRecipe) -> None:
        self.recipe = recipe
        self.device = pick_device(recipe.device)
        self.dtype = pick_dtype(self.device)
        torch.manual_seed(recipe.seed)
        network = load_judge(Path(recipe.start)).network if recipe.start else None
        network = network or JudgeNetwork(recipe.model)
        self.network = network.to(self.device, self.dtype).requires_grad_(True).train()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.modules: dict[str, nn.Module] = {"judge": self.network}
        folders = [Path(folder) for folder in recipe.data]
        most, kept = self.network.config.moments, recipe.held_out
        self.train = JudgeClips(folders, slice(0, -kept), recipe.batch, most, recipe.seed)
        self.held_out = JudgeClips(
            folders, slice(-kept, None), recipe.batch, most, recipe.seed, spoil=False
        )
        if not len(self.train):
            raise UserError(
                f"{recipe.data} hold no more than held_out = {kept} clips of the world: "
                "render more or hold fewer out."
            )
        self.draw = Prefetch(self.train.batch)

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of words, and what finding the subjects costs."""
        batch = self.draw(step)
        rng = np.random.default_rng((self.recipe.seed, 11, step))
        looked = _drawn(batch, self.recipe.looked, rng)
        rows = torch.arange(len(looked))[:, None]
        visible = batch.visible[rows, looked]
        told = Boxes(
            _shaken(batch.boxes[rows, looked], rng).to(self.device), visible.to(self.device)
        )
        clip = batch.clip.to(self.device, self.dtype)
        findings = self.network(clip, looked.to(self.device), told)
        words, right = words_loss(findings, batch, visible.amax(dim=1))
        finding = finding_loss(findings, batch)
        return words + self.recipe.finding * finding, {
            "words": words.item(),
            "finding": finding.item(),
            "accuracy": right,
        }

    def evaluate(self) -> dict[str, float]:
        """Accuracy by attribute on clean clips that are not learnt from."""
        hits: dict[str, list[bool]] = {}
        for step in range(self.held_out.steps):
            batch = self.held_out.batch(step)
            looked = looked_at(len(batch.clip), batch.clip.shape[1]).to(self.device)
            findings = self.network(batch.clip.to(self.device, self.dtype), looked)
            for name, label in batch.labels.items():
                there = label >= 0
                right = findings.words[name].argmax(dim=1).cpu() == label
                hits.setdefault(name, []).extend(right[there].tolist())
        figures = {name: sum(found) / len(found) for name, found in hits.items() if found}
        return {"accuracy": sum(figures.values()) / max(len(figures), 1), **figures}

    def export(self, folder: Path) -> None:
        """Write the judge to folder/judge."""
        save_judge(folder, self.network)


def _drawn(batch: JudgeBatch, count: int, rng: np.random.Generator) -> Tensor:
    """Which frames of each clip are looked at: `count` different ones, in order."""
    clips, frames = batch.clip.shape[:2]
    order = rng.random((clips, frames)).argsort(axis=1)[:, : min(count, frames)]
    return torch.from_numpy(np.sort(order, axis=1))


def _shaken(boxes: Tensor, rng: np.random.Generator) -> Tensor:
    """Boxes (..., 4) as inexact as the network's own findings will be."""
    noise = torch.from_numpy(rng.standard_normal(boxes.shape, dtype=np.float32))
    centre = boxes[..., :2] + 0.1 * noise[..., :2] * boxes[..., 2:]
    return torch.cat([centre, boxes[..., 2:] * torch.exp(0.15 * noise[..., 2:])], dim=-1)


def words_loss(
    findings: Findings, batch: JudgeBatch, shown: Float[Tensor, "B R"]
) -> tuple[Tensor, float]:
    """Cross-entropy summed over attributes, where there is a word; and the share that is right.

    Args:
        shown: 1 for the roles that have a portrait: of the others nothing can be said.
    """
    losses, right, asked = [], 0, 0
    for name, logits in findings.words.items():
        label = batch.labels[name]
        role = name.split()[0]
        if role in ROLES:
            label = torch.where(shown[:, ROLES.index(role)] > 0, label, -1)
        label = label.to(logits.device)
        there = label >= 0
        if not there.any():
            continue
        total = F.cross_entropy(
            logits, label, ignore_index=-1, reduction="sum", label_smoothing=0.02
        )
        losses.append(total / len(label))
        right += int((logits.argmax(dim=1) == label)[there].sum())
        asked += int(there.sum())
    return torch.stack(losses).sum(), right / max(asked, 1)


def finding_loss(findings: Findings, batch: JudgeBatch) -> Tensor:
    """What it costs to find the subjects: where things are, which of them is who, how large it is
    and whether it can be seen.
    """
    device = findings.places.device
    seen, things = batch.visible.to(device), batch.things.to(device)
    total = seen.sum().clamp(min=1)
    apart = -(batch.places.to(device) * findings.places).flatten(3).sum(dim=3)
    extents = batch.boxes[..., 2:].to(device).clamp(min=1e-3).log()
    size = (findings.extents - extents).abs().sum(dim=-1)
    dense = F.binary_cross_entropy_with_logits(
        findings.things, things, pos_weight=torch.tensor(4.0, device=device)
    )
    visible = F.binary_cross_entropy_with_logits(findings.visible, seen)
    return ((apart + 0.5 * size) * seen).sum() / total + visible + 4 * dense


def test_judge(judge: Judge, clips: int, size: tuple[int, int] = (128, 128)) -> dict[str, Any]:
    """How often a judge is right on unseen real renders of held-out scenes, tier by tier.

    The renders are asked for the very words that captions state, as in the adherence bench.
    """
    from skyloom.world import render_clip

    figures: dict[str, Any] = {}
    with track(len(TIERS) * clips, "testing the judge", unit="clips") as bar:
        for tier in TIERS:
            tally = Tally()
            for prompt in held_out_prompts(tier, clips, TEST_FIRST):
                video = render_clip(prompt.scene, size, frames=34, fps=9.0).video
                tally.add(prompt.asked, judge.words(video))
                bar.advance()
            figures[tier] = tally.figures()
    return figures


def main(recipe_path: Path, overrides: Sequence[str] = (), minutes: float | None = None) -> int:
    """Train by a recipe file, see `train.loop.run`; test the judge when the run is complete."""
    recipe = load_toml(JudgeRecipe, recipe_path, overrides)
    task = JudgeTask(recipe)
    out = Path(recipe.out)
    steps = run(task, recipe.optim, recipe.loop, out, to_dict(recipe), minutes, "judge")
    if steps >= recipe.optim.steps and recipe.test_clips:
        figures = test_judge(load_judge(out / "model"), recipe.test_clips)
        write_json(figures, out / "model" / NAME / ACCURACY)
    return steps


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--minutes", type=float)
    arguments = parser.parse_args()
    try:
        main(arguments.recipe, arguments.settings, arguments.minutes)
    except UserError as error:
        sys.exit(str(error))
