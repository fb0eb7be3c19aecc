"""Muon: momentum, orthogonalised (Jordan 2024; arXiv 2502.16982).

PyTorch has one that takes a matrix at a time. A small network has dozens of small matrices of few
shapes; orthogonalising those of one shape together is several times faster on a CPU.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

COEFFICIENTS = (3.4445, -4.775, 2.0315)
"""Of the quintic Newton-Schulz iteration that moves singular values towards one."""
ITERATIONS = 5
MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay, for matrices alone.

    The update is scaled to the root mean square that AdamW's would have (arXiv 2502.16982,
    equation 4), so that both take the same learning rate.
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            same: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    same[matrix.shape].append((matrix, self._ahead(matrix, matrix.grad)))
            for shape, moved in same.items():
                matrices = [matrix for matrix, _ in moved]
                directions = orthogonalised(torch.stack([ahead for _, ahead in moved]))
                scale = 0.2 * max(shape) ** 0.5
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(matrices, list(directions), alpha=-group["lr"] * scale)

    def _ahead(self, matrix: Tensor, gradient: Tensor) -> Tensor:
        """Nesterov's look ahead along the running mean of gradients."""
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
        state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(state["momentum"], MOMENTUM)


def orthogonalised(
    stack: Float[Tensor, "matrices rows columns"],
) -> Float[Tensor, "matrices rows columns"]:
    """U V^T of each matrix U S V^T, roughly: singular values land between 0.7 and 1.2."""
    x = stack.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT.contiguous()
    x = x / x.float().flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None].to(x.dtype)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, b * gram + c * (gram @ gram), x, beta=a)
    return (x.mT if tall else x).to(stack.dtype)
