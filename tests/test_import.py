"""Importing is cheap and nothing heavy comes with it; annotations are checked in tests."""

import subprocess
import sys
import time

import numpy as np
import pytest

HEAVY = ("torch", "av", "mujoco", "crafter", "numpy", "PIL", "rich", "tokenizers", "transformers")


def loaded_after(statement: str) -> list[str]:
    """Which heavy packages a fresh interpreter has loaded after `statement`."""
    code = f"import sys; {statement}; print(*[m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.parametrize("statement", ["import skyloom", "import skyloom.cli"])
def test_import_loads_nothing_heavy(statement: str) -> None:
    assert loaded_after(statement) == []


def test_video_needs_no_torch() -> None:
    assert loaded_after("from skyloom import Video") == ["numpy"]


def test_help_takes_less_than_a_second() -> None:
    seconds = []
    for _ in range(3):  # the machine may be busy: the best of three
        start = time.monotonic()
        result = subprocess.run(
            [sys.executable, "-m", "skyloom.cli", "--help"], capture_output=True, text=True
        )
        seconds.append(time.monotonic() - start)
        assert result.returncode == 0 and "generate" in result.stdout
    assert min(seconds) < 1.0


def test_public_names() -> None:
    import skyloom
    from skyloom.errors import UserError
    from skyloom.video import Video

    assert skyloom.Video is Video
    assert skyloom.UserError is UserError
    assert set(skyloom.__all__) <= set(dir(skyloom))
    with pytest.raises(AttributeError, match="no attribute 'Vido'"):
        skyloom.Vido  # noqa: B018


def test_annotations_are_checked_under_pytest() -> None:
    from skyloom.video import Video

    with pytest.raises(Exception, match="frames"):
        Video(np.zeros((1, 4, 4, 3), dtype=np.float32), 12.0)
    assert Video(np.zeros((1, 4, 4, 3), dtype=np.uint8), 12).fps == 12  # an int is a float
