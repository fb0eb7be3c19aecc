"""A whole model and all that led to it, tiny: made once a session from the world, by the recipes
that a user would write. A plugin of pytest, named in conftest.py."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from torch import nn

    from skyloom.pipeline import Skyloom

Network = TypeVar("Network", bound="nn.Module")

AUTOENCODER = """
out = "{root}/autoencoder"
world = "{root}/world"
real_share = 0.0

[[shapes]]
frames = 5
size = [32, 32]
batch = 2

[[shapes]]
frames = 1
size = [64, 32]
batch = 2

[model]
channels = 8
widths = [16, 32, 32]
encoder_depths = [0, 1, 1]
decoder_depths = [1, 1, 1]

[optim]
steps = 6
warmup = 2
muon = true

[loop]
log_every = 2
"""

TRANSFORMER = """
out = "{root}/transformer"
data = "{root}/prepared"
autoencoder = "{root}/autoencoder/model"
views = [0, 2, 1]
tokens = 24
truth_weight = 0.1
held_out = 2

[model]
channels = 8
width = 32
depth = 2
heads = 2
text_width = 16

[text]
vocabulary = 300
width = 16
depth = 1
heads = 2
max_tokens = 24

[optim]
steps = 6
warmup = 2
muon = true

[loop]
log_every = 2
"""


@dataclass(frozen=True)
class Tiny:
    """Where everything lies.

    Attributes:
        root: the folder of all.
        world: six clips of 9 frames of 64x64.
        prepared: their latents, 8x3x4x4.
        model: a model folder, whose autoencoder made the latents.
        autoencoder_recipe, transformer_recipe: what it was trained by, in six steps each.
    """

    root: Path

    @property
    def world(self) -> Path:
        return self.root / "world"

    @property
    def prepared(self) -> Path:
        return self.root / "prepared"

    @property
    def model(self) -> Path:
        return self.root / "transformer" / "model"

    @property
    def autoencoder_recipe(self) -> Path:
        return self.root / "autoencoder.toml"

    @property
    def transformer_recipe(self) -> Path:
        return self.root / "transformer.toml"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """From the world to a model folder. Nobody may change what is in it."""
    from skyloom.autoencoder.folder import load_autoencoder
    from skyloom.data.prepare import prepare
    from skyloom.train import autoencoder, transformer
    from skyloom.world.dataset import WorldRecipe, write_world

    tiny = Tiny(tmp_path_factory.mktemp("tiny"))
    tiny.autoencoder_recipe.write_text(AUTOENCODER.format(root=tiny.root))
    tiny.transformer_recipe.write_text(TRANSFORMER.format(root=tiny.root))
    world = WorldRecipe(
        clips=6, sizes=((64, 64),), frames=(9,), crafter=0.0, tier="one", format="safetensors"
    )
    write_world(tiny.world, world, workers=1)
    autoencoder.main(tiny.autoencoder_recipe)
    prepare(tiny.world, tiny.prepared, load_autoencoder(tiny.root / "autoencoder" / "model"))
    transformer.main(tiny.transformer_recipe)
    return tiny


def shaken(network: Network, scale: float = 0.1) -> Network:
    """The network with all weights moved at random: fresh ones hide mistakes behind zeros."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight += scale * torch.randn(weight.shape, generator=generator).to(weight)
    return network.requires_grad_(False).eval()


@pytest.fixture(scope="session")
def skyloom(tiny: Tiny) -> "Skyloom":
    """The tiny model in fp32, shaken, ready to make clips."""
    import torch

    from skyloom.modelfolder import load_model
    from skyloom.pipeline import Skyloom

    model = load_model(tiny.model)
    shaken(model.transformer)
    shaken(model.text)
    return Skyloom(model, "cpu", torch.float32)


def rows(file: Path) -> list[dict]:
    """The lines of a .jsonl file."""
    return [json.loads(line) for line in file.read_text().splitlines()]
