import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyloom.data.order import OrderCursor, shuffled


def test_a_permutation_of_each_epoch_of_its_own():
    orders = [shuffled(3, epoch, 100).tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert orders[1] == shuffled(3, 1, 100).tolist()
    assert orders[0] != shuffled(4, 0, 100).tolist()


def test_the_order_never_changes():
    """A checkpoint of last year resumes with the samples it was about to see."""
    assert shuffled(1, 2, 8).tolist() == [5, 6, 3, 2, 1, 0, 4, 7]


@given(st.integers(1, 9), st.lists(st.integers(0, 12), min_size=1, max_size=6))
def test_any_division_into_steps_gives_the_same_order(size, counts):
    whole, end = OrderCursor(5, size).take(sum(counts))
    cursor, pieces = OrderCursor(5, size), []
    for count in counts:
        taken, cursor = cursor.take(count)
        cursor = OrderCursor(cursor.seed, cursor.size, cursor.epoch, cursor.position)  # resumed
        pieces += taken
    assert pieces == whole
    assert cursor == end == OrderCursor(5, size).advanced(sum(counts))


def test_an_epoch_sees_every_sample_once():
    taken, cursor = OrderCursor(0, 7).take(14)
    assert sorted(taken[:7]) == sorted(taken[7:]) == list(range(7))
    assert (cursor.epoch, cursor.position) == (2, 0)


def test_a_place_outside_the_dataset_is_refused():
    with pytest.raises(ValueError, match="position 7"):
        OrderCursor(0, 7, position=7)


def test_large_orders_are_even():
    """The first half of the order has its share of small indices."""
    order = shuffled(0, 0, 10_000)
    assert abs(np.mean(order[:5000] < 5000) - 0.5) < 0.03
