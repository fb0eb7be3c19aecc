"""The error for people is an ordinary exception that carries its sentence."""

from skyloom.errors import UserError


def test_message_is_the_sentence() -> None:
    error = UserError("The prompt is empty: say what to show.")
    assert str(error) == "The prompt is empty: say what to show."
    assert isinstance(error, Exception)
    assert not isinstance(error, ValueError)  # nothing that catches ValueError swallows it
