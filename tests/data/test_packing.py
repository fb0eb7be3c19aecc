import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyloom.data.packing import BatchPlan, plan, waste
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


def test_ranks_share_the_order_of_one():
    batches = BatchPlan(mixed(300), 2048, seed=7)
    alone = [batches.batch(step) for step in range(40)]
    together = [batches.batch(step, rank, 4) for step in range(10) for rank in range(4)]
    assert alone == together


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
