"""Windows that roll along the time line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyloom.windows import HISTORY, Span, spans


@given(st.integers(1, 200), st.integers(4, 20))
@settings(max_examples=100)
def test_every_latent_frame_is_made_once(total: int, window: int) -> None:
    made = 0
    for span in spans(total, window):
        assert span.stop - span.start <= window
        assert span.start + span.history == made and span.new > 0
        made = span.stop
    assert made == total


def test_the_last_window_reaches_further_back() -> None:
    assert spans(7, 7) == [Span(0, 7)]
    assert spans(11, 7, history=3) == [Span(0, 7), Span(4, 11, 3)]
    assert spans(12, 7, history=3) == [Span(0, 7), Span(4, 11, 3), Span(5, 12, 6)]


def test_the_frames_of_a_window() -> None:
    # One frame for latent frame 0, then eight for each.
    assert Span(0, 3).frames(8) == slice(0, 17)
    assert Span(2, 5, 1).frames(8) == slice(9, 33)
    assert Span(2, 5, 1).frames(8, new=True) == slice(17, 33)


def test_a_window_without_room() -> None:
    with pytest.raises(ValueError, match="3 latent frames cannot hold 3"):
        spans(9, HISTORY, HISTORY)
