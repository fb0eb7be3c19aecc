"""What a training step does to the weights: masters in fp32, AdamW and Muon, clipping, averaging.

The model itself runs in bf16: on a CPU that halves the bytes and doubles the matrix rate. Updates
are far smaller than bf16 can add, so each weight has an fp32 master that the optimizer moves.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skyloom.ranges import check_ranges
from skyloom.train.checkpoint import Stored
from skyloom.train.muon import Muon
from skyloom.train.ranks import ALONE, Ranks
from skyloom.train.sharding import here, plain_name, rows_here


@dataclass(frozen=True)
class OptimConfig:
    """How weights move.

    Attributes:
        lr: peak learning rate, of AdamW and of Muon alike (Muon's update is scaled to AdamW's RMS,
            arXiv 2502.16982, section 2.2).
        warmup: steps of linear rise.
        steps: length of the run; the rate falls linearly to zero over its last `cooldown` share.
        cooldown: share of `steps` in which the rate falls.
        betas, weight_decay: AdamW's.
        clip: largest norm of the whole gradient.
        muon: whether hidden matrices are moved by Muon.
        ema: decay of the averaged weights a step, warmed up as min(ema, (1 + step) / (10 + step)).
    """

    lr: float = 1e-3
    warmup: int = 100
    steps: int = 10_000
    cooldown: float = 0.2
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.01
    clip: float = 1.0
    muon: bool = False
    ema: float = 0.999

    def __post_init__(self) -> None:
        some = ("lr", "warmup", "steps", "weight_decay")
        check_ranges(self, {name: (0, math.inf) for name in some})
        check_ranges(self, {"cooldown": (0, 1), "ema": (0, 1), "betas": (0, 0.99999)})
        check_ranges(self, {"clip": (1e-9, math.inf)})


def learning_rate(config: OptimConfig, step: int) -> float:
    """The rate of `step` (from 0): warm up, hold, cool down."""
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    tail = max(1.0, config.cooldown * config.steps)
    cool = min(1.0, (config.steps - step) / tail)
    return config.lr * warm * max(0.0, cool)


class Optimizer:
    """Moves the weights of several modules together, and keeps their running average.

    Masters, moments and averages are named tensors (`tensors`), so that a checkpoint is a
    safetensors file and nothing is ever pickled. Where weights are sharded over several processes,
    each keeps those of its own rows.
    """

    def __init__(
        self, modules: dict[str, nn.Module], config: OptimConfig, ranks: Ranks = ALONE
    ) -> None:
        self.config, self.ranks = config, ranks
        self.weights = {
            f"{module}.{plain_name(name)}": weight
            for module, owner in modules.items()
            for name, weight in owner.named_parameters()
            if weight.requires_grad
        }
        # What never moves belongs to the run all the same: statistics, frozen parts.
        frozen = {
            name: tensor
            for module, owner in modules.items()
            for key, tensor in owner.state_dict().items()
            if (name := f"{module}.{plain_name(key)}") not in self.weights
        }
        self.frozen = {name: here(tensor) for name, tensor in frozen.items()}
        self.rows = {
            name: rows_here(tensor, ranks) for name, tensor in (self.weights | frozen).items()
        }
        self.sharded = any(rows is not None for rows in self.rows.values())
        # Muon wants matrices: a convolution's master is (outputs, everything else).
        self.masters = {
            name: here(weight).float().flatten(min(1, max(0, weight.ndim - 1))).clone()
            for name, weight in self.weights.items()
        }
        self._shaped = {
            name: self.masters[name].view(here(weight).shape)
            for name, weight in self.weights.items()
        }
        self.averages = {name: master.clone() for name, master in self.masters.items()}
        self.algorithms = self._algorithms()
        self._used_up = False

    def _algorithms(self) -> list[torch.optim.Optimizer]:
        """What moves the masters: Muon the hidden matrices if it is asked for, AdamW the others."""
        config = self.config
        hidden = {n for n, w in self.weights.items() if config.muon and is_hidden_matrix(n, w)}
        matrices = [master for name, master in self.masters.items() if name in hidden]
        shapes = [
            (len(weight), math.prod(weight.shape[1:]))
            for name, weight in self.weights.items()
            if name in hidden
        ]
        others = [
            master for n, master in self.masters.items() if n not in hidden and master.numel()
        ]
        algorithms: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                others,
                lr=config.lr,
                betas=config.betas,
                weight_decay=config.weight_decay,
                fused=True,
            )
        ]
        if matrices:
            rate, decay = config.lr, config.weight_decay
            algorithms.append(Muon(matrices, rate, decay, shapes, self.ranks, self.sharded))
        return algorithms

    @torch.no_grad()
    def gather(self) -> None:
        """Add the gradients that lie on the weights to those of the masters, in fp32."""
        for name, weight in self.weights.items():
            master = self.masters[name]
            if self._used_up:
                master.grad = None
            if weight.grad is None:
                continue
            gradient = here(weight.grad).float().reshape(master.shape)
            master.grad = gradient if master.grad is None else master.grad.add_(gradient)
            weight.grad = None
        self._used_up = False

    @torch.no_grad()
    def step(self, step: int, total: float = 1.0, limit: float = math.inf) -> float:
        """Apply the gradients that lie on the weights, and those that were gathered before.

        A gradient that is not finite, or whose norm is above `limit`, moves nothing.

        Args:
            total: what the sum of all gradients is divided by.

        Returns:
            The norm that the gradient had before clipping.
        """
        self.gather()
        self._used_up = True
        if self.ranks.ranks > 1 and not self.sharded:
            self._add_up()
        gradients = [m.grad for m in self.masters.values() if m.grad is not None]
        if total != 1.0:
            torch._foreach_div_(gradients, total)
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.sharded:
            norm = norm.new_tensor(self.ranks.sum([norm.item() ** 2])[0] ** 0.5)
        if torch.isfinite(norm) and norm <= limit:
            torch.nn.utils.clip_grads_with_norm_(self.masters.values(), self.config.clip, norm)
            for algorithm in self.algorithms:
                for group in algorithm.param_groups:
                    group["lr"] = learning_rate(self.config, step)
                algorithm.step()
            decay = min(self.config.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_(
                list(self.averages.values()), list(self.masters.values()), 1 - decay
            )
            self.use_masters()
        return norm.item()

    def _add_up(self) -> None:
        """Make the gradients of whole weights the sum over all processes, in one message."""
        from torch import distributed

        there = [m for m in self.masters.values() if m.numel()]
        flat = torch.cat(
            [(torch.zeros_like(m) if m.grad is None else m.grad).flatten() for m in there]
        )
        distributed.all_reduce(flat)
        for master, piece in zip(there, flat.split([m.numel() for m in there]), strict=True):
            master.grad = piece.view_as(master)

    @torch.no_grad()
    def use_averages(self) -> None:
        """Put the averaged weights into the modules (to evaluate or to export)."""
        for name, weight in self.weights.items():
            rows = here(weight)
            rows.copy_(self.averages[name].view(rows.shape))

    @torch.no_grad()
    def use_masters(self) -> None:
        """Put the weights that training goes on from into the modules."""
        for name, weight in self.weights.items():
            here(weight).copy_(self._shaped[name])

    @torch.no_grad()
    def distance(self) -> float:
        """How far the averages are from the masters, as a share of the masters' norm."""
        apart = [(self.averages[n] - m).square().sum().item() for n, m in self.masters.items()]
        size = [master.square().sum().item() for master in self.masters.values()]
        far, whole = sum(apart), sum(size)
        if self.sharded:
            far, whole = self.ranks.sum([far, whole])
        return (far / whole) ** 0.5 if whole else 0.0

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs, by name: the rows that lie here.

        What all processes have alike is the first one's to keep.
        """
        named = {f"master/{name}": tensor for name, tensor in self.masters.items()}
        named |= {f"average/{name}": tensor for name, tensor in self.averages.items()}
        for algorithm in self.algorithms:
            for name, master in self.masters.items():
                for key, value in algorithm.state.get(master, {}).items():
                    named[f"{type(algorithm).__name__}/{name}/{key}"] = torch.as_tensor(value)
        named |= {f"frozen/{name}": tensor for name, tensor in self.frozen.items()}
        return {
            key: tensor
            for key, tensor in named.items()
            if (tensor.numel() if self._in_rows(key, tensor) else self.ranks.first)
        }

    def _in_rows(self, key: str, tensor: Tensor) -> bool:
        """Whether every process keeps some rows of what has this key."""
        return tensor.ndim > 0 and self.rows[key.split("/")[1]] is not None

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`, from whole ones: any number of processes may have saved them.

        Raises:
            KeyError: a master, an average or a frozen tensor is missing.
            RuntimeError: one has another shape.
        """
        for kind, kept in (
            ("master", self.masters),
            ("average", self.averages),
            ("frozen", self.frozen),
        ):
            for name, tensor in kept.items():
                saved = self._rows_of(tensors, f"{kind}/{name}", tensor.ndim)
                if saved.shape != tensor.shape:  # which `copy_` would broadcast
                    raise RuntimeError(f"{name} is {tuple(saved.shape)}, not {tuple(tensor.shape)}")
                tensor.copy_(saved)
        for algorithm in self.algorithms:
            kind = type(algorithm).__name__
            owned = {id(p) for group in algorithm.param_groups for p in group["params"]}
            for name, master in self.masters.items():
                if id(master) not in owned:
                    continue
                prefix = f"{kind}/{name}/"
                state = {
                    key.removeprefix(prefix): self._rows_of(tensors, key, not key.endswith("/step"))
                    for key in tensors
                    if key.startswith(prefix)
                }
                if state:
                    algorithm.state[master] = {
                        key: value.to(master.device).clone() for key, value in state.items()
                    }
        self.use_masters()

    def _rows_of(self, tensors: Mapping[str, Tensor], key: str, dimensions: int) -> Tensor:
        """What of a saved tensor belongs here."""
        rows = self.rows[key.split("/")[1]]
        if rows is None or not dimensions:
            return tensors[key]
        assert isinstance(tensors, Stored), "whole tensors of a sharded model stay in their files"
        return tensors.rows(key, rows.first, rows.count, rows.whole)


def is_hidden_matrix(name: str, weight: Tensor) -> bool:
    """Muon is for matrices between hidden layers: no embeddings, first or last layers, tables."""
    hidden = any(part in name for part in (".blocks.", ".levels.", ".ups.", ".downs."))
    return hidden and weight.ndim >= 2 and not name.endswith(".table")
