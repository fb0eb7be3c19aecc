"""Batches of latents with captions: which clips, how noisy, how much of each is given.

Pure functions of (seed, step): whoever asks for a step, on whatever device, gets the same batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skyloom.condition import random_ceiling
from skyloom.data.latents import LatentDataset, LatentRow
from skyloom.data.packing import BatchPlan
from skyloom.errors import UserError
from skyloom.flow.noise import latent_noise
from skyloom.flow.prediction import named_prediction
from skyloom.flow.schedule import shift_of
from skyloom.train.recipe import TransformerRecipe
from skyloom.train.truth import subject_tokens
from skyloom.transformer.patches import Packed, pack


@dataclass(frozen=True)
class Batch:
    """Clips of one step, noise and noise levels already drawn.

    Attributes:
        free: which tokens count in the loss: those that were not given.
        subject: which tokens show a subject.
        kept: which tokens go through the middle blocks; None is all.
    """

    clean: Packed
    noise: Tensor
    sigma: Tensor
    free: Tensor
    subject: Tensor
    prompts: tuple[str, ...]
    truths: tuple[dict | None, ...]
    kept: Tensor | None = None


class LatentBatches:
    """Draws batches: which clips, shown how long, under which noise; pure in (seed, step)."""

    def __init__(
        self, recipe: TransformerRecipe, dataset: LatentDataset, rows: Sequence[int]
    ) -> None:
        self.recipe, self.dataset = recipe, dataset
        self.prediction = named_prediction(recipe.model.prediction)
        self.time_stride = int(dataset.meta["stride"][0]) * recipe.model.patch[0]
        self.views = [
            (row, start, frames)
            for row in rows
            for start, frames in _shown(recipe.views, dataset.rows[row].shape[1])
        ]
        tokens = [frames * self._per_frame(dataset.rows[row]) for row, _, frames in self.views]
        crossover = 6 * recipe.model.width
        self.plan = BatchPlan(tokens, recipe.tokens, recipe.seed, crossover=crossover)

    def names(self, step: int) -> tuple[str, ...]:
        """The names of the clips of step `step`."""
        return tuple(self.dataset.rows[self.views[view][0]].key for view in self.plan.batch(step))

    def batch(self, step: int) -> Batch:
        """The batch of step `step`, on the CPU."""
        recipe, patch = self.recipe, self.recipe.model.patch
        rng = np.random.default_rng((recipe.seed, 1, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        latents, rates, starts, prompts, truths = [], [], [], [], []
        noises, sigmas, ceilings = [], [], []
        for view in self.plan.batch(step):
            row, start, frames = self.views[view]
            sample = self.dataset[row]
            channels, _, height, width = sample.latents.shape
            height, width = height - height % patch[1], width - width % patch[2]
            latents.append(sample.latents[:, start : start + frames, :height, :width].float())
            rates.append(sample.fps)
            starts.append(min(start, 1))
            shape = (channels, frames, height, width)
            noises.append(latent_noise(int(rng.integers(2**62)), shape))
            prompts.append(self._prompt(sample.captions, rng))
            truths.append(_truth_from(sample.truth, start * self.time_stride))
            per_frame = self._per_frame(self.dataset.rows[row])
            ceiling = random_ceiling(frames, recipe.pattern, rng).repeat_interleave(per_frame)
            drawn = self.prediction.draw(1, shift_of(frames * per_frame), generator)
            sigmas.append(drawn.expand(len(ceiling)))
            ceilings.append(ceiling)
        ceiling = torch.cat(ceilings)
        sigma = torch.minimum(torch.cat(sigmas), ceiling)
        clean = pack(latents, rates, patch, starts)
        return Batch(
            clean=clean,
            noise=pack(noises, rates, patch).tokens,
            sigma=sigma,
            free=(sigma > 0.02) & (ceiling > 0.3),
            subject=subject_tokens(truths, clean.grids, self.time_stride),
            prompts=tuple(prompts),
            truths=tuple(truths),
            kept=random_kept(tuple(map(len, ceilings)), recipe.routed, rng),
        )

    def _prompt(self, captions: Sequence[str], rng: np.random.Generator) -> str:
        if rng.random() < self.recipe.drop_prompt or not captions:
            return ""
        return captions[int(rng.integers(len(captions)))]

    def _per_frame(self, row: LatentRow) -> int:
        """Tokens of a latent frame; a row or a column that fills no whole patch is left out."""
        _, down, across = self.recipe.model.patch
        tokens = (row.shape[2] // down) * (row.shape[3] // across)
        if not tokens:
            raise UserError(
                f"Clip {row.key} of '{self.recipe.data}' is {row.shape[3]}x{row.shape[2]} latents: "
                f"it must be at least {across}x{down}, prepare larger clips."
            )
        return tokens


def _shown(views: Sequence[int], frames: int) -> list[tuple[int, int]]:
    """(first latent frame, number of them) of each showing of a clip of `frames`.

    A still is shown once, and a window that would have fewer than two latent frames not at all.
    """
    if frames == 1:
        return [(0, 1)]
    whole = [(0, min(view, frames) if view else frames) for view in views if view >= 0]
    windows = [(-view, frames + view) for view in views if view < 0 and frames + view > 1]
    return whole + windows


def _truth_from(truth: dict | None, frame: int) -> dict | None:
    """The truth of the clip that begins at `frame`."""
    if not truth or not frame:
        return truth
    return {**truth, "screen": truth["screen"][frame:]}


def random_kept(lengths: Sequence[int], routed: float, rng: np.random.Generator) -> Tensor | None:
    """Rows of the tokens that go through the middle blocks: of each clip a random share, in order.

    Args:
        lengths: tokens of each clip, laid end to end.
        routed: share that skips; 0 is none, for which there is nothing to say.
    """
    if not routed:
        return None
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    counts = [max(1, round(length * (1 - routed))) for length in lengths]
    rows = [
        start + np.sort(rng.permutation(length)[:count])
        for start, length, count in zip(starts, lengths, counts, strict=True)
    ]
    return torch.from_numpy(np.concatenate(rows).astype(np.int64))
