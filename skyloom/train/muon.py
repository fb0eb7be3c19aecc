"""Muon: momentum, orthogonalised (Jordan 2024; arXiv 2502.16982).

PyTorch has one that takes a matrix at a time. A small network has dozens of small matrices of few
shapes; orthogonalising those of one shape together is several times faster on a CPU.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from skyloom.train.ranks import ALONE, Ranks
from skyloom.train.sharding import row_counts

COEFFICIENTS = (3.4445, -4.775, 2.0315)
"""Of the quintic Newton-Schulz iteration that moves singular values towards one."""
ITERATIONS = 5
MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay, for matrices alone.

    The update is scaled to the root mean square that AdamW's would have (arXiv 2502.16982,
    equation 4), so that both take the same learning rate.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        lr: float,
        weight_decay: float,
        shapes: Sequence[tuple[int, int]] | None = None,
        ranks: Ranks = ALONE,
        in_rows: bool = False,
    ) -> None:
        """Several processes share the work on each matrix.

        Args:
            shapes: of the whole matrices, of which this process may hold some rows.
            in_rows: whether it holds some rows of each; else all of them, like the others.
        """
        matrices = list(matrices)
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})
        self.ranks, self.in_rows = ranks, in_rows
        wholes = shapes or [(len(matrix), matrix.shape[1]) for matrix in matrices]
        self.shapes = dict(zip(matrices, wholes, strict=True))

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            same: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    same[self.shapes[matrix]].append((matrix, self._ahead(matrix, matrix.grad)))
            for shape, moved in same.items():
                matrices = [matrix for matrix, _ in moved]
                stack = torch.stack([ahead for _, ahead in moved])
                if self.ranks.ranks == 1:
                    directions = orthogonalised(stack)
                elif self.in_rows:
                    directions = orthogonalised_apart(stack, shape[0], self.ranks)
                else:
                    directions = orthogonalised_in_shares(stack, self.ranks)
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


def orthogonalised_in_shares(
    stack: Float[Tensor, "matrices rows columns"], ranks: Ranks
) -> Float[Tensor, "matrices rows columns"]:
    """The same where every process has all matrices: each works on some and sends them to all."""
    from torch import distributed

    counts = row_counts(len(stack), ranks.ranks)
    first, count = sum(counts[: ranks.rank]), counts[ranks.rank]
    # Only the last shares are smaller: what is missing there lies behind all of the matrices.
    mine = stack.new_zeros((counts[0], *stack.shape[1:]), dtype=torch.bfloat16)
    if count:
        mine[:count] = orthogonalised(stack[first : first + count].bfloat16())
    every = mine.new_empty((counts[0] * ranks.ranks, *stack.shape[1:]))
    distributed.all_gather_into_tensor(every, mine, group=ranks.everyone)
    return every[: len(stack)].to(stack.dtype)


def orthogonalised_apart(
    stack: Float[Tensor, "matrices here columns"], rows: int, ranks: Ranks
) -> Float[Tensor, "matrices here columns"]:
    """The same where each process holds some of the `rows` of every matrix.

    Every process gets its share of the matrices whole, works on those, and sends the rows back.
    """
    from torch import distributed

    count, here, columns = stack.shape
    matrices, heights = row_counts(count, ranks.ranks), row_counts(rows, ranks.ranks)
    mine = matrices[ranks.rank]
    by_matrix = [each * here * columns for each in matrices]
    by_rows = [mine * height * columns for height in heights]
    sent = stack.bfloat16().flatten()
    got = sent.new_empty(sum(by_rows))
    distributed.all_to_all_single(got, sent, by_rows, by_matrix, group=ranks.everyone)
    parts = [
        part.view(mine, height, columns)
        for part, height in zip(got.split(by_rows), heights, strict=True)
    ]
    if mine:
        parts = list(orthogonalised(torch.cat(parts, dim=1)).split(heights, dim=1))
    back = torch.cat([part.reshape(-1) for part in parts])
    distributed.all_to_all_single(sent, back, by_matrix, by_rows, group=ranks.everyone)
    return sent.view(count, here, columns).to(stack.dtype)
