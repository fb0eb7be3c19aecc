"""What a training step does to the weights: masters in fp32, AdamW and Muon, clipping, averaging.

The model itself runs in bf16: on a CPU that halves the bytes and doubles the matrix rate. Updates
are far smaller than bf16 can add, so each weight has an fp32 master that the optimizer moves.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skyloom.train.muon import Muon


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


def learning_rate(config: OptimConfig, step: int) -> float:
    """The rate of `step` (from 0): warm up, hold, cool down."""
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    tail = max(1.0, config.cooldown * config.steps)
    cool = min(1.0, (config.steps - step) / tail)
    return config.lr * warm * max(0.0, cool)


class Optimizer:
    """Moves the weights of several modules together, and keeps their running average.

    Masters, moments and averages are named tensors (`tensors`), so that a checkpoint is a
    safetensors file and nothing is ever pickled.
    """

    def __init__(self, modules: dict[str, nn.Module], config: OptimConfig) -> None:
        self.config = config
        self.weights = {
            f"{module}.{name}": weight
            for module, owner in modules.items()
            for name, weight in owner.named_parameters()
            if weight.requires_grad
        }
        # What never moves belongs to the run all the same: statistics, frozen parts.
        self.frozen = {
            name: tensor
            for module, owner in modules.items()
            for key, tensor in owner.state_dict().items()
            if (name := f"{module}.{key}") not in self.weights
        }
        # Muon wants matrices: a convolution's master is (outputs, everything else).
        self.masters = {
            name: weight.detach().float().flatten(min(1, max(0, weight.ndim - 1))).clone()
            for name, weight in self.weights.items()
        }
        self._shaped = {
            name: self.masters[name].view(weight.shape) for name, weight in self.weights.items()
        }
        self.averages = {name: master.clone() for name, master in self.masters.items()}
        hidden = {n for n, w in self.weights.items() if config.muon and _is_hidden_matrix(n, w)}
        matrices = [master for name, master in self.masters.items() if name in hidden]
        others = [master for name, master in self.masters.items() if name not in hidden]
        self.algorithms: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                others,
                lr=config.lr,
                betas=config.betas,
                weight_decay=config.weight_decay,
                fused=True,
            )
        ]
        if matrices:
            self.algorithms.append(Muon(matrices, config.lr, config.weight_decay))

    @torch.no_grad()
    def step(self, step: int) -> float:
        """Apply the gradients that lie on the weights; return the norm they had before clipping.

        A gradient that is not finite moves nothing; the norm says so to the caller.
        """
        for name, weight in self.weights.items():
            gradient = weight.grad
            master = self.masters[name]
            master.grad = None if gradient is None else gradient.float().reshape(master.shape)
            weight.grad = None
        norm = torch.nn.utils.clip_grad_norm_(list(self.masters.values()), self.config.clip)
        if torch.isfinite(norm):
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

    @torch.no_grad()
    def use_averages(self) -> None:
        """Put the averaged weights into the modules (to evaluate or to export)."""
        for name, weight in self.weights.items():
            weight.copy_(self.averages[name].view(weight.shape))

    @torch.no_grad()
    def use_masters(self) -> None:
        """Put the weights that training goes on from into the modules."""
        for name, weight in self.weights.items():
            weight.copy_(self._shaped[name])

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs, by name."""
        named = {f"master/{name}": tensor for name, tensor in self.masters.items()}
        named |= {f"average/{name}": tensor for name, tensor in self.averages.items()}
        named |= {f"frozen/{name}": tensor for name, tensor in self.frozen.items()}
        for algorithm in self.algorithms:
            for name, master in self.masters.items():
                for key, value in algorithm.state.get(master, {}).items():
                    named[f"{type(algorithm).__name__}/{name}/{key}"] = torch.as_tensor(value)
        return named

    @torch.no_grad()
    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `tensors`.

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
                saved = tensors[f"{kind}/{name}"]
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
                    k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)
                }
                if state:
                    algorithm.state[master] = {
                        key: value.to(master.device).clone() for key, value in state.items()
                    }
        self.use_masters()


def _is_hidden_matrix(name: str, weight: Tensor) -> bool:
    """Muon is for matrices between hidden layers: no embeddings, first or last layers, tables."""
    hidden = any(part in name for part in (".blocks.", ".levels.", ".ups.", ".downs."))
    return hidden and weight.ndim >= 2 and not name.endswith(".table")
