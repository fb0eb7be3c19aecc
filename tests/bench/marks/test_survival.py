"""Marks measured clip by clip: kept, gone on with, put together, on small clips."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tiny import Tiny

from skyloom.bench.marks import report
from skyloom.bench.marks.clips import KINDS, Source, sources
from skyloom.bench.marks.cost import cost
from skyloom.bench.marks.survival import KEYS, Results, false_alarms, figures, measure, version
from skyloom.errors import UserError
from skyloom.video import Video


def clip(number: int) -> Video:
    """A plain scene with a bright bar that moves."""
    made = np.full((30, 64, 64, 3), (70, 120, 160), np.uint8)
    for at in range(30):
        made[at, 20:40, at + number : at + number + 20] = (200, 80, 60)
    return Video(made, 12.0)


def plain(count: int = 2) -> list[Source]:
    return [Source("world", number, f"world-{number:02d}", clip) for number in range(count)]


def never(_: int) -> Video:
    raise AssertionError("it was made again")


def test_a_clip_is_measured_once_and_another_version_anew(tmp_path: Path) -> None:
    results = Results(tmp_path, "one")
    measure(results, plain(), ["marks"])
    assert len(list(tmp_path.iterdir())) == 2
    again = [Source(s.kind, s.number, s.name, never) for s in plain()]
    measure(results, again, ["marks"])
    assert figures(results, again) == figures(results, plain())
    other = Results(tmp_path, "two")
    assert other.read("marks", again[0]) is None
    with pytest.raises(AssertionError, match="made again"):
        measure(other, again, ["marks"])
    damaged = tmp_path / "marks-one-world-01.json"
    damaged.write_text('{"psnr": 4')
    assert results.read("marks", plain()[1]) is None
    measure(results, plain(), ["marks"])
    assert results.read("marks", plain()[1]) is not None


def test_figures_of_what_is_there_and_what_is_missing(tmp_path: Path) -> None:
    results = Results(tmp_path, "one")
    clips = plain(3)
    results.write("unmarked", clips[0], false_alarms(clips[0], 12))
    measure(results, clips[:2], ["marks"])
    found = figures(results, clips)
    assert found["kinds"]["world"] == found["kinds"]["all"]
    assert found["kinds"]["all"]["clips"] == 2 and found["kinds"]["all"]["lowest psnr"] > 40
    assert found["kinds"]["all"]["found"]["as it is"] == 1.0
    assert found["unmarked"]["pairs"] == 12 and found["unmarked"]["found"] == 0
    assert found["unmarked"]["smallest p"] > 1e-5
    lost = found["clips"]["world-01"]["ways"]["10% crop"]
    lost["p"] = 0.25
    text = report.table({**found, "missing": ["Missing: footage."]})
    assert "found, 10% crop" in text and "world, 2" in text and "80.0%" in text
    assert "Not found in world-01 after '10% crop': p = 2.5e-01." in text
    assert "Found in 0 of 12 pairs" in text and "Missing: footage." in text
    assert "Missing: 1 of 3 clips of 'marks', which --part marks measures." in text
    assert "Missing: 2 of 3 clips of 'unmarked'" in text


def test_nothing_measured_is_a_table_of_dashes(tmp_path: Path) -> None:
    found = figures(Results(tmp_path, "one"), plain())
    text = report.table({**found, "missing": []})
    assert "Missing: 2 of 2 clips of 'marks'" in text and "Found in" not in text


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write to"):
        measure(Results(tmp_path / "file", "one"), plain(1), ["marks"])


def test_the_clips_of_every_kind(tiny: Tiny) -> None:
    pytest.importorskip("mujoco")
    found, missing = sources(tiny.model, {"model": 1, "world": 1, "footage": 1})
    assert len(found) + len(missing) == 3
    for source in found:
        assert len(source.video.frames) > 20 and source.name.startswith(source.kind)
        assert source.rng(0).integers(10**9) != source.rng(1).integers(10**9)
    whole, _ = sources(tiny.model)
    assert len({source.name for source in whole}) == len(whole)
    other, _ = sources(None, {"model": 1})
    assert other[0].name != found[0].name  # another model's clips are others
    assert KEYS * sum(KINDS.values()) >= 20_000
    assert len(version()) == 8


GO = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {marks!r}]
from test_survival import plain
from skyloom.bench.marks.survival import Results, measure
print("begun", flush=True)
measure(Results(Path({folder!r}), "one"), plain(200), ["marks"])
"""


def test_a_run_that_is_killed_goes_on(tmp_path: Path) -> None:
    """Every file that is left is whole; the next run measures none of these again."""
    here = Path(__file__).parent
    code = GO.format(tests=str(here.parents[1]), marks=str(here), folder=str(tmp_path / "out"))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "out").glob("marks-*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    results = Results(tmp_path / "out", "one")
    there = [s for s in plain(200) if results.read("marks", s)]
    assert 2 <= len(there) < 200
    assert len(there) == len(list((tmp_path / "out").glob("marks-*.json")))
    measure(results, [Source(s.kind, s.number, s.name, never) for s in there], ["marks"])


def test_what_it_costs(tiny: Tiny) -> None:
    found = cost(tiny.model, rounds=1)
    assert all(found[part] > 0 for part in ("making", "marking", "signing"))
    assert found["share"] == pytest.approx((found["marking"] + found["signing"]) / found["making"])
