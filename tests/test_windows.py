"""Windows that roll along the time line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyloom.windows import HISTORY, Span, at_once, spans


@given(st.integers(4, 20), st.data())
@settings(max_examples=200)
def test_every_latent_frame_is_made_once(window: int, data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 100))
    kept = data.draw(st.lists(st.booleans(), min_size=total, max_size=total))
    made: set[int] = set()
    for span in spans(total, window, given=kept):
        assert span.start >= 0 and span.stop <= total and span.stop - span.start <= window
        own = set(range(span.start + span.history, span.stop - span.future))
        around = set(range(span.start, span.stop)) - own
        assert len(own) == span.new > 0 and not own & made
        assert around <= made  # what a window is told is made already
        made |= own
    assert made == set(range(total))


def test_the_last_window_reaches_further_back() -> None:
    assert spans(7, 7) == [Span(0, 7)]
    assert spans(11, 7, history=3) == [Span(0, 7), Span(4, 11, 3)]
    assert spans(12, 7, history=3) == [Span(0, 7), Span(4, 11, 3), Span(5, 12, 6)]


def at(*places: int, total: int = 12) -> list[bool]:
    return [place in places for place in range(total)]


def test_where_the_end_is_given_windows_roll_from_there() -> None:
    back = [Span(5, 12), Span(1, 8, 0, 3), Span(0, 7, 0, 6)]
    assert spans(12, 7, given=at(11)) == spans(12, 7, given=at(9, 10, 11)) == back


def test_the_window_that_arrives_makes_as_much_as_it_can() -> None:
    # Of eight, [0 ... 7) first would leave nothing between it and what is given.
    assert spans(8, 7, given=at(0, 7, total=8)) == [Span(0, 4), Span(1, 8, 3)]
    assert spans(12, 7, given=at(0, 11)) == [Span(0, 7), Span(1, 8, 6), Span(5, 12, 3)]


def test_frames_that_are_given_on_the_way_are_seen_too() -> None:
    assert spans(12, 7, given=at(0, 8)) == [Span(0, 5), Span(2, 9, 3), Span(5, 12, 4)]
    # What is seen already stays in sight.
    assert spans(12, 7, given=at(0, 6, 8)) == [Span(0, 7), Span(4, 11, 3), Span(5, 12, 6)]
    # What is far away changes nothing.
    assert spans(30, 7, given=at(0, 29, total=30))[:5] == spans(30, 7)[:5]


@given(st.integers(5, 12), st.data())
@settings(max_examples=200)
def test_nothing_is_given_just_behind_a_window(window: int, data: st.DataObject) -> None:
    """Between two stretches that are far enough apart there is time to arrive."""
    total = data.draw(st.integers(window + 1, 80))
    kept, place = [False] * total, 0
    while place < total:
        kept[place] = True
        place += data.draw(st.integers(2 * window, 4 * window))
    for arrival in (at for at in range(1, total) if kept[at]):
        (span,) = (
            span
            for span in spans(total, window, given=kept)
            if span.start + span.history < arrival <= span.stop - span.future
        )
        before = arrival - span.start - span.history
        assert span.stop > arrival and before >= window - HISTORY - 1


def test_how_much_is_made_at_once() -> None:
    assert at_once(4.0, 12.0, 8) == 7
    assert at_once(0.1, 12.0, 8) == 5 > HISTORY


def test_the_frames_of_a_window() -> None:
    # One frame for latent frame 0, then eight for each.
    assert Span(2, 5, 0, 1).frames(8, new=True) == slice(9, 25)
    assert Span(0, 3).frames(8) == slice(0, 17)
    assert Span(2, 5, 1).frames(8) == slice(9, 33)
    assert Span(2, 5, 1).frames(8, new=True) == slice(17, 33)


def test_a_window_without_room() -> None:
    with pytest.raises(ValueError, match="3 latent frames cannot hold 3"):
        spans(9, HISTORY, HISTORY)
