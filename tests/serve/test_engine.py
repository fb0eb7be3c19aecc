"""The engine: shared passes that change nothing, cancels, errors that stay where they are."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.serve.engine import Cancelled, Engine

BALL = Request("a red ball rolls left", size=(64, 64), seconds=0.75, steps=3, seed=3)
OTHERS = [
    Request("night", size=(96, 32), seconds=0, steps=5, seed=4, fps=24.0, guidance=1.0),
    Request('a sign says "HI"', size=(32, 64), seconds=1.0, fps=6.0, solver="heun", steps=2),
    Request("a blue cube", size=(64, 64), seconds=0.5, steps=2, solver="euler", loop=True),
]


@pytest.fixture(scope="module")
def engine(skyloom: Skyloom) -> Iterator[Engine]:
    with Engine(skyloom.sampler) as engine:
        yield engine


@pytest.fixture
def served(skyloom: Skyloom, engine: Engine) -> Skyloom:
    return skyloom.sampled_by(engine)


def test_what_is_made_in_company_is_what_is_made_alone(skyloom: Skyloom, served: Skyloom) -> None:
    requests = [BALL, *OTHERS]
    alone = [skyloom.generate(request).frames for request in requests]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda request: served.generate(request).frames, requests))
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def test_a_callback_that_raises_ends_its_own_job(served: Skyloom) -> None:
    def give_up(step: int, count: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        served.generate(BALL, give_up)
    assert len(served.generate(BALL).frames) == 9


def test_a_closed_engine(skyloom: Skyloom) -> None:
    engine = Engine(skyloom.sampler)
    started = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(
            skyloom.sampled_by(engine).generate,
            replace(BALL, steps=1000),
            lambda step, count: started.set(),
        )
        assert started.wait(30)
        engine.close()
        with pytest.raises(Cancelled):
            long.result(30)
    with pytest.raises(Cancelled, match="closed"):
        skyloom.sampled_by(engine).generate(BALL)
