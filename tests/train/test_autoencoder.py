"""Training the autoencoder: what a recipe means."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import Tiny
from torch.testing import assert_close

from skyloom.autoencoder.folder import load_autoencoder
from skyloom.config import load_toml
from skyloom.errors import UserError
from skyloom.train import autoencoder
from skyloom.train.autoencoder import AutoencoderRecipe, AutoencoderTask, psnr, to_pixels
from skyloom.train.imagined import Imagination, ImaginedConfig


def task(tiny: Tiny, *overrides: str) -> AutoencoderTask:
    return AutoencoderTask(load_toml(AutoencoderRecipe, tiny.autoencoder_recipe, overrides))


def test_bytes_to_pixels() -> None:
    frames = np.zeros((1, 2, 3, 4, 3), dtype=np.uint8)
    frames[0, 1, 2, 3] = (255, 51, 0)
    pixels = to_pixels(frames)
    assert pixels.shape == (1, 3, 2, 3, 4)
    assert_close(pixels[0, :, 1, 2, 3], torch.tensor([1.0, -0.6, -1.0]))
    assert pixels[0, :, 0].unique().tolist() == [-1.0]


def test_psnr() -> None:
    # An error of one byte in every pixel: 20 log10(255).
    assert psnr((2 / 255) ** 2) == pytest.approx(48.13, abs=0.01)
    assert psnr(4.0) == 0.0 and psnr(0.0) > 100


def test_the_loss_of_a_step_is_a_pure_function(tiny: Tiny) -> None:
    one, other = task(tiny), task(tiny)
    losses = [one.loss(step)[0].item() for step in range(3)]
    assert [other.loss(step)[0].item() for step in (2, 0, 1)] == [losses[i] for i in (2, 0, 1)]
    _, figures = one.loss(0)
    assert figures["psnr"] > 0 and figures["latent_rms"] > 0


def test_half_of_the_clips_get_more_noise_where_it_is_asked_for(tiny: Tiny) -> None:
    raw = torch.zeros(400, 4, 1, 4, 4)
    even = task(tiny, "noise=0.1")._noisy(raw, 3).flatten(1).std(dim=1)
    assert_close(even, torch.full_like(even, 0.1), atol=0.05, rtol=0)
    more = task(tiny, "noise=0.1", "most_noise=2.0")._noisy(raw, 3).flatten(1).std(dim=1)
    louder = more[more > 0.2]
    assert 0.3 < len(louder) / len(more) < 0.6 and louder.max() < 2.6
    assert louder.mean().item() == pytest.approx(1.1, abs=0.15)


def test_flicker_costs_where_it_is_weighed_and_a_still_has_none(tiny: Tiny) -> None:
    plain, weighed = task(tiny), task(tiny, "moving=1.0")
    frames = set()
    for step in range(12):
        moves = plain.crops.batch(step).shape[1] > 1
        cost = weighed.loss(step)[0].item() - plain.loss(step)[0].item()
        assert cost > 0 if moves else cost == 0
        frames.add(moves)
    assert frames == {True, False}


def test_latents_of_training_crops_have_about_unit_variance(tiny: Tiny) -> None:
    model = load_autoencoder(tiny.root / "autoencoder" / "model")
    crops = task(tiny).crops
    latents = torch.cat(
        [model.encode(to_pixels(crops.batch(step))).float().flatten() for step in range(12)]
    )
    assert latents.mean().item() == pytest.approx(0, abs=0.2)
    assert latents.std().item() == pytest.approx(1, abs=0.25)


def test_a_frozen_encoder_keeps_latents_on_disk_valid(tiny: Tiny, tmp_path: Path) -> None:
    start = tiny.root / "autoencoder" / "model"
    autoencoder.main(
        tiny.autoencoder_recipe,
        [f"out={tmp_path}", f"start={start}", "freeze_encoder=true", "optim.steps=2",
         f"held_out={tiny.world}"],
    )  # fmt: skip
    before, after = load_autoencoder(start), load_autoencoder(tmp_path / "model")
    assert after.fingerprint == before.fingerprint
    moved = [
        name
        for name, tensor in after.state_dict().items()
        if not torch.equal(tensor, before.state_dict()[name])
    ]
    assert moved and all(name.startswith("decoder.") for name in moved)
    figures = (tmp_path / "evaluations.jsonl").read_text()
    assert '"psnr_world"' in figures


def test_a_linear_encoder_keeps_them_valid_by_itself(tiny: Tiny, tmp_path: Path) -> None:
    linear = [f"out={tmp_path / 'a'}", "model.encoder_depths=[]", "optim.steps=1"]
    autoencoder.main(tiny.autoencoder_recipe, linear)
    first = load_autoencoder(tmp_path / "a" / "model")
    assert first.encoder is None
    on = [f"out={tmp_path / 'b'}", f"start={tmp_path / 'a' / 'model'}", "optim.steps=2", "seed=1"]
    autoencoder.main(tiny.autoencoder_recipe, on)
    later = load_autoencoder(tmp_path / "b" / "model")
    assert later.fingerprint == first.fingerprint
    moved = [n for n, t in later.state_dict().items() if not torch.equal(t, first.state_dict()[n])]
    assert moved and all(name.startswith("decoder.") for name in moved)


def test_worlds_that_cannot_be(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no dataset: it has no captions.jsonl"):
        task(tiny, f"world={tmp_path}")
    with pytest.raises(UserError, match="There is no device 'abacus' here"):
        task(tiny, "device=abacus")


def test_imagined_latents_go_farther_from_more_noise_and_leave_what_is_not_chosen(
    tiny: Tiny,
) -> None:
    near = ImaginedConfig(model=str(tiny.model), share=0.5, lowest=0.1, highest=0.1, steps=2)
    imagine = Imagination(near, torch.device("cpu"), torch.float32)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(16, imagine.channels, 2, 4, 4, generator=generator)
    one, two = (imagine(latents, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two) and one.shape == latents.shape
    changed = (one != latents).flatten(1).any(dim=1)
    assert changed.any() and not changed.all()
    errors = []
    for config in (replace(near, share=1.0), replace(near, share=1.0, lowest=0.9, highest=0.9)):
        imagine = Imagination(config, torch.device("cpu"), torch.float32)
        made = imagine(latents, torch.Generator().manual_seed(3))
        assert (made != latents).flatten(1).any(dim=1).all()
        errors.append((made - latents).square().mean().item())
    assert 0 < errors[0] < errors[1]


def test_a_decoder_learns_from_what_a_transformer_imagines(tiny: Tiny, tmp_path: Path) -> None:
    start = tiny.root / "autoencoder" / "model"
    how = [f"start={start}", "freeze_encoder=true", f"imagined.model={tiny.model}"]
    one, other, plain = task(tiny, *how), task(tiny, *how), task(tiny, *how[:2])
    assert one.loss(1)[0].item() == other.loss(1)[0].item() != plain.loss(1)[0].item()
    autoencoder.main(tiny.autoencoder_recipe, [*how, f"out={tmp_path}", "optim.steps=2"])
    before, after = load_autoencoder(start), load_autoencoder(tmp_path / "model")
    assert after.fingerprint == before.fingerprint
    state = after.state_dict()
    assert any(not torch.equal(old, state[name]) for name, old in before.state_dict().items())


def test_a_transformer_imagines_latents_of_its_own_autoencoder_alone(
    tiny: Tiny, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="freeze_encoder = true"):
        task(tiny, f"imagined.model={tiny.model}")
    with pytest.raises(UserError, match="channels, this autoencoder has 5"):
        task(tiny, f"imagined.model={tiny.model}", "freeze_encoder=true", "model.channels=5")
    with pytest.raises(UserError, match="lies above highest"):
        task(tiny, "imagined.lowest=0.9", "imagined.highest=0.3")
