"""Training the transformer: what a batch holds, and what a recipe means."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tiny import Tiny
from torch.testing import assert_close

from skyloom.config import load_toml
from skyloom.data.latents import LatentDataset, LatentWriter
from skyloom.errors import UserError
from skyloom.flow.alternatives import ALTERNATIVES
from skyloom.modelfolder import load_model
from skyloom.train import transformer
from skyloom.train.batches import LatentBatches
from skyloom.train.recipe import TransformerRecipe
from skyloom.train.transformer import TransformerTask
from skyloom.transformer.patches import unpack


def recipe(tiny: Tiny, *overrides: str) -> TransformerRecipe:
    return load_toml(TransformerRecipe, tiny.transformer_recipe, overrides)


def batches(tiny: Tiny, *overrides: str, rows: Sequence[int] = range(4)) -> LatentBatches:
    chosen = recipe(tiny, *overrides)
    return LatentBatches(chosen, LatentDataset(chosen.data), rows)


def test_a_batch_is_a_pure_function_of_its_step(tiny: Tiny) -> None:
    one, other = batches(tiny), batches(tiny)
    first = [one.batch(step) for step in range(8)]
    for step in (5, 2, 7):
        again = other.batch(step)
        for name in ("noise", "sigma", "free"):
            assert torch.equal(getattr(again, name), getattr(first[step], name))
        assert torch.equal(again.clean.tokens, first[step].clean.tokens)
        assert (again.prompts, again.truths) == (first[step].prompts, first[step].truths)
    assert len({batch.sigma.sum().item() for batch in first}) == 8
    seeded = batches(tiny, "seed=1").batch(0)
    assert len(seeded.sigma) != len(first[0].sigma) or not torch.equal(seeded.sigma, first[0].sigma)


def test_what_a_batch_holds(tiny: Tiny) -> None:
    drawn = batches(tiny)
    dataset = LatentDataset(tiny.prepared)
    captions = {caption for row in dataset.rows[:4] for caption in row.captions}
    starts = [dataset[row].latents.float() for row in range(4)]
    seen = set()
    for step in range(30):
        batch = drawn.batch(step)
        assert len(batch.sigma) == len(batch.noise) == len(batch.clean.tokens) <= 24
        assert 0 <= batch.sigma.min() and batch.sigma.max() <= 1  # noqa: SIM300 - reads as a range
        assert set(batch.prompts) <= captions | {""}
        assert not batch.free[batch.sigma <= 0.02].any()
        for clip, truth in zip(unpack(batch.clean, 8, (1, 2, 2)), batch.truths, strict=True):
            frames = clip.shape[1]
            (row,) = [r for r in range(4) if torch.equal(clip, starts[r][:, :frames])]
            assert truth == dataset.truth(row)
            seen.add((row, frames))
    # Every clip whole, as its first two latent frames, and as an image; held-out ones never.
    assert seen == {(row, frames) for row in range(4) for frames in (3, 2, 1)}


def test_given_tokens_are_below_their_ceiling_and_count_for_nothing(tiny: Tiny) -> None:
    always = [f"pattern.{name}=0" for name in ("nothing", "last", "head", "tail", "ends",
                                               "scattered", "independent")]  # fmt: skip
    drawn = batches(tiny, "views=[0]", "tokens=12", "pattern.firm=1.0", *always)
    for step in range(6):
        batch = drawn.batch(step)
        assert torch.equal(batch.sigma[:4], torch.zeros(4))  # the first latent frame: four tokens
        assert not batch.free[:4].any()
        assert batch.sigma[4:].unique().numel() == 1


def test_prompts_are_left_out_as_often_as_asked(tiny: Tiny) -> None:
    drawn = batches(tiny, "drop_prompt=0.5")
    prompts = [prompt for step in range(60) for prompt in drawn.batch(step).prompts]
    assert prompts.count("") / len(prompts) == pytest.approx(0.5, abs=0.1)
    assert "" not in [p for s in range(9) for p in batches(tiny, "drop_prompt=0").batch(s).prompts]


def test_latents_that_fill_no_whole_patch_are_cut(tiny: Tiny, tmp_path: Path) -> None:
    meta = {**LatentDataset(tiny.prepared).meta, "clips": 2}
    with LatentWriter(tmp_path, meta) as writer:
        for key, shape in (("000000", (8, 2, 5, 3)), ("000001", (8, 1, 4, 4))):
            writer.add(key, torch.randn(shape), 12.0, ("a ball",), None)
    drawn = batches(tiny, f"data={tmp_path}", "views=[0]", rows=[0])
    batch = drawn.batch(0)
    assert batch.clean.grids == ((2, 2, 1),)
    (clip,) = unpack(batch.clean, 8, (1, 2, 2))
    assert_close(clip, LatentDataset(tmp_path)[0].latents[:, :, :4, :2].float())
    with LatentWriter(tmp_path / "small", meta) as writer:
        writer.add("000000", torch.randn(8, 1, 1, 3), 12.0, ("a ball",), None)
        writer.add("000001", torch.randn(8, 1, 4, 4), 12.0, ("a ball",), None)
    with pytest.raises(UserError, match="Clip 000000 of .* is 3x1 latents: .* at least 2x2"):
        batches(tiny, f"data={tmp_path / 'small'}", rows=[0])


def test_routed_tokens_are_a_share_of_every_clip(tiny: Tiny) -> None:
    drawn = batches(tiny, "routed=0.5").batch(0)
    lengths = torch.tensor(drawn.clean.lengths)
    kept = drawn.clean.clip_of_token()[drawn.kept].bincount()
    assert torch.equal(kept, (lengths / 2).round().long().clamp(min=1))
    assert (drawn.kept.diff() > 0).all()
    assert batches(tiny).batch(0).kept is None
    task = TransformerTask(recipe(tiny, "routed=0.5", "model.depth=3"))
    loss, figures = task.loss(0)
    loss.backward()
    assert loss.item() > 0 and "truth" in figures


def test_windows_on_a_clip_begin_at_one(tiny: Tiny) -> None:
    drawn = batches(tiny, "views=[-1]")
    clips = [LatentDataset(tiny.prepared)[row].latents.float() for row in range(4)]
    batch = drawn.batch(0)
    starts = batch.clean.coordinates[:, 0].split(batch.clean.lengths)
    for clip, times in zip(unpack(batch.clean, 8, (1, 2, 2)), starts, strict=True):
        assert times.unique().tolist() == [1.0, 2.0]
        assert any(torch.equal(clip, whole[:, 1:]) for whole in clips)


@pytest.mark.parametrize("prediction", ["velocity", "clean", *ALTERNATIVES])
def test_every_prediction_trains(tiny: Tiny, prediction: str) -> None:
    task = TransformerTask(recipe(tiny, f"model.prediction={prediction}", "truth_weight=0"))
    loss, figures = task.loss(0)
    loss.backward()
    assert loss.item() > 0 and figures["weight"] > 0
    assert set(task.modules) == {"transformer", "text"}
    assert task.transformer.leave.weight.grad is not None


def test_start_from_a_model_folder(tiny: Tiny, tmp_path: Path) -> None:
    # The shapes are those of the folder, whatever the recipe says.
    changes = [f"start={tiny.model}", "model.width=64", "text.width=8", f"out={tmp_path}"]
    task = TransformerTask(recipe(tiny, *changes))
    assert task.transformer.config.width == 32 and task.recipe.model.width == 32
    before = load_model(tiny.model)
    for name, weight in task.transformer.state_dict().items():
        assert torch.equal(weight, before.transformer.state_dict()[name].to(weight.dtype))
    transformer.main(tiny.transformer_recipe, [*changes, "optim.steps=1"])
    assert load_model(tmp_path / "model").transformer.config == before.transformer.config


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("held_out=6", "has 6 clips and held_out is 6: hold out at least one, and fewer than"),
        ("held_out=0", "held_out is 0"),
        ("model.channels=16", "model.channels is 16 and must be 8 here"),
        ("model.text_width=32", "model.text_width is 32 and must be 16 here"),
        ("model.prediction=noise", "no prediction 'noise'"),
        ("tokens=4", "A clip of 12 tokens does not fit into a batch of 4"),
        ("data=nowhere", "'nowhere' is no prepared dataset"),
        ("autoencoder=nowhere", "model folder 'nowhere' does not exist"),
        ("start=nowhere", "model folder 'nowhere' does not exist"),
    ],
)
def test_recipes_that_cannot_be(tiny: Tiny, override: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        TransformerTask(recipe(tiny, override))


def test_latents_of_another_autoencoder(tiny: Tiny, tmp_path: Path) -> None:
    from skyloom.autoencoder.folder import load_autoencoder, save_autoencoder

    other = load_autoencoder(tiny.root / "autoencoder" / "model")
    other.latent_mean += 1.0
    save_autoencoder(tmp_path, other)
    with pytest.raises(UserError, match="of another autoencoder than that in '.*': name the one"):
        TransformerTask(recipe(tiny, f"autoencoder={tmp_path}"))
