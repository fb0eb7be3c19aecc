"""What a step does to the weights."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skyloom.train.optim import OptimConfig, Optimizer, learning_rate

STEADY = OptimConfig(lr=1e-3, warmup=0, steps=1000, cooldown=0.0, weight_decay=0.0, clip=1e9)


class Net(nn.Module):
    """A little of everything that the networks have."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(3, 8)
        self.blocks = nn.ModuleList([nn.Linear(8, 8, bias=False)])
        self.blocks[0].table = nn.Parameter(torch.randn(6, 8))
        self.levels = nn.ModuleList([nn.Conv3d(2, 4, 3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        conv = self.levels[0](x.mean() * torch.ones(1, 2, 3, 3, 3, dtype=x.dtype)).mean()
        return self.blocks[0](self.enter(x)) + self.blocks[0].table.mean(0) + conv


def net(dtype: torch.dtype = torch.float32) -> Net:
    torch.manual_seed(0)
    return Net().to(dtype)


def backward(module: nn.Module, seed: int = 0) -> None:
    """Leave a gradient on every weight."""
    dtype = next(module.parameters()).dtype
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed)).to(dtype)
    module(x).square().sum().backward()


def test_the_rate_warms_up_holds_and_cools_down() -> None:
    config = OptimConfig(lr=2.0, warmup=4, steps=20, cooldown=0.25)
    rates = [learning_rate(config, step) for step in range(21)]
    assert rates[:5] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert rates[4:16] == [2.0] * 12
    assert rates[16:] == pytest.approx([1.6, 1.2, 0.8, 0.4, 0.0])
    assert learning_rate(STEADY, 0) == learning_rate(STEADY, 999) == 1e-3


def test_masters_add_up_what_bf16_cannot() -> None:
    layer = nn.Linear(1, 1, bias=False).bfloat16()
    nn.init.ones_(layer.weight)
    optimizer = Optimizer({"m": layer}, STEADY)
    for step in range(40):
        layer.weight.grad = torch.ones_like(layer.weight)
        optimizer.step(step)
        # AdamW moves by lr with a steady gradient; bf16 has no number between 1 and 0.996.
        master = optimizer.masters["m.weight"]
        assert master.item() == pytest.approx(1 - 1e-3 * (step + 1), abs=1e-5)
        assert torch.equal(layer.weight.data, master.bfloat16())
        assert layer.weight.grad is None
    assert layer.weight.item() == pytest.approx(0.96, abs=0.003)


def test_averages_follow_the_masters() -> None:
    module = net()
    optimizer = Optimizer({"m": module}, OptimConfig(lr=0.01, warmup=0, ema=0.3))
    wanted = {name: master.clone() for name, master in optimizer.masters.items()}
    for step in range(6):
        backward(module, step)
        optimizer.step(step)
        decay = min(0.3, (1 + step) / (10 + step))
        wanted = {
            name: decay * average + (1 - decay) * optimizer.masters[name]
            for name, average in wanted.items()
        }
    assert_close(optimizer.averages, wanted)
    before = {name: weight.detach().clone() for name, weight in module.named_parameters()}
    optimizer.use_averages()
    for name, weight in module.named_parameters():
        assert_close(weight.data.flatten(), wanted[f"m.{name}"].flatten())
    optimizer.use_masters()
    assert all(torch.equal(weight, before[name]) for name, weight in module.named_parameters())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_moves_nothing(bad: float) -> None:
    module = net()
    optimizer = Optimizer({"m": module}, OptimConfig(muon=True))
    before = {name: tensor.clone() for name, tensor in optimizer.tensors().items()}
    backward(module)
    assert module.enter.weight.grad is not None
    module.enter.weight.grad[0, 0] = bad
    assert not torch.isfinite(torch.tensor(optimizer.step(0)))
    after = optimizer.tensors()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert module.enter.weight.grad is None


def test_the_norm_is_that_before_clipping() -> None:
    layer = nn.Linear(2, 1, bias=False)
    optimizer = Optimizer({"m": layer}, OptimConfig(clip=1.0))
    layer.weight.grad = torch.tensor([[3.0, 4.0]])
    assert optimizer.step(0) == pytest.approx(5.0)
    assert optimizer.masters["m.weight"].grad is not None
    assert optimizer.masters["m.weight"].grad.norm().item() == pytest.approx(1.0)


def test_muon_moves_hidden_matrices_alone() -> None:
    module = net()
    module.enter.bias.requires_grad_(False)
    optimizer = Optimizer({"m": module}, OptimConfig(muon=True))
    backward(module)
    optimizer.step(0)
    kinds = {name: kind for kind, name, *_ in (key.split("/") for key in optimizer.tensors())
             if kind not in ("master", "average")}  # fmt: skip
    assert kinds == {
        "m.enter.bias": "frozen",
        "m.enter.weight": "AdamW",
        "m.blocks.0.weight": "Muon",
        "m.blocks.0.table": "AdamW",
        "m.levels.0.weight": "Muon",
        "m.levels.0.bias": "AdamW",
    }


def test_tensors_bring_everything_back() -> None:
    config = OptimConfig(muon=True, warmup=2, steps=9)
    module = net(torch.bfloat16)
    optimizer = Optimizer({"m": module}, config)
    for step in range(3):
        backward(module, step)
        optimizer.step(step)
    saved = {name: tensor.clone() for name, tensor in optimizer.tensors().items()}
    other = Net().bfloat16()
    restored = Optimizer({"m": other}, config)
    restored.load_tensors(saved)
    for step in range(3, 6):
        for one, moved in ((module, optimizer), (other, restored)):
            backward(one, step)
            moved.step(step)
    first, second = optimizer.tensors(), restored.tensors()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(
        torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True)
    )
    del saved["master/m.enter.bias"]
    with pytest.raises(KeyError, match="m.enter.bias"):
        restored.load_tensors(saved)
