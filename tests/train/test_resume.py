"""Training that was interrupted equals training that was not, bit for bit, for both networks.

And it runs in whatever precision the machine has."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import Tiny, rows
from torch import Tensor

from skyloom.config import load_toml
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.train.autoencoder import AutoencoderRecipe, AutoencoderTask
from skyloom.train.loop import LoopConfig, run
from skyloom.train.recipe import TransformerRecipe
from skyloom.train.transformer import TransformerTask

Loss = Callable[[int], tuple[Tensor, dict[str, float]]]


def stopping(loss: Loss, at: int | None) -> Loss:
    """The same loss, but Ctrl-C is pressed at a step."""

    def stopped(step: int) -> tuple[Tensor, dict[str, float]]:
        if step == at:
            raise KeyboardInterrupt
        return loss(step)

    return stopped


def train_autoencoder(tiny: Tiny, out: Path, stop: int | None, loop: LoopConfig) -> None:
    recipe = load_toml(AutoencoderRecipe, tiny.autoencoder_recipe, [f"out={out}"])
    task = AutoencoderTask(recipe)
    task.loss = stopping(task.loss, stop)  # type: ignore[method-assign]
    run(task, recipe.optim, loop, out, {})


def train_transformer(tiny: Tiny, out: Path, stop: int | None, loop: LoopConfig) -> None:
    recipe = load_toml(TransformerRecipe, tiny.transformer_recipe, [f"out={out}"])
    task = TransformerTask(recipe)
    task.loss = stopping(task.loss, stop)  # type: ignore[method-assign]
    run(task, recipe.optim, loop, out, {})


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("train", [train_autoencoder, train_transformer])
def test_resumed_equals_uninterrupted(
    tiny: Tiny, tmp_path: Path, train: Callable[[Tiny, Path, int | None, LoopConfig], None]
) -> None:
    name = train.__name__.removeprefix("train_")
    whole = tiny.root / name  # six steps of the same recipe, never stopped
    with pytest.raises(KeyboardInterrupt):
        train(tiny, tmp_path, 3, LoopConfig())
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_00000003"]
    train(tiny, tmp_path, None, LoopConfig(save_minutes=0.0))
    models = files(whole / "model"), files(tmp_path / "model")
    assert models[0].keys() == models[1].keys() and models[0]
    assert models[0] == models[1]
    state = "checkpoints/step_00000006/state.safetensors"
    assert (whole / state).read_bytes() == (tmp_path / state).read_bytes()


def test_fp32_where_the_cpu_has_no_bf16(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {}, raising=False)
    train_transformer(tiny, tmp_path, None, LoopConfig())
    first = rows(tmp_path / "evaluations.jsonl")[0]["held_out_loss"]
    bf16 = rows(tiny.root / "transformer" / "evaluations.jsonl")[0]["held_out_loss"]
    assert first == pytest.approx(bf16, rel=0.05)
    model = Skyloom.load(tmp_path / "model", "cpu")
    for network in (model.autoencoder, model.transformer, model.text):
        assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    request = Request("a red ball", size=(64, 64), seconds=0, steps=2)
    assert model.generate(request).size == (64, 64)
