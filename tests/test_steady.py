"""Steady linear layers: a row is the same bits whatever rows are beside it."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from skyloom.steady import BLOCK, Known, SteadyLinear, agrees, cancelling, steady

SHAPES = [(1024, 256), (256, 768), (324, 256), (30, 64)]
TYPES = [torch.bfloat16, torch.float32]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_do_not_depend_on_their_number(
    threads: int, shape: tuple[int, int], dtype: torch.dtype
) -> None:
    layer = SteadyLinear(nn.Linear(*shape, dtype=dtype).requires_grad_(False), {})
    x = torch.randn(1500, shape[0], generator=torch.Generator().manual_seed(1)).to(dtype)
    whole = layer(x)
    for start, rows in [(0, 1), (7, 16), (3, 33), (100, 105), (64, 250), (500, 513), (1, 1400)]:
        assert torch.equal(layer(x[start : start + rows]), whole[start : start + rows])


class Never(dict):
    """Knowledge that no number of rows is as good as blocks."""

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: object) -> bool:
        return False


def test_where_no_number_agrees_products_are_made_in_blocks() -> None:
    base = nn.Linear(40, 24).requires_grad_(False)
    never: Known = Never()
    layer, x = SteadyLinear(base, never), torch.randn(BLOCK + 9, 40)
    assert torch.equal(layer(x)[:BLOCK], base(x[:BLOCK]))
    torch.testing.assert_close(layer(x), base(x))
    assert torch.equal(layer(x[5:])[:9], layer(x)[5:14])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("width", [1024, 320, 31])
def test_another_order_of_summation_is_seen(width: int, dtype: torch.dtype) -> None:
    x, weight = (cancelling(64, width, sign).to(dtype) for sign in (1, -1))
    exact = x.double() @ weight.double().T
    assert exact.abs().max() < 1e-9
    half = width // 3
    other = (x[:, :half].float() @ weight[:, :half].float().T) + (
        x[:, half:].float() @ weight[:, half:].float().T
    )
    differ = F.linear(x, weight) != other.to(dtype)
    assert differ.float().mean() > 0.05


def test_a_block_agrees_with_itself() -> None:
    for dtype in TYPES:
        assert agrees(torch.zeros(64, 256, dtype=dtype), True, BLOCK)


def test_only_plain_layers_are_replaced_and_weights_are_shared() -> None:
    class Special(nn.Linear):
        pass

    network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Sequential(Special(8, 4)))
    twin = steady(network)
    assert [type(each) for each in twin] == [SteadyLinear, nn.ReLU, nn.Sequential]
    assert type(twin[2][0]) is Special and type(network[0]) is nn.Linear
    assert list(twin.state_dict()) == list(network.state_dict())
    with torch.no_grad():
        network[0].weight += 1
        assert torch.equal(twin(torch.ones(3, 8)), network(torch.ones(3, 8)))
