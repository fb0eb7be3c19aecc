"""Blocks that are computed twice, or compiled: what is learnt stays the same."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import Tiny
from torch import nn

from skyloom.errors import UserError
from skyloom.pipeline import Skyloom
from skyloom.train import parallel, transformer
from skyloom.train.parallel import ParallelConfig, apply
from skyloom.train.ranks import ALONE
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.model import Transformer


def test_checkpointed_blocks_learn_the_same_bytes(tiny: Tiny, tmp_path: Path) -> None:
    transformer.main(tiny.transformer_recipe, [f"out={tmp_path}", "parallel.checkpoint=true"])
    whole = tiny.root / "transformer"
    for file in ("transformer", "text_encoder"):
        part = f"model/{file}/model.safetensors"
        assert (tmp_path / part).read_bytes() == (whole / part).read_bytes()
    state = "checkpoints/step_00000006/state.safetensors"
    assert (tmp_path / state).read_bytes() == (whole / state).read_bytes()
    Skyloom.load(tmp_path / "model", "cpu")


def kept(network: nn.Module, *arguments: object) -> int:
    """Bytes that autograd keeps of a pass."""
    found = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(*arguments)
    return sum(found.values())


def test_checkpointed_blocks_keep_little(tiny: Tiny) -> None:
    network = Transformer(TransformerConfig(width=64, depth=8, heads=2, text_width=16))
    from skyloom.text.features import TextFeatures
    from skyloom.transformer.patches import pack

    packed = pack([torch.randn(32, 4, 16, 16)], [12.0], (1, 2, 2))
    arguments = (packed, torch.full((256,), 0.5), TextFeatures(torch.randn(4, 16), (4,)))
    before = kept(network, *arguments)
    apply(ParallelConfig(checkpoint=True), {"transformer": network}, ALONE)
    assert kept(network, *arguments) < 0.4 * before


COMPILED = """
import copy, torch
from torch.testing import assert_close
from skyloom.text.features import TextFeatures
from skyloom.train.parallel import ParallelConfig, apply
from skyloom.train.ranks import ALONE
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.model import Transformer
from skyloom.transformer.patches import pack
torch.manual_seed(0)
plain = Transformer(TransformerConfig(channels=4, width=32, depth=2, heads=2, text_width=16))
for weight in plain.parameters():
    weight.data += 0.1 * torch.randn_like(weight)
compiled = copy.deepcopy(plain)
apply(ParallelConfig(compile=True, checkpoint=True), {"transformer": compiled}, ALONE)
for sizes in ([6, 4, 2], [8, 2, 4, 6]):
    packed = pack([torch.randn(4, 2, size, size) for size in sizes], [12.0] * len(sizes), (1, 2, 2))
    text = TextFeatures(torch.randn(3 * len(sizes), 16), (3,) * len(sizes))
    sigma = torch.rand(len(sizes)).repeat_interleave(torch.tensor(packed.lengths))
    given = []
    for network in (plain, compiled):
        prediction = network(packed, sigma, text).prediction
        prediction.square().mean().backward()
        # Of what nothing depends on there is no gradient, or one of zeros.
        gradients = [(w.grad, torch.zeros_like(w)) for w in network.parameters()]
        given.append([prediction, *(zero if g is None else g for g, zero in gradients)])
    assert_close(given[0], given[1], atol=1e-4, rtol=1e-3)
print("alike")
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_blocks_compute_the_same() -> None:
    """For batches of other lengths too."""
    # In a process of its own: what checks annotations here cannot be compiled.
    command = [sys.executable, "-c", COMPILED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "alike\n", done.stderr


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match="no C\\+\\+ compiler 'no-such-compiler'.*compile=false"):
        parallel.compile_blocks({"line": nn.Linear(1, 1)})
