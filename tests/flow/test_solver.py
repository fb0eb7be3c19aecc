"""Solvers: their measured order on an equation whose solution is known, and what must not move.

If the data are Gaussian with mean m and deviation s, the best denoiser is linear and the flow from
x_1 = z ends at m + s z: at every sigma, x = (1 - sigma) m + sqrt((1 - sigma)^2 s^2 + sigma^2) z.
"""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from skyloom.errors import UserError
from skyloom.flow.schedule import steps
from skyloom.flow.solver import SOLVERS, named_solver

MEAN, DEVIATION = 0.7, 0.35
NOISE = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ORDERS = {"euler": 1, "heun": 2, "multistep": 2}


def denoise(x: Tensor, sigma: Tensor) -> Tensor:
    """E[clean | x] for Gaussian data."""
    s = sigma[:, None]
    variance = (1 - s) ** 2 * DEVIATION**2 + s**2
    return MEAN + (1 - s) * DEVIATION**2 / variance * (x - (1 - s) * MEAN)


def solution(sigma: Tensor) -> Tensor:
    s = sigma[:, None]
    return (1 - s) * MEAN + ((1 - s) ** 2 * DEVIATION**2 + s**2).sqrt() * NOISE


def same_for_all(sigmas: Tensor) -> Tensor:
    return sigmas.double()[:, None].expand(-1, len(NOISE))


def error(name: str, sigmas: Tensor) -> float:
    columns = same_for_all(sigmas)
    end = SOLVERS[name](denoise, solution(columns[0]), columns)
    return (end - solution(columns[-1])).abs().max().item()


def test_every_solver_declares_its_order() -> None:
    assert set(SOLVERS) == set(ORDERS)


def measured_order(name: str, ends: tuple[float, float]) -> list[float]:
    """The order between each two neighbours of a row of finer and finer schedules."""
    counts = (64, 128, 256)
    errors = [
        error(name, torch.linspace(*ends, count + 1, dtype=torch.float64)) for count in counts
    ]
    return [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_measured_order(name: str, order: int) -> None:
    assert measured_order(name, (0.9, 0.1)) == pytest.approx([order, order], abs=0.1)


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_measured_order_from_noise_to_data(name: str, order: int) -> None:
    # Lambda is infinite at both ends, so that multistep comes to its order more slowly there.
    late = 0.5 if name == "multistep" else 0.1
    assert measured_order(name, (1.0, 0.0)) == pytest.approx([order, order], abs=late)


def test_multistep_is_worth_it_with_few_steps() -> None:
    assert error("multistep", steps(20, 2.0)) < error("euler", steps(20, 2.0)) / 4


@pytest.mark.parametrize("name", SOLVERS)
def test_a_constant_denoiser_is_reached_in_one_step(name: str) -> None:
    goal = torch.full_like(NOISE, 0.25)
    for count in (1, 3):
        end = SOLVERS[name](lambda x, sigma: goal, NOISE, same_for_all(steps(count, 2.0)))
        assert_close(end, goal)


@pytest.mark.parametrize("name", SOLVERS)
def test_tokens_whose_sigma_does_not_move_stay_exactly_put(name: str) -> None:
    ceiling = torch.tensor([1.0, 0.0, 0.4, 1.0, 0.7, 0.0], dtype=torch.float64)
    schedule = same_for_all(steps(8, 2.0))
    still = ceiling.expand(len(schedule), -1)
    assert torch.equal(SOLVERS[name](denoise, NOISE, still), NOISE)
    moving = torch.minimum(schedule, still)
    start = solution(moving[0])
    end = SOLVERS[name](denoise, start, moving)
    assert torch.equal(end[ceiling == 0], start[ceiling == 0])
    assert torch.isfinite(end).all()
    # A token below its ceiling only waits for the schedule to come down to it.
    later = SOLVERS[name](denoise, start[2:3], moving[:, 2:3])
    assert_close(end[2:3], later)
    assert_close(end[ceiling > 0], solution(moving[-1])[ceiling > 0], atol=0.3, rtol=0)


@pytest.mark.parametrize(("name", "calls"), [("euler", 5), ("heun", 9), ("multistep", 5)])
def test_denoisings_and_watch(name: str, calls: int) -> None:
    asked, watched = [], []

    def counted(x: Tensor, sigma: Tensor) -> Tensor:
        asked.append(sigma[0].item())
        return denoise(x, sigma)

    def watch(step: int, believed: Tensor) -> None:
        watched.append(step)
        assert believed.shape == NOISE.shape

    SOLVERS[name](counted, NOISE, same_for_all(steps(5)), watch)
    assert len(asked) == calls and 0.0 not in asked
    assert watched == [1, 2, 3, 4, 5]


def test_an_unknown_solver() -> None:
    assert named_solver("heun") is SOLVERS["heun"]
    with pytest.raises(UserError, match="no solver 'rk4': use one of euler, heun, multistep"):
        named_solver("rk4")
