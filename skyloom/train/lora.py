"""LoRA: small matrices beside the frozen ones (Hu et al., arXiv 2106.09685, equation 3).

    y = W x + (alpha / rank) B A x        A: rank x in, at random;  B: out x rank, zero at first

Applied from outside to a network that knows nothing of it: chosen `nn.Linear` modules are replaced
by ones that hold the old one. At the start the network gives exactly what it gave before.
"""

import copy
import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor, nn

from skyloom.config import from_dict, to_dict
from skyloom.errors import UserError
from skyloom.storage import CONFIG, load_component, save_component

CLASS_NAME = "Lora"
ADAPTERS = "lora"
"""The folder of the adapters alone, beside a run's model."""

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class LoraConfig:
    """Which matrices learn beside themselves, and how much.

    Attributes:
        rank: of what is added to a matrix; 0 trains the whole model instead.
        alpha: what is added counts alpha / rank; 0 stands for the rank, and counts 1.
        parts: last names of the adapted modules: of a block "qkv", "out", "rise" and "fall".
    """

    rank: int = 0
    alpha: float = 0.0
    parts: tuple[str, ...] = ("qkv", "out", "rise", "fall")

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise ValueError(f"rank {self.rank} is below 0")

    @property
    def scale(self) -> float:
        """What the product of the small matrices is multiplied by."""
        return self.alpha / self.rank if self.alpha else 1.0


class Adapted(nn.Module):
    """A linear layer that stays as it is, and two small matrices that learn."""

    def __init__(self, base: nn.Linear, config: LoraConfig) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scale = config.scale
        self.down = nn.Parameter(base.weight.new_empty(config.rank, base.in_features))
        self.up = nn.Parameter(base.weight.new_zeros(base.out_features, config.rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))  # as the paper's authors do

    @property
    def weight(self) -> Tensor:
        """The frozen matrix, for who asks about its shape or precision."""
        return self.base.weight

    def forward(self, x: Float[Tensor, "*N into"]) -> Float[Tensor, "*N out"]:
        """Both together."""
        return self.base(x) + self.scale * ((x @ self.down.T) @ self.up.T)

    def merged(self) -> Float[Tensor, "out into"]:
        """One matrix that does the same, in the precision of the frozen one."""
        added = self.up.float() @ self.down.float()
        return (self.base.weight.float() + self.scale * added).to(self.base.weight.dtype)


def adapt(network: nn.Module, config: LoraConfig) -> None:
    """Freeze a network and put adapters on its linear layers, in place.

    Raises:
        UserError: one of `config.parts` is the name of no linear layer; the nearest is named.
    """
    network.requires_grad_(False)
    layers = {name: layer for name, layer in network.named_modules() if type(layer) is nn.Linear}
    names = sorted({name.rpartition(".")[2] for name in layers if not name[-1].isdigit()})
    for part in config.parts:
        if part not in names:
            (nearest,) = difflib.get_close_matches(part, names, n=1, cutoff=0.0)
            raise UserError(
                f"lora.parts names '{part}', and there is no such layer: the nearest is "
                f"'{nearest}', of {', '.join(names)}."
            )
    for name, layer in layers.items():
        owner, _, part = name.rpartition(".")
        if part in config.parts:
            setattr(network.get_submodule(owner), part, Adapted(layer, config))


def adapters(network: nn.Module) -> dict[str, Tensor]:
    """The small matrices by name, such as "blocks.0.video.qkv.down"."""
    return {
        f"{name}.{side}": getattr(module, side).detach()
        for name, module in network.named_modules()
        if isinstance(module, Adapted)
        for side in ("down", "up")
    }


def merged(network: Network) -> Network:
    """A copy of an adapted network with plain linear layers that do the same.

    Weights that were not adapted are shared with the network and not copied.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    plain = copy.deepcopy(network, dict(shared))
    for name, module in list(plain.named_modules()):
        if isinstance(module, Adapted):
            owner, _, part = name.rpartition(".")
            base = module.base
            layer = nn.Linear(
                base.in_features, base.out_features, base.bias is not None, device="meta"
            )
            layer.weight = nn.Parameter(module.merged(), requires_grad=False)
            layer.bias = base.bias
            setattr(plain.get_submodule(owner), part, layer)
    return plain


def save_adapters(folder: Path, network: nn.Module, config: LoraConfig) -> None:
    """Write the small matrices alone to `folder`: config.json and model.safetensors."""
    save_component(folder.parent, folder.name, to_dict(config), adapters(network), CLASS_NAME)


def load_adapters(folder: Path, network: nn.Module) -> None:
    """Put adapters that `save_adapters` wrote on a network, in place.

    Raises:
        UserError: they are missing, broken, or of another network.
    """
    values, state = load_component(folder.parent, folder.name)
    config = from_dict(LoraConfig, values, str(folder / CONFIG))
    adapt(network, config)
    there = adapters(network)
    if {n: t.shape for n, t in there.items()} != {n: t.shape for n, t in state.items()}:
        raise UserError(f"The adapters in '{folder}' are of another network than this one.")
    for name, tensor in there.items():
        tensor.copy_(state[name])
