"""Training the transformer, and with it the text encoder, on latents with captions.

Reads as the equation does: draw clips, draw sigmas, mix with noise, predict, compare where
nothing was given.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from skyloom.autoencoder.folder import load_autoencoder
from skyloom.autoencoder.model import Autoencoder
from skyloom.data.latents import LatentDataset
from skyloom.data.order import shuffled
from skyloom.device import pick_device, pick_dtype
from skyloom.errors import UserError
from skyloom.files import whole_folder
from skyloom.flow import path
from skyloom.flow.prediction import named_prediction
from skyloom.modelfolder import load_transformer, save_transformer
from skyloom.plan.devices import in_use
from skyloom.plan.plan import require
from skyloom.text.bundled import BundledTextEncoder
from skyloom.text.tokenizer import Tokenizer
from skyloom.train.batches import Batch, LatentBatches
from skyloom.train.lora import ADAPTERS, adapt, merged, save_adapters
from skyloom.train.prefetch import Prefetch
from skyloom.train.ranks import ALONE, Ranks
from skyloom.train.recipe import TransformerRecipe, load_recipe
from skyloom.train.samples import Samples
from skyloom.train.start import train
from skyloom.train.truth import TruthHead, truth_labels
from skyloom.transformer.context import ALL_HERE, Context
from skyloom.transformer.model import Output, Transformer

HELD_OUT_SEED = 20_261_124
"""Which clips are held out does not depend on the seed of a run."""
EVALUATED = 3
"""Batches of an evaluation."""
SIGMA_BINS = 4
"""Equal parts of 0 ... 1 in which the loss is told apart."""
SAMPLED = 4
"""Held-out captions that clips are made of where the recipe names no prompts."""


def _dataset(recipe: TransformerRecipe, autoencoder: Autoencoder) -> LatentDataset:
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
    if dataset.meta["autoencoder"] != autoencoder.fingerprint:
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


def _networks(
    recipe: TransformerRecipe, dataset: LatentDataset
) -> tuple[Transformer, BundledTextEncoder]:
    """The transformer and the text encoder as they are before the first step.

    Raises:
        UserError: the folder to start from cannot be read, the sizes do not fit the latents, or
            there is nothing that adapters could be put on.
    """
    if recipe.start:
        return load_transformer(Path(recipe.start))
    if recipe.lora.rank:
        raise UserError(
            f"lora.rank is {recipe.lora.rank} and start names no model: adapters need one to be "
            "put on, start=FOLDER names it; lora.rank=0 trains a whole model from nothing."
        )
    _check_widths(recipe, dataset)
    captions = [caption for row in dataset.rows for caption in row.captions]
    tokenizer = Tokenizer.train(captions, recipe.text.vocabulary, recipe.text.max_tokens)
    return Transformer(recipe.model), BundledTextEncoder(recipe.text, tokenizer)


class TransformerTask:
    """Loss, evaluation and export of transformer and text encoder."""

    def __init__(self, recipe: TransformerRecipe, ranks: Ranks = ALONE) -> None:
        self.recipe, self.ranks = recipe, ranks
        self.device = pick_device(recipe.device)
        self.dtype = pick_dtype(self.device)
        autoencoder = load_autoencoder(Path(recipe.autoencoder))
        dataset = _dataset(recipe, autoencoder)
        torch.manual_seed(recipe.seed)
        transformer, text = _networks(recipe, dataset)
        self.recipe = recipe = replace(recipe, model=transformer.config, text=text.config)
        self.transformer = transformer.to(self.device, self.dtype).requires_grad_(True).train()
        self.text = text.to(self.device, self.dtype).requires_grad_(True).train()
        if recipe.lora.rank:
            self.text.requires_grad_(False)
            adapt(self.transformer, recipe.lora)
        apart = set(shuffled(HELD_OUT_SEED, 0, len(dataset))[: recipe.held_out].tolist())
        learnt = [row for row in range(len(dataset)) if row not in apart]
        self.train = LatentBatches(recipe, dataset, learnt)
        self.held_out = LatentBatches(recipe, dataset, sorted(apart))
        self.truth = TruthHead(recipe.model.width).to(self.device, self.dtype)
        self.modules: dict[str, nn.Module] = {"transformer": self.transformer, "text": self.text}
        if recipe.truth_weight:
            self.modules["truth"] = self.truth
        self.prediction = named_prediction(recipe.model.prediction)
        self.draw = Prefetch(self.train.batch, stride=ranks.replicas)
        self.sheets = None
        if recipe.samples.minutes and ranks.first:
            said = [dataset.rows[row].captions for row in sorted(apart)]
            captions = [each[0] for each in said if each][:SAMPLED]
            self.sheets = Samples(
                recipe.samples, Path(recipe.out), autoencoder, self.transformer, self.text, captions
            )

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Mean loss of the tokens that were not given, plus what the truth head costs."""
        batch = self.draw(step)
        losses, output = self._losses(batch, context=self.ranks.shared)
        counts = batch.free * (1 + self.recipe.subject_weight * batch.subject)
        flow, weight = _mean(losses, counts), float(counts.sum())
        figures = {"weight": weight} | by_sigma(losses, batch.sigma, batch.free)
        if not self.recipe.truth_weight:
            return flow, figures
        labels = truth_labels(batch.truths, batch.clean.grids, self.train.time_stride)
        labels = labels.to(self.device)
        labels = labels if output.kept is None else labels[output.kept]
        truth, hits = self.truth.loss(output.middle, labels)
        figures |= {"flow": flow.item(), "truth": hits}
        return flow + self.recipe.truth_weight * truth, figures

    def _losses(
        self, batch: Batch, routed: bool = True, context: Context = ALL_HERE
    ) -> tuple[Float[Tensor, " N"], Output]:
        """The flow loss of every token, and all that the network gave."""
        clean, noise, sigma = (
            x.to(self.device) for x in (batch.clean.tokens, batch.noise, batch.sigma)
        )
        packed = batch.clean.moved_to(self.device).with_tokens(path.mix(clean, noise, sigma))
        kept = batch.kept.to(self.device) if routed and batch.kept is not None else None
        text = self.text.encode(batch.prompts)
        output = self.transformer(packed, sigma, text, kept, context)
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

    def sample(self, step: int) -> dict[str, float]:
        """Make the clips of the recipe's [samples] after so many steps, if it is time for them."""
        return self.sheets.make(step) if self.sheets is not None and self.sheets.due() else {}

    def samples(self, step: int) -> tuple[str, ...]:
        """The names of the clips in the batch of a step."""
        return self.train.names(step)

    def waited(self) -> float:
        """Seconds, in all, that training has waited for batches."""
        return self.draw.waited

    def export(self, folder: Path) -> None:
        """Write a whole model folder: these two and the autoencoder that made the latents.

        With LoRA the adapters are merged into it, and lie alone in lora/ beside it.
        """
        lora = self.recipe.lora
        transformer = merged(self.transformer) if lora.rank else self.transformer
        with whole_folder(folder) as temporary:
            save_transformer(temporary, transformer, self.text, Path(self.recipe.autoencoder))
        if lora.rank:
            save_adapters(folder.with_name(ADAPTERS), self.transformer, lora)


def _mean(losses: Float[Tensor, " N"], weights: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """The mean of `losses` by `weights`; zero where nothing has weight."""
    weights = weights.to(losses.device)
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def by_sigma(
    losses: Float[Tensor, " N"], sigma: Float[Tensor, " N"], free: Bool[Tensor, " N"]
) -> dict[str, float]:
    """What each of four equal parts of sigma adds to the mean loss of the free tokens.

    Returns:
        for "sigma_0_25" and so on, hundredths of sigma from and to, its part of that mean, and for
        "sigma_0_25_share" its share of the tokens. Both may be averaged over batches; the one over
        the other is the mean loss there.
    """
    bins = (sigma * SIGMA_BINS).long().clamp(max=SIGMA_BINS - 1)[free]
    counts = bins.bincount(minlength=SIGMA_BINS).tolist()
    found = losses.detach()[free.to(losses.device)]
    sums = found.new_zeros(SIGMA_BINS).index_add(0, bins.to(losses.device), found).tolist()
    total, width = max(len(bins), 1), 100 // SIGMA_BINS
    names = [f"sigma_{width * part}_{width * (part + 1)}" for part in range(SIGMA_BINS)]
    return {
        key: value / total
        for name, loss, count in zip(names, sums, counts, strict=True)
        for key, value in ((name, loss), (f"{name}_share", count))
    }


def main(
    recipe_path: Path,
    overrides: Sequence[str] = (),
    minutes: float | None = None,
    allow_changes: bool = False,
) -> int:
    """Train by a recipe file, with the other processes if torchrun started some; see `loop.run`."""
    recipe = load_recipe(recipe_path, overrides)
    require(recipe, in_use(recipe.device))
    if recipe.parallel.shard and recipe.samples.minutes:
        raise UserError(
            f"samples.minutes is {recipe.samples.minutes} and parallel.shard is on: clips are not "
            "made while weights are sharded; set samples.minutes=0."
        )
    # Muon is for whole matrices; the factors of one are moved by AdamW.
    optim = replace(recipe.optim, muon=False) if recipe.lora.rank else recipe.optim
    return train(
        recipe,
        TransformerTask,
        "transformer",
        minutes,
        allow_changes,
        optim=optim,
        parallel=recipe.parallel,
    )
