"""Trajectories side by side: each takes the way that it would take alone, bit for bit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import shaken
from torch import Tensor

from skyloom.errors import UserError
from skyloom.flow.prediction import named_prediction
from skyloom.flow.schedule import steps
from skyloom.flow.solver import SOLVERS
from skyloom.steady import steady
from skyloom.text.features import TextFeatures
from skyloom.trajectory import Clip, Network, Trajectory
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.model import Transformer
from skyloom.transformer.patches import pack

# As wide as the bundled model: kernels are chosen by shape, and narrow ones have fewer to choose.
CONFIG = TransformerConfig(channels=16, patch=(1, 1, 1), width=256, depth=2, heads=4, text_width=24)


@pytest.fixture(scope="module", params=[torch.bfloat16, torch.float32], ids=["bf16", "fp32"])
def network(request: pytest.FixtureRequest) -> Network:
    transformer = shaken(Transformer(CONFIG).to(request.param), 0.03)
    return Network(steady(transformer), named_prediction("velocity"))


def trajectory(
    grid: tuple[int, int, int],
    count: int = 3,
    solver: str = "multistep",
    guidance: float = 4.0,
    words: int = 9,
    seed: int = 0,
    loop: bool = False,
    held: bool = False,
) -> Trajectory:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(CONFIG.channels, *grid, generator=generator)
    text, negative = (
        TextFeatures(torch.randn(length, CONFIG.text_width, generator=generator), (length,))
        for length in (words, 1)
    )
    places = pack([noise], [12.0], CONFIG.patch)
    clip = Clip(places, text, None if guidance == 1 else negative, guidance, 0.5, loop)
    sigmas = steps(count, 2.0)[:, None].repeat(1, len(places.tokens))
    if held:
        sigmas[:, : grid[1] * grid[2]] *= 0.05
    return Trajectory(clip, SOLVERS[solver], places.tokens, sigmas)


clips = st.builds(
    dict,
    grid=st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(1, 7)),
    count=st.integers(1, 3),
    solver=st.sampled_from(sorted(SOLVERS)),
    guidance=st.sampled_from([1.0, 2.5]),
    words=st.integers(1, 40),
    seed=st.integers(0, 9),
    loop=st.booleans(),
    held=st.booleans(),
)


@settings(max_examples=8)
@given(st.lists(clips, min_size=2, max_size=5), st.lists(st.integers(0, 3), min_size=6))
def test_each_comes_out_as_alone(network: Network, asked: list[dict], late: list[int]) -> None:
    company = [trajectory(**each) for each in asked]
    passes = 0
    while waiting := [each for each in company if not each.done]:
        joined = [t for t, wait in zip(company, late, strict=False) if wait <= passes]
        moving = [each for each in joined if not each.done] or waiting[:1]
        for each, clean in zip(moving, network.move(moving), strict=True):
            each.take(clean)
        passes += 1
    for own, each in zip(asked, company, strict=True):
        alone = trajectory(**own)
        while not alone.done:
            alone.take(network.move([alone])[0])
        assert torch.equal(alone.tokens, each.tokens)
        assert alone.tokens.std() > 0.1


def test_a_trajectory_is_its_solver(network: Network) -> None:
    for name, solver in SOLVERS.items():
        one = trajectory((2, 3, 3), solver=name)
        other = trajectory((2, 3, 3), solver=name)
        x, sigma = other.asked[0].tokens, steps(3, 2.0)[:, None].repeat(1, 18)

        def denoise(x: Tensor, sigma: Tensor, like: Trajectory = other) -> Tensor:
            asking = Trajectory(like.clip, SOLVERS["euler"], x, sigma[None].repeat(2, 1))
            return network.move([asking])[0]

        while not one.done:
            one.take(network.move([one])[0])
        assert torch.equal(one.tokens, solver(denoise, x, sigma))
        assert (one.step, one.count) == (3, 3)
        assert one.estimate.shape == one.tokens.shape


def test_guidance_is_of_a_clip_alone(network: Network) -> None:
    guided, free = (trajectory((2, 3, 3), guidance=scale) for scale in (3.0, 1.0))
    both = network.move([guided, free])
    assert guided.clip.rows == 2 * 18 + 9 + 1 and free.clip.rows == 18 + 9
    assert not torch.equal(both[0], both[1])
    assert torch.equal(network.move([free])[0], both[1])


def test_a_loop_turns_at_every_denoising() -> None:
    one = trajectory((5, 2, 2), loop=True)
    first = one.asked[0].coordinates
    one.take(torch.zeros(20, CONFIG.channels))
    assert not torch.equal(one.asked[0].coordinates, first)
    plain = trajectory((5, 2, 2))
    first = plain.asked[0].coordinates
    plain.take(torch.zeros(20, CONFIG.channels))
    assert torch.equal(plain.asked[0].coordinates, first)


def test_what_is_no_number_is_refused() -> None:
    one = trajectory((1, 2, 2), guidance=7.5)
    with pytest.raises(UserError, match=r"Step 1 of 3 .* not finite: guidance 7.5 may be too high"):
        one.take(torch.full((4, CONFIG.channels), torch.nan))


def test_a_steady_network_shares_its_weights_and_changes_nothing() -> None:
    plain = shaken(Transformer(CONFIG), 0.03)
    fixed = steady(plain)
    weights = dict(plain.named_parameters())
    assert all(weight is weights[name] for name, weight in fixed.named_parameters())
    one = trajectory((2, 3, 3), seed=5)
    prediction = named_prediction("velocity")
    (before,), (after,) = (Network(each, prediction).move([one]) for each in (plain, fixed))
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)
