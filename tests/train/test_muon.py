"""Muon: updates whose singular values are all about one."""

import pytest
import torch
from torch.testing import assert_close

from skyloom.train.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(1, 24, 24), (3, 16, 40), (2, 48, 12)])
def test_orthogonalised(shape: tuple[int, int, int]) -> None:
    stack = torch.randn(shape) * torch.tensor([1e-3, 1.0, 1e3])[: shape[0], None, None]
    result = orthogonalised(stack)
    assert result.shape == shape and result.dtype == stack.dtype
    u, s, v = torch.linalg.svd(stack, full_matrices=False)
    # The small ones need not come all the way up: Newton-Schulz stops after five rounds.
    large = s > 0.05 * s.amax(dim=1, keepdim=True)
    moved = torch.linalg.svdvals(result)
    assert moved.max() < 1.3
    along = torch.einsum("bik,bij,bkj->bk", u, result, v)  # singular vectors stay what they were
    assert along[large].min() > 0.6 and along[large].max() < 1.3


def test_a_stack_is_its_matrices_one_by_one() -> None:
    stack = torch.randn(4, 10, 20)
    alone = torch.cat([orthogonalised(matrix[None]) for matrix in stack])
    assert_close(orthogonalised(stack), alone, atol=0.03, rtol=0)


def test_a_step_has_the_size_of_adamws() -> None:
    for shape in ((64, 64), (32, 128), (128, 32)):
        matrix = torch.zeros(shape)
        matrix.grad = torch.randn(shape) * 7
        Muon([matrix], lr=0.01, weight_decay=0.0).step()
        assert matrix.square().mean().sqrt().item() == pytest.approx(0.2 * 0.01, rel=0.25)
        assert (matrix * matrix.grad).sum() < 0


def test_momentum_and_decay() -> None:
    still, moving = torch.ones(4, 4), torch.ones(4, 4)
    moving.grad = torch.zeros(4, 4)
    muon = Muon([still, moving], lr=0.5, weight_decay=0.1)
    muon.step()
    assert torch.equal(still, torch.ones(4, 4))  # no gradient: not even decay
    assert_close(moving, torch.full((4, 4), 0.95))
    matrix, first = torch.zeros(6, 6), torch.randn(6, 6)
    muon = Muon([matrix], lr=0.1, weight_decay=0.0)
    matrix.grad = first.clone()
    muon.step()
    after = matrix.clone()
    matrix.grad = torch.zeros(6, 6)
    muon.step()  # the momentum of the first gradient goes on
    assert_close(matrix - after, after, atol=0.01, rtol=0)
