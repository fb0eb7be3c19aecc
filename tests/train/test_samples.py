"""Clips that are made while a transformer learns: same prompts, same seeds, a sheet each time."""

from pathlib import Path

import pytest
import torch
from tiny import Tiny

from skyloom import video
from skyloom.errors import UserError
from skyloom.train.recipe import load_recipe
from skyloom.train.transformer import TransformerTask, by_sigma

SETTINGS = ["samples.minutes=10", "samples.size=[64, 64]", "samples.seconds=0.5", "samples.steps=2"]


def test_a_sheet_now_and_then(tiny: Tiny, tmp_path: Path) -> None:
    settings = [*SETTINGS, f"out={tmp_path}", "samples.prompts=['a red ball', 'a cube']"]
    task = TransformerTask(load_recipe(tiny.transformer_recipe, settings))
    before = {name: weight.clone() for name, weight in task.transformer.state_dict().items()}
    assert task.sample(7) == {}
    assert task.sample(8) == {}  # ten minutes have not passed
    (sheet,) = (tmp_path / "samples").iterdir()
    assert sheet.name == "step_00000007.png"
    width, height = video.read(sheet).size
    assert width > 6 * 64 and height > 2 * 64  # six frames of two clips
    task.loss(0)[0].backward()  # training goes on as before
    for name, weight in task.transformer.state_dict().items():
        assert torch.equal(weight, before[name])


def test_adherence_now_and_then(tiny: Tiny, tmp_path: Path) -> None:
    settings = [*SETTINGS, f"out={tmp_path}", "samples.prompts=['a cube']", "samples.adherence=2"]
    found = TransformerTask(load_recipe(tiny.transformer_recipe, settings)).sample(7)
    assert found.keys() == {"adherence"} and 0 <= found["adherence"] <= 1


def test_sizes_are_looked_at_before_training(tiny: Tiny, tmp_path: Path) -> None:
    settings = [*SETTINGS, f"out={tmp_path}", "samples.size=[50, 50]"]
    with pytest.raises(UserError, match="cannot make 50x50"):
        TransformerTask(load_recipe(tiny.transformer_recipe, settings))


def test_no_samples_unless_asked(tiny: Tiny) -> None:
    assert TransformerTask(load_recipe(tiny.transformer_recipe)).sample(1) == {}


def test_loss_by_sigma() -> None:
    losses, sigma = torch.tensor([1.0, 2.0, 4.0, 9.0]), torch.tensor([0.1, 0.3, 1.0, 0.9])
    found = by_sigma(losses, sigma, torch.tensor([True, True, True, False]))
    assert found["sigma_0_25"] == pytest.approx(1 / 3)
    assert found["sigma_75_100"] == pytest.approx(4 / 3)
    assert found["sigma_75_100_share"] == pytest.approx(1 / 3)
    assert found["sigma_50_75"] == found["sigma_50_75_share"] == 0
