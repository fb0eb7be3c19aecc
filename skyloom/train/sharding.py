"""Weights of which each process holds some rows: what lies here, and the whole of it.

The optimizer works on plain tensors, those rows that lie here. All it does is one number at a
time, except the norm of the gradient, which is a sum, and Muon, which wants whole matrices.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from skyloom.device import pick_dtype
from skyloom.train.ranks import Ranks

WRAPPERS = ("_checkpoint_wrapped_module.", "_orig_mod.")
"""What PyTorch's wrappers put into the names of weights."""


@dataclass(frozen=True)
class Rows:
    """Which of the `whole` rows of a tensor lie here: `count`, from `first` on."""

    first: int
    count: int
    whole: int


def row_counts(whole: int, ranks: int) -> list[int]:
    """How many of `whole` rows each of `ranks` processes holds, as `torch.chunk` shares them."""
    size = -(-whole // ranks)
    return [max(0, min(size, whole - size * rank)) for rank in range(ranks)]


def is_sharded(tensor: Tensor) -> bool:
    """Whether this process holds some rows of it alone."""
    return hasattr(tensor, "to_local")  # a DTensor, whose module is slow to import


def here(tensor: Tensor) -> Tensor:
    """The rows that lie here, all of them for a plain tensor; shares their memory."""
    tensor = tensor.detach()
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def rows_here(tensor: Tensor, ranks: Ranks) -> Rows | None:
    """Which rows of a tensor lie here, None if all do."""
    if not is_sharded(tensor):
        return None
    counts = row_counts(tensor.shape[0], ranks.ranks)
    assert counts[ranks.rank] == len(here(tensor)), "sharded by rows, evenly"
    return Rows(sum(counts[: ranks.rank]), counts[ranks.rank], tensor.shape[0])


def plain_name(name: str) -> str:
    """The name that a weight has in a module without wrappers."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    return name


@contextmanager
def whole_weights(modules: Mapping[str, nn.Module], ranks: Ranks) -> Iterator[None]:
    """Put whole weights into the modules of the first process, to write them; then back again.

    They are gathered one at a time, and wait in the memory of the host.
    """
    replaced: list[tuple[nn.Module, str, nn.Parameter]] = []
    try:
        for module in modules.values():
            for owner in module.modules():
                for name, weight in list(owner._parameters.items()):
                    whole = getattr(weight, "full_tensor", lambda: None)()
                    if weight is None or whole is None:
                        continue
                    if ranks.first:
                        whole = whole.detach().to("cpu", pick_dtype(whole.device))
                        owner._parameters[name] = nn.Parameter(whole, requires_grad=False)
                        replaced.append((owner, name, weight))
        yield
    finally:
        for owner, name, weight in replaced:
            owner._parameters[name] = weight
