"""Files appear whole or not at all."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from skyloom.errors import UserError
from skyloom.files import atomic_path, check_writable, whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_appears_on_success_alone(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "clip.mp4") as temporary:
        assert temporary.parent == tmp_path  # the same file system: renaming is one step
        assert temporary.suffix == ".mp4"
        temporary.write_text("whole")
        assert not (tmp_path / "clip.mp4").exists()
    assert names(tmp_path) == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_text() == "whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "clip.mp4"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert names(tmp_path) == ["clip.mp4"]
    assert target.read_text() == "old"


def test_interrupted_process_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from skyloom.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as path:\n"
        "    path.write_text('half'); print('ready', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "clip.mp4")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) != 0
    assert names(tmp_path) == []


def test_whole_folder_replaces_what_was_there(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with whole_folder(tmp_path / "deep" / "model") as temporary:
            (temporary / text).write_text(text)
        assert names(tmp_path / "deep") == ["model"]
        assert names(tmp_path / "deep" / "model") == [text]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_whole_folder_keeps_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("old")
    with pytest.raises(error), whole_folder(tmp_path / "model") as temporary:
        (temporary / "half").write_text("half")
        raise error
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["old"]


def test_whole_folder_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="Cannot write '.*model': Not a directory"),
        whole_folder(tmp_path / "file" / "model"),
    ):
        pass


@pytest.mark.parametrize("suffix", [".mp4", ".safetensors", ".webm", "." + "b" * 200])
@pytest.mark.parametrize("letter", ["a", "球"])
def test_the_longest_names_there_are(tmp_path: Path, letter: str, suffix: str) -> None:
    """Whatever the name of a file may be, those in the meantime may be too, one in the other."""
    room = (255 - len(suffix)) // len(letter.encode())
    targets = [tmp_path / f"{letter * (room - 1)}{end}{suffix}" for end in "xy"]
    for target in targets:
        check_writable(target)
    with atomic_path(targets[0]) as one, atomic_path(targets[1]) as other:
        assert one != other and one.suffix == suffix[:20]
        for unfinished in (one, other):
            beside = unfinished.with_name(f"{unfinished.name}.c2pa")
            with atomic_path(unfinished) as inner, atomic_path(beside) as manifest:
                assert len({*targets, one, other, inner, manifest, beside}) == 7
                inner.write_text("whole")
                manifest.write_text("signed")
            beside.unlink()
    with whole_folder(tmp_path / (letter * (255 // len(letter.encode())))) as folder:
        (folder / "file").write_text("")
    assert len(names(tmp_path)) == 3 and targets[1].read_text() == "whole"


def test_a_name_that_is_too_long_is_told_before_the_work(tmp_path: Path) -> None:
    for path in (tmp_path / f"{'a' * 252}.mp4", tmp_path / ("a" * 300) / "x.mp4"):
        with pytest.raises(UserError, match="Cannot write '.*a.*': File name too long"):
            check_writable(path)
    assert names(tmp_path) == []


def test_check_writable(tmp_path: Path) -> None:
    check_writable(tmp_path / "clip.mp4")
    assert names(tmp_path) == []
    with pytest.raises(UserError, match="does not exist"):
        check_writable(tmp_path / "nowhere" / "clip.mp4")
    with pytest.raises(UserError, match="is a folder"):
        check_writable(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_check_writable_of_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        check_writable(tmp_path / "clip.mp4")


def test_check_writable_of_a_folder_that_refuses() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("there is no file system here that refuses everybody")
    with pytest.raises(UserError, match="Cannot write '/proc/self/clip.mp4'"):
        check_writable("/proc/self/clip.mp4")
