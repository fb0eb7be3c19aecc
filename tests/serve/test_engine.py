"""The engine: shared passes that change nothing, cancels, errors that stay where they are."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from skyloom import tiles
from skyloom.errors import UserError
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.sampler import Sampler, shared_settings
from skyloom.serve.engine import Cancelled, Engine
from skyloom.transformer.model import Output, Transformer
from skyloom.transformer.patches import Packed

BALL = Request("a red ball rolls left", size=(64, 64), seconds=0.75, steps=3, seed=3)
MIXED = [
    BALL,
    Request("night", size=(96, 32), seconds=0, steps=5, seed=4, fps=24.0, guidance=1.0),
    Request('a sign says "HI"', size=(32, 64), seconds=1.0, fps=6.0, solver="heun", steps=2),
    Request("a blue cube", size=(64, 64), seconds=0.5, steps=2, solver="euler", loop=True),
    replace(BALL, prompt="a dog", seed=9, negative="night", rescale=0.0),
]
LONG = replace(BALL, steps=2000)
WAIT = 60.0


@pytest.fixture(scope="module")
def engine(skyloom: Skyloom) -> Iterator[Engine]:
    with Engine(skyloom.sampler) as engine:
        yield engine


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def latents(skyloom: Skyloom, request: Request, *callbacks: Any) -> Tensor:
    return skyloom.sample([request], *callbacks)[0]


def running(
    pool: ThreadPoolExecutor, skyloom: Skyloom, request: Request, until: threading.Event
) -> Future:
    """A call under way, which is given up once `until` is set."""
    under_way = threading.Event()

    def progress(step: int, count: int) -> None:
        under_way.set()
        if until.is_set():
            raise Cancelled("enough")

    call = pool.submit(latents, skyloom, request, progress)
    assert under_way.wait(WAIT)
    return call


@pytest.mark.parametrize("rows", [None, 1])
def test_the_same_bits_alone_and_in_company(
    skyloom: Skyloom, pool: ThreadPoolExecutor, rows: int | None
) -> None:
    alone = [latents(skyloom, request) for request in MIXED]
    with Engine(skyloom.sampler, rows) as engine:
        served = skyloom.sampled_by(engine)
        together = list(pool.map(lambda request: latents(served, request), MIXED))
        assert (engine.moves > engine.passes) == (rows is None)
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)


def test_several_clips_of_one_call(skyloom: Skyloom, engine: Engine) -> None:
    requests = [BALL, replace(BALL, prompt="night", size=(32, 64))]
    seen: list[tuple[int, int]] = []
    made = skyloom.sampled_by(engine).sample(
        requests, lambda step, count: seen.append((step, count))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for request, clip in zip(requests, made, strict=True):
        assert torch.equal(clip, latents(skyloom, request))


def test_a_new_job_joins_at_the_next_step(
    skyloom: Skyloom, engine: Engine, pool: ThreadPoolExecutor
) -> None:
    served, enough = skyloom.sampled_by(engine), threading.Event()
    long = running(pool, served, LONG, enough)
    passes, moves = engine.passes, engine.moves
    assert torch.equal(latents(served, BALL), latents(skyloom, BALL))
    assert not long.done()
    assert engine.moves - moves >= engine.passes - passes + BALL.steps
    enough.set()
    with pytest.raises(Cancelled, match="enough"):
        long.result(WAIT)


def test_jobs_take_turns_where_only_one_fits(skyloom: Skyloom, pool: ThreadPoolExecutor) -> None:
    with Engine(skyloom.sampler, rows=1) as engine:
        served, enough = skyloom.sampled_by(engine), threading.Event()
        others = [running(pool, served, LONG, enough) for _ in range(2)]
        passes = engine.passes
        latents(served, replace(BALL, steps=20))
        assert 59 <= engine.passes - passes <= 64  # each third turn was its own
        enough.set()
        for other in others:
            with pytest.raises(Cancelled):
                other.result(WAIT)


def test_a_watch_sees_the_clean_estimate(skyloom: Skyloom, engine: Engine) -> None:
    seen: list[tuple[int, int, list[Tensor]]] = []
    pieces = [skyloom._piece(BALL, skyloom.spans(BALL)[0])]
    (made,) = engine.sample(pieces, shared_settings([BALL]), None, lambda *news: seen.append(news))
    assert [news[:2] for news in seen] == [(1, 3), (2, 3), (3, 3)]
    estimates = [clips[0] for _, _, clips in seen]
    assert {each.shape for each in estimates} == {made.shape}
    apart = [(each - made).abs().mean().item() for each in estimates]
    assert apart[0] > 0 and apart[1] > 0 and apart[2] == 0


def test_numbers_that_are_none_fail_one_call_alone(
    skyloom: Skyloom, engine: Engine, pool: ThreadPoolExecutor
) -> None:
    served, wild = skyloom.sampled_by(engine), replace(BALL, guidance=3e38, rescale=0.0)
    good = [pool.submit(latents, served, request) for request in MIXED]
    with pytest.raises(UserError, match="not finite: guidance 3e"):
        latents(served, wild)
    for request, call in zip(MIXED, good, strict=True):
        assert torch.equal(call.result(WAIT), latents(skyloom, request))


class Small(Transformer):
    """A network on a device with room for so many tokens, and a dislike of one frame rate."""

    room, disliked = 100, 7.0

    def forward(self, packed: Packed, *others: Any) -> Output:
        if len(packed.tokens) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        if self.disliked in packed.fps:
            raise ZeroDivisionError("7")
        return super().forward(packed, *others)


@pytest.fixture
def small(skyloom: Skyloom) -> Iterator[Skyloom]:
    network = Small(skyloom.transformer.config).requires_grad_(False).eval()
    network.load_state_dict(skyloom.transformer.state_dict())
    prediction = skyloom.sampler.network.prediction
    with Engine(Sampler(network, skyloom.text, prediction, skyloom.device)) as engine:
        yield skyloom.sampled_by(engine)


def test_where_memory_ends_passes_become_smaller(
    skyloom: Skyloom, small: Skyloom, pool: ThreadPoolExecutor
) -> None:
    seeds = [replace(BALL, seed=seed) for seed in range(8)]  # 12 tokens each, and 12 unprompted
    for request, clip in zip(seeds, small.sample(seeds), strict=True):
        assert torch.equal(clip, latents(skyloom, request))
    with pytest.raises(UserError, match="not enough memory for this clip: make it smaller"):
        latents(small, replace(BALL, size=(256, 256)))
    assert torch.equal(latents(small, BALL), latents(skyloom, BALL))


def test_an_error_reaches_the_call_that_is_at_fault(
    skyloom: Skyloom, small: Skyloom, pool: ThreadPoolExecutor
) -> None:
    requests = [replace(BALL, seed=seed) for seed in range(3)]
    good = [pool.submit(latents, small, request) for request in requests]
    with pytest.raises(ZeroDivisionError, match="7"):
        latents(small, replace(BALL, fps=7.0))
    for request, call in zip(requests, good, strict=True):
        assert torch.equal(call.result(WAIT), latents(skyloom, request))


def test_tiles_of_a_large_image_share_the_passes(skyloom: Skyloom, engine: Engine) -> None:
    request = replace(BALL, size=(384, 256), seconds=0, steps=4)
    start = torch.zeros(8, 1, 16, 16)
    before = engine.passes
    made = tiles.refined(start, request, engine)
    assert engine.passes > before
    assert torch.equal(made, tiles.refined(start, request, skyloom.sampler))


def test_a_closed_engine(skyloom: Skyloom, pool: ThreadPoolExecutor) -> None:
    engine = Engine(skyloom.sampler)
    served = skyloom.sampled_by(engine)
    long = running(pool, served, LONG, threading.Event())
    engine.close()
    with pytest.raises(Cancelled, match="the engine was closed"):
        long.result(WAIT)
    with pytest.raises(Cancelled, match="the engine is closed"):
        latents(served, BALL)
    assert not any(thread is engine._thread for thread in threading.enumerate())
    engine.close()
