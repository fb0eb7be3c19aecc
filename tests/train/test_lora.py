"""Adapters: nothing at first, then all that learns, and at last part of the matrices."""

from pathlib import Path

import pytest
import torch
from tiny import Tiny, shaken
from torch import Tensor
from torch.testing import assert_close

from skyloom.errors import UserError
from skyloom.modelfolder import load_model, load_transformer
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.text.features import TextFeatures
from skyloom.train import transformer as training
from skyloom.train.lora import LoraConfig, adapt, adapters, load_adapters, merged, save_adapters
from skyloom.train.recipe import load_recipe
from skyloom.train.transformer import TransformerTask
from skyloom.transformer.model import Transformer
from skyloom.transformer.patches import pack


def network(tiny: Tiny) -> Transformer:
    """The tiny transformer in fp32, shaken: fresh branches end in zeros and would hide a lot."""
    return shaken(load_transformer(tiny.model)[0].float())


def predicted(network: Transformer) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    packed = pack([torch.randn(8, 2, 4, 4, generator=generator)], [12.0], (1, 2, 2))
    text = TextFeatures(torch.randn(5, 16, generator=generator), (5,))
    with torch.no_grad():
        return network(packed, torch.full((8,), 0.5), text).prediction


def test_at_the_start_nothing_is_changed(tiny: Tiny) -> None:
    plain = network(tiny)
    before = predicted(plain)
    names = set(plain.state_dict())
    adapt(plain, LoraConfig(rank=4, parts=("qkv", "out")))
    assert torch.equal(predicted(plain), before)
    assert sum(weight.requires_grad for weight in plain.parameters()) == 2 * 2 * 2 * 2
    assert set(adapters(plain)) == {
        f"blocks.{block}.{stream}.{part}.{side}"
        for block in (0, 1) for stream in ("video", "text")
        for part in ("qkv", "out") for side in ("down", "up")
    }  # fmt: skip
    assert set(merged(plain).state_dict()) == names


@pytest.mark.parametrize("alpha", [0.0, 8.0])
def test_merged_equals_adapted_and_not_the_base(tiny: Tiny, alpha: float) -> None:
    adapted = network(tiny)
    base = {name: weight.clone() for name, weight in adapted.state_dict().items()}
    before = predicted(adapted)
    config = LoraConfig(rank=4, alpha=alpha)
    adapt(adapted, config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in adapters(adapted).values():
            tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
    after = predicted(adapted)
    plain = merged(adapted)
    assert_close(predicted(plain), after, atol=1e-5, rtol=1e-5)
    assert (after - before).abs().max() > 0.1
    # Merging changed neither the adapted network nor the matrices in it.
    assert torch.equal(predicted(adapted), after)
    frozen = {name.replace(".base.", "."): weight for name, weight in adapted.state_dict().items()}
    for name, weight in base.items():
        assert torch.equal(frozen[name], weight)
    qkv = "blocks.1.video.qkv"
    factors = adapters(adapted)
    added = (alpha / 4 or 1.0) * factors[f"{qkv}.up"] @ factors[f"{qkv}.down"]
    assert_close(plain.state_dict()[f"{qkv}.weight"], base[f"{qkv}.weight"] + added)


def test_adapters_alone_come_back(tiny: Tiny, tmp_path: Path) -> None:
    adapted = network(tiny)
    config = LoraConfig(rank=2, alpha=1.0, parts=("rise",))
    adapt(adapted, config)
    with torch.no_grad():
        for tensor in adapters(adapted).values():
            tensor.fill_(0.1)
    save_adapters(tmp_path / "lora", adapted, config)
    again = network(tiny)
    load_adapters(tmp_path / "lora", again)
    assert torch.equal(predicted(again), predicted(adapted))
    other = Transformer(training.replace(network(tiny).config, width=64))
    with pytest.raises(UserError, match="are of another network than this one"):
        load_adapters(tmp_path / "lora", other)


def test_only_the_adapters_train(tiny: Tiny, tmp_path: Path) -> None:
    """From the command line's recipe to a folder that users load."""
    settings = [f"start={tiny.model}", f"out={tmp_path}", "lora.rank=2", "lora.parts=['qkv']",
                "optim.steps=3", "truth_weight=0"]  # fmt: skip
    training.main(tiny.transformer_recipe, settings)
    before, after = load_model(tiny.model), load_model(tmp_path / "model")
    old, new = before.transformer.state_dict(), after.transformer.state_dict()
    assert old.keys() == new.keys()
    moved = {name for name in old if not torch.equal(old[name], new[name].to(old[name].dtype))}
    assert moved and all(name.endswith("qkv.weight") for name in moved)
    for name, weight in before.text.state_dict().items():
        assert torch.equal(weight, after.text.state_dict()[name].to(weight.dtype))
    # What trained, and no more, lies beside the model, and does the same to the base.
    base = before.transformer
    load_adapters(tmp_path / "lora", base)
    for name, weight in merged(base).state_dict().items():
        assert_close(weight, new[name].to(weight.dtype), atol=1e-2, rtol=1e-2)
    clip = Skyloom.load(tmp_path / "model", "cpu").generate(
        Request("a red ball", size=(64, 64), seconds=0, steps=2)
    )
    assert clip.size == (64, 64)


def test_loss_falls_by_adapters_alone(tiny: Tiny) -> None:
    # Six steps have left the last layer near zero, and with it all that lies before.
    settings = [f"start={tiny.model}", "lora.rank=8", "lora.parts=['qkv', 'leave']",
                "truth_weight=0"]  # fmt: skip
    task = TransformerTask(load_recipe(tiny.transformer_recipe, settings))
    trained = [w for m in task.modules.values() for w in m.parameters() if w.requires_grad]
    assert {id(w) for w in trained} == {
        id(w) for n, w in task.transformer.named_parameters() if n.endswith((".down", ".up"))
    }
    optimizer = torch.optim.AdamW(trained, lr=3e-2)
    losses = []
    for _ in range(20):
        loss, _ = task.loss(0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.98 * losses[0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["lora.rank=4"], "lora.rank is 4 and start names no model: adapters need one"),
        (["START", "lora.rank=4", "lora.parts=['kqv']"], "names 'kqv', .* the nearest is 'qkv'"),
        (["lora.rank=-1"], "rank -1 is below 0"),
    ],
)
def test_adapters_that_cannot_be(tiny: Tiny, settings: list[str], sentence: str) -> None:
    settings = [setting.replace("START", f"start={tiny.model}") for setting in settings]
    with pytest.raises(UserError, match=sentence):
        TransformerTask(load_recipe(tiny.transformer_recipe, settings))
