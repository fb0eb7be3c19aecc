"""Windows that roll along the time line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyloom.windows import HISTORY, Span, at_once, spans


@given(st.integers(1, 200), st.integers(4, 20), st.booleans(), st.booleans())
@settings(max_examples=100)
def test_every_latent_frame_is_made_once(total: int, window: int, opens: bool, ends: bool) -> None:
    made: set[int] = set()
    for span in spans(total, window, opens=opens, ends=ends):
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


def test_where_the_end_is_given_windows_roll_from_there() -> None:
    assert spans(12, 7, ends=True) == [Span(5, 12), Span(1, 8, 0, 3), Span(0, 7, 0, 6)]


def test_between_two_ends_the_last_window_makes_as_much_as_it_can() -> None:
    # Of eight, [0 ... 7) first would leave one latent frame in which to arrive.
    assert spans(8, 7, opens=True, ends=True) == [Span(0, 4), Span(1, 8, 3)]
    assert spans(12, 7, opens=True, ends=True) == [Span(0, 7), Span(1, 8, 6), Span(5, 12, 3)]


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
