"""A disk that is really full: a small file system in memory, of the run's own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyloom.train.checkpoint import load_newest

MANY = Path(__file__).with_name("many.py")
MOUNT = 'mount -t tmpfs -o size=400k tmpfs "$0" && '
FILL = 'head -c 400k /dev/zero > "$0/filler" 2> /dev/null; '
PATIENCE = 300.0


def may_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT + "true", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder where a small file system may be mounted, seen by what is started alone."""
    if not may_mount(tmp_path):
        pytest.skip("this user may not mount a file system, not even in a namespace of its own")
    yield tmp_path


def start(disk: Path, steps: int, first: str = "") -> subprocess.Popen[str]:
    """A run of one process that saves every 20 steps, on a file system of 400 KiB."""
    run = f'exec {sys.executable} {MANY} "$0/run" 1 {steps} 20 whole no'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT + first + run, str(disk)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def said(run: subprocess.Popen[str], words: str) -> str:
    """The next line of the run that has these words in it."""
    assert run.stderr is not None
    for line in run.stderr:
        if words in line:
            return line
    raise AssertionError(f"it never said '{words}'")


def test_training_goes_on_and_is_saved_when_there_is_room(disk: Path) -> None:
    with start(disk, 10_000_000) as run:
        try:
            seen = Path(f"/proc/{run.pid}/root{disk}")  # as the run sees it
            deadline = time.monotonic() + PATIENCE
            while not list(seen.glob("run/checkpoints/step_*")):
                assert run.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            filler = seen / "filler"
            with pytest.raises(OSError, match="No space left"), open(filler, "wb", 0) as file:
                while file.write(bytes(2**16)) == 2**16:  # what fits by half is no error yet
                    pass
                file.write(b"0" * 2**16)
            full = said(run, "is full: step")
            assert "training goes on without, for 60.0 minutes more" in full
            filler.unlink()
            said(run, "there is room again, and the run is saved")
            run.send_signal(signal.SIGSTOP)  # so that nothing is dropped while it is read
            found = load_newest(seen / "run" / "checkpoints")
            assert found is not None and found.meta["step"] > int(full.split("step ")[1].split()[0])
        finally:
            run.kill()  # it took the place of unshare and of the shell


@pytest.mark.parametrize(
    ("filled", "sentences"),
    [
        (
            "384k",
            ["training goes on without", "UserError: Training stopped after step 50: the disk"],
        ),
        ("400k", ["UserError: Cannot write to the folder", "No space left on device"]),
    ],
)
def test_a_run_that_ends_unsaved_says_so(disk: Path, filled: str, sentences: list[str]) -> None:
    with start(disk, 50, FILL.replace("400k", filled)) as run:
        _, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode != 0
    for sentence in sentences:
        assert sentence in errors, errors
    assert errors.splitlines()[-1].startswith("skyloom.errors.UserError: ")
