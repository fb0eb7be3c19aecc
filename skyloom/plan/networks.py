"""The networks of a recipe, counted without their weights: built on the meta device."""

from dataclasses import dataclass

import torch
from torch import nn

from skyloom.text.bundled import BundledTextConfig, BundledTextEncoder
from skyloom.text.tokenizer import Tokenizer
from skyloom.train.lora import LoraConfig, adapt
from skyloom.train.optim import is_hidden_matrix
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.model import Transformer


@dataclass(frozen=True)
class Counted:
    """Numbers of parameters.

    Attributes:
        transformer, text: of each network, adapters apart.
        trained: that move in training; with LoRA the adapters alone.
        by_muon: of these, that Muon moves.
        largest_group: of these, the matrices of the shape that most of them are in: Muon moves
            them at once.
        block: of one block of the transformer, which is gathered whole where weights are sharded.
    """

    transformer: int
    text: int
    trained: int
    by_muon: int
    largest_group: int
    block: int

    @property
    def total(self) -> int:
        """Of both networks."""
        return self.transformer + self.text


def counted(
    model: TransformerConfig,
    text: BundledTextConfig,
    muon: bool = False,
    lora: LoraConfig | None = None,
) -> Counted:
    """Count the networks of these sizes; a second or two for the largest.

    Args:
        muon: whether hidden matrices are moved by Muon.
        lora: adapters on a transformer that stays as it is.
    """
    tokenizer = Tokenizer.train([], 257, text.max_tokens)  # its size is not the network's
    with torch.device("meta"):
        transformer = Transformer(model)
        encoder = BundledTextEncoder(text, tokenizer)
        sizes = _size(transformer), _size(encoder), _size(transformer.blocks[0])
        modules: dict[str, nn.Module] = {"transformer": transformer, "text": encoder}
        if lora is not None and lora.rank:
            encoder.requires_grad_(False)
            adapt(transformer, lora)
            muon = False
    trained = {
        f"{module}.{name}": weight
        for module, network in modules.items()
        for name, weight in network.named_parameters()
        if weight.requires_grad
    }
    groups: dict[torch.Size, int] = {}
    for name, weight in trained.items():
        if muon and is_hidden_matrix(name, weight):
            groups[weight.shape] = groups.get(weight.shape, 0) + weight.numel()
    return Counted(
        transformer=sizes[0],
        text=sizes[1],
        trained=sum(weight.numel() for weight in trained.values()),
        by_muon=sum(groups.values()),
        largest_group=max(groups.values(), default=0),
        block=sizes[2],
    )


def _size(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())
