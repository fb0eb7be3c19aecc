"""Where the clips lie in the joint sequence."""

from hypothesis import given, settings
from hypothesis import strategies as st

from skyloom.transformer.segments import SLACK, SPARE, Segments


def test_a_clip_is_its_text_and_its_video() -> None:
    segments = Segments.of([1, 2], [3, 1])  # rows: text 0 | 1 2, video 3 4 5 | 6
    assert segments.order.tolist() == [0, 3, 4, 5, 1, 2, 6]
    assert segments.lengths == (4, 3)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 200)), min_size=1, max_size=12),
    st.integers(1, 3),
)
@settings(max_examples=50)
def test_every_row_of_every_head_has_one_place(lengths: list[tuple[int, int]], heads: int) -> None:
    segments = Segments.of(*zip(*lengths, strict=True))
    count = len(segments.order)
    assert sorted(segments.order.tolist()) == list(range(count))
    inwards, outwards = segments.gathers(heads)
    # A row that goes in and that gradients find again by the inverse is the same row.
    assert inwards.index[inwards.inverse].tolist() == list(range(3 * heads * count))
    assert len(set(outwards.index.tolist())) == heads * count
    assert outwards.inverse[outwards.index].tolist() == list(range(heads * count))
    unread = [] if outwards.unread is None else outwards.unread.tolist()
    assert sorted([*outwards.index.tolist(), *unread]) == list(range(len(outwards.inverse)))


def test_little_is_padded() -> None:
    segments = Segments.of([0] * 5, [64, 70, 80, 200, 210])
    assert [group.rows.shape for group in segments.groups] == [(3, 80), (2, 210)]
    for group in segments.groups:
        there = group.there
        shortest = group.rows.shape[1] if there is None else int(there.sum(dim=1).min())
        assert group.rows.shape[1] <= SLACK * shortest + SPARE
