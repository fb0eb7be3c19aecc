"""The error for people is an ordinary exception that carries its sentence."""

import pytest

from skyloom.errors import UserError, shown


def test_message_is_the_sentence() -> None:
    error = UserError("The prompt is empty: say what to show.")
    assert str(error) == "The prompt is empty: say what to show."
    assert isinstance(error, Exception)
    assert not isinstance(error, ValueError)  # nothing that catches ValueError swallows it


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("A red ball, кот 球 سلام 👩\u200d🚀.mp4", "A red ball, кот 球 سلام 👩\u200d🚀.mp4"),
        ("x.png:\nManifest: signed\r", r"x.png:\nManifest: signed\r"),
        ("\x1b[31mred\x07\x9b", r"\x1b[31mred\x07\x9b"),
        ("gpj.\u202e.exe\u2028", r"gpj.\u202e.exe\u2028"),
        ("caf\udce9.mp4", r"caf\udce9.mp4"),  # a name that is not UTF-8, as Python has it
    ],
)
def test_what_would_steer_a_terminal_is_written_out(text: str, seen: str) -> None:
    assert shown(text) == seen
