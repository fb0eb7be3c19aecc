"""Training the transformer, and with it the text encoder, on latents with captions.

Reads as the equation does: draw clips, draw sigmas, mix with noise, predict, compare where
nothing was given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from skyloom.autoencoder.folder import load_autoencoder
from skyloom.condition import PatternConfig, random_ceiling
from skyloom.config import load_toml, to_dict
from skyloom.data.latents import LatentDataset, LatentRow
from skyloom.data.order import shuffled
from skyloom.data.packing import BatchPlan
from skyloom.device import pick_device, pick_dtype
from skyloom.errors import UserError
from skyloom.files import whole_folder
from skyloom.flow import path
from skyloom.flow.noise import latent_noise
from skyloom.flow.prediction import named_prediction
from skyloom.flow.schedule import shift_of
from skyloom.modelfolder import load_transformer, save_transformer
from skyloom.text.bundled import BundledTextConfig, BundledTextEncoder
from skyloom.text.tokenizer import Tokenizer
from skyloom.train.loop import LoopConfig, run
from skyloom.train.optim import OptimConfig
from skyloom.train.prefetch import Prefetch
from skyloom.train.truth import TruthHead, subject_tokens, truth_labels
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.model import Output, Transformer
from skyloom.transformer.patches import Packed, pack

HELD_OUT_SEED = 20_261_124
"""Which clips are held out does not depend on the seed of a run."""
EVALUATED = 3
"""Batches of an evaluation."""


@dataclass(frozen=True)
class TransformerRecipe:
    """Everything that decides a run.

    Attributes:
        out: folder of the run; its model appears in out/model.
        data: folder of a prepared dataset.
        autoencoder: model folder whose autoencoder made the latents; copied into the model.
        start: model folder to start from, which decides `model` and `text`; "" for scratch.
        views: what each clip is shown as, one entry a showing an epoch: so many latent frames of
            its start (1 is its first frame as an image), 0 for all of it, -n for all but the first
            n, as a window on a longer clip. Stills have one.
        tokens: most tokens of a batch.
        drop_prompt: share of clips whose prompt is left out, for guidance.
        routed: share of the tokens of each clip that skip the middle blocks in training.
        truth_weight: weight of the head that reads the world's truth from a middle block; 0 is off.
        subject_weight: how much more a token counts that shows a subject, by the world's truth;
            0 is as much as any other.
        held_out: clips, spread over the dataset, that are kept for evaluation.
    """

    out: str
    data: str
    autoencoder: str
    start: str = ""
    views: tuple[int, ...] = (0, 5, 1, 1)
    tokens: int = 3328
    drop_prompt: float = 0.1
    routed: float = 0.0
    truth_weight: float = 0.0
    subject_weight: float = 0.0
    held_out: int = 32
    seed: int = 0
    device: str = "auto"
    model: TransformerConfig = field(default_factory=TransformerConfig)
    text: BundledTextConfig = field(default_factory=BundledTextConfig)
    pattern: PatternConfig = field(default_factory=PatternConfig)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(muon=True))
    loop: LoopConfig = field(default_factory=LoopConfig)


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
        self.plan = BatchPlan(tokens, recipe.tokens, recipe.seed)

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
        if rng.random() < self.recipe.drop_prompt:
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


def _dataset(recipe: TransformerRecipe) -> LatentDataset:
    """The latents to learn from.

    Raises:
        UserError: there are too few clips, or another autoencoder made them.
    """
    dataset = LatentDataset(Path(recipe.data))
    if not 0 < recipe.held_out < len(dataset):
        raise UserError(
            f"'{recipe.data}' has {len(dataset)} clips and held_out is {recipe.held_out}: "
            "hold out at least one, and fewer than there are."
        )
    if dataset.meta["autoencoder"] != load_autoencoder(Path(recipe.autoencoder)).fingerprint:
        raise UserError(
            f"The latents in '{recipe.data}' are of another autoencoder than that in "
            f"'{recipe.autoencoder}': name the one that prepared them, or prepare them again."
        )
    return dataset


def _check_widths(recipe: TransformerRecipe, dataset: LatentDataset) -> None:
    """See that the transformer fits what it is fed.

    Raises:
        UserError: it does not; the message names the setting that would.
    """
    for setting, value, wanted in (
        ("model.channels", recipe.model.channels, dataset.meta["channels"]),
        ("model.text_width", recipe.model.text_width, recipe.text.width),
    ):
        if value != wanted:
            raise UserError(f"{setting} is {value} and must be {wanted} here: set it to that.")


class TransformerTask:
    """Loss, evaluation and export of transformer and text encoder."""

    def __init__(self, recipe: TransformerRecipe) -> None:
        self.recipe = recipe
        self.device = pick_device(recipe.device)
        self.dtype = pick_dtype(self.device)
        dataset = _dataset(recipe)
        torch.manual_seed(recipe.seed)
        if recipe.start:
            transformer, text = load_transformer(Path(recipe.start))
            self.recipe = recipe = replace(recipe, model=transformer.config, text=text.config)
        else:
            _check_widths(recipe, dataset)
            captions = [caption for row in dataset.rows for caption in row.captions]
            sizes = recipe.text
            tokenizer = Tokenizer.train(captions, sizes.vocabulary, sizes.max_tokens)
            transformer = Transformer(recipe.model)
            text = BundledTextEncoder(recipe.text, tokenizer)
        self.transformer = transformer.to(self.device, self.dtype).requires_grad_(True).train()
        self.text = text.to(self.device, self.dtype).requires_grad_(True).train()
        apart = set(shuffled(HELD_OUT_SEED, 0, len(dataset))[: recipe.held_out].tolist())
        learnt = [row for row in range(len(dataset)) if row not in apart]
        self.train = LatentBatches(recipe, dataset, learnt)
        self.held_out = LatentBatches(recipe, dataset, sorted(apart))
        self.truth = TruthHead(recipe.model.width).to(self.device, self.dtype)
        self.modules: dict[str, nn.Module] = {"transformer": self.transformer, "text": self.text}
        if recipe.truth_weight:
            self.modules["truth"] = self.truth
        self.prediction = named_prediction(recipe.model.prediction)
        self.draw = Prefetch(self.train.batch)

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Mean loss of the tokens that were not given, plus what the truth head costs."""
        batch = self.draw(step)
        losses, output = self._losses(batch)
        flow = _mean(losses, batch.free * (1 + self.recipe.subject_weight * batch.subject))
        if not self.recipe.truth_weight:
            return flow, {}
        labels = truth_labels(batch.truths, batch.clean.grids, self.train.time_stride)
        labels = labels.to(self.device)
        labels = labels if output.kept is None else labels[output.kept]
        truth, hits = self.truth.loss(output.middle, labels)
        return flow + self.recipe.truth_weight * truth, {"flow": flow.item(), "truth": hits}

    def _losses(self, batch: Batch, routed: bool = True) -> tuple[Float[Tensor, " N"], Output]:
        """The flow loss of every token, and all that the network gave."""
        clean, noise, sigma = (
            x.to(self.device) for x in (batch.clean.tokens, batch.noise, batch.sigma)
        )
        packed = batch.clean.moved_to(self.device).with_tokens(path.mix(clean, noise, sigma))
        kept = batch.kept.to(self.device) if routed and batch.kept is not None else None
        output = self.transformer(packed, sigma, self.text.encode(batch.prompts), kept)
        return self.prediction.loss(output.prediction, clean, noise, sigma), output

    def evaluate(self) -> dict[str, float]:
        """The flow loss on held-out clips under fixed noise: of all tokens, and of subjects."""
        every, subject = [], []
        for step in range(EVALUATED):
            batch = self.held_out.batch(step)
            losses, _ = self._losses(batch, routed=False)
            every.append(_mean(losses, batch.free.float()).item())
            subject.append(_mean(losses, (batch.free & batch.subject).float()).item())
        return {
            "held_out_loss": sum(every) / EVALUATED,
            "held_out_subject_loss": sum(subject) / EVALUATED,
        }

    def export(self, folder: Path) -> None:
        """Write a whole model folder: these two and the autoencoder that made the latents."""
        with whole_folder(folder) as temporary:
            save_transformer(temporary, self.transformer, self.text, Path(self.recipe.autoencoder))


def _mean(losses: Float[Tensor, " N"], weights: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """The mean of `losses` by `weights`; zero where nothing has weight."""
    weights = weights.to(losses.device)
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def main(recipe_path: Path, overrides: Sequence[str] = (), minutes: float | None = None) -> int:
    """Train by a recipe file; see `loop.run`."""
    recipe = load_toml(TransformerRecipe, recipe_path, overrides)
    task = TransformerTask(recipe)
    return run(
        task, recipe.optim, recipe.loop, Path(recipe.out), to_dict(recipe), minutes, "transformer"
    )
