import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyloom.data import packing
from skyloom.data.packing import BatchPlan, costs, idle, plan, waste
from skyloom.errors import UserError

# Tokens of the clips that the default recipe mixes: images and clips of several sizes.
MIX = [832, 640, 640, 256, 64, 60, 208, 16, 448, 420, 192]


def mixed(count, seed=0):
    return np.random.default_rng(seed).choice(MIX, count).tolist()


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(50, 120), st.integers(1, 20))
def test_every_sample_once_and_never_over_the_budget(tokens, budget, window):
    batches = plan(tokens, budget, window)
    assert sorted(i for batch in batches for i in batch) == list(range(len(tokens)))
    assert all(batch and sum(tokens[i] for i in batch) <= budget for batch in batches)
    assert batches == plan(tokens, budget, window)


def test_a_batch_starts_with_who_waited_longest_and_looks_no_further_than_the_window():
    batches = plan(mixed(500), 2048, window=16)
    seen: set[int] = set()
    for batch in batches:
        assert batch[0] == min(set(range(500)) - seen)
        seen.update(batch)
        assert max(batch) < len(seen) + 16


def test_little_room_stays_empty():
    tokens = mixed(4000)
    assert waste(tokens, plan(tokens, 4096), 4096) < 0.01
    assert waste(tokens, plan(tokens, 2048), 2048) < 0.01
    uniform = np.random.default_rng(1).integers(16, 833, 4000).tolist()
    assert waste(uniform, plan(uniform, 2048), 2048) < 0.01
    assert waste(uniform, plan(uniform, 2048, window=1), 2048) > 0.1  # what the window is for


def test_a_clip_larger_than_the_budget():
    with pytest.raises(UserError, match=r"832 tokens .* at least 832"):
        plan([10, 832], 800)
    with pytest.raises(UserError, match="empty"):
        BatchPlan([], 100, seed=0)


def test_a_batch_is_a_pure_function_of_seed_and_step():
    tokens = mixed(300)
    batches = BatchPlan(tokens, 2048, seed=7)
    steps = list(range(3 * batches.batches_per_epoch))
    forwards = [batches.batch(step) for step in steps]
    backwards = [BatchPlan(tokens, 2048, seed=7).batch(step) for step in reversed(steps)]
    assert forwards == backwards[::-1]
    assert forwards != [BatchPlan(tokens, 2048, seed=8).batch(step) for step in steps]


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=400),
    st.integers(60, 150),
    st.integers(0, 2**40),
    st.integers(1, 40),
)
def test_no_sample_twice_an_epoch_whatever_the_mix(tokens, budget, seed, window):
    batches = BatchPlan(tokens, budget, seed, window)
    size = batches.batches_per_epoch
    for epoch in (0, 5):
        used = [batches.batch(epoch * size + step) for step in range(size)]
        flat = [i for batch in used for i in batch]
        assert len(set(flat)) == len(flat)
        assert all(0 < sum(tokens[i] for i in batch) <= budget for batch in used)


@given(
    st.integers(0, 2**40),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 9)), min_size=1, max_size=8),
)
def test_ranks_and_whoever_asks_first_share_the_order_of_one(seed, asked):
    """Any ranks, any step, in any sequence: always a place in the one order."""
    tokens = mixed(300)
    one = BatchPlan(tokens, 2048, seed)
    for step, ranks in asked:
        for rank in range(ranks):
            alone = BatchPlan(tokens, 2048, seed).batch(step * ranks + rank)
            assert one.batch(step, rank, ranks) == alone


def test_several_chunks_share_an_epoch(monkeypatch):
    """As in a large dataset: each chunk is planned from its own part of the samples."""
    monkeypatch.setattr(packing, "CHUNK", 32)
    tokens = mixed(3000)
    batches = BatchPlan(tokens, 2048, seed=3)
    size = batches.batches_per_epoch
    assert size > 200
    used = [batches.batch(step) for step in range(size)]
    flat = [i for batch in used for i in batch]
    assert len(set(flat)) == len(flat) > 0.96 * len(tokens)
    assert waste(tokens, used, 2048) < 0.03
    assert BatchPlan(tokens, 2048, seed=3).batch(size - 1) == used[-1]  # without those before


def spread(shortest, longest):
    return np.geomspace(shortest, longest, 300).astype(int).tolist()


REALISTIC = {
    "the default recipe": (MIX, 4096, 1536),
    "films of 200 to 16,000 tokens": (spread(200, 16_000), 32_768, 6144),
    "films of 200 to 100,000 tokens": (spread(200, 100_000), 131_072, 18_432),
}


@pytest.mark.parametrize("mix", REALISTIC)
def test_realistic_mixes_waste_little_and_ranks_wait_little(mix):
    sizes, budget, crossover = REALISTIC[mix]
    tokens = np.random.default_rng(2).choice(sizes, 6000).tolist()
    batches = BatchPlan(tokens, budget, 0, crossover=crossover)
    used = [batches.batch(step) for step in range(batches.batches_per_epoch)]
    assert waste(tokens, used, budget) < 0.01
    cost = costs(tokens, used, crossover)
    assert all(idle(cost, ranks) < 0.02 for ranks in (2, 4, 8, 16))
    unordered = np.random.default_rng(0).permutation(cost)
    assert idle(unordered, 8) > 3 * idle(cost, 8)  # what the order is for


def test_what_a_batch_costs():
    assert costs([10, 20, 5], [[0, 1], [2]], crossover=10).tolist() == [20 + 60, 7.5]
    assert idle(np.array([1.0, 3.0, 2.0, 2.0, 9.0]), 2) == pytest.approx(1 - 4 / 5)
    assert idle(np.array([1.0, 3.0]), 1) == 0


def test_a_million_samples_are_planned_at_once():
    sizes = np.random.default_rng(0).choice(MIX, 1_000_000)
    start = time.process_time()
    batches = BatchPlan(sizes, 4096, seed=0)
    assert len(batches.batch(10**9)) > 1  # an epoch far away
    assert time.process_time() - start < 5  # a fraction of a second; the machine may be slow


def test_an_epoch_uses_nearly_all_samples_and_none_twice():
    tokens = mixed(2000)
    batches = BatchPlan(tokens, 4096, seed=0)
    size = batches.batches_per_epoch
    missed = []
    for epoch in range(3):
        used = [i for step in range(size) for i in batches.batch(epoch * size + step)]
        assert len(set(used)) == len(used) > 0.97 * len(tokens)
        missed.append(set(range(2000)) - set(used))
    assert not missed[0] & missed[1] & missed[2]  # other samples wait each time


def test_a_dataset_smaller_than_a_batch():
    batches = BatchPlan([5, 6], 100, seed=0)
    assert sorted(batches.batch(0)) == sorted(batches.batch(9)) == [0, 1]
