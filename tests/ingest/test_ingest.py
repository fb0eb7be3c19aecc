"""Films of every kind, good and hostile, through real child processes into a real dataset."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from films import film, tone
from PIL import Image, ImageDraw, ImageFont

from skyloom import video
from skyloom.data.raw import RawDataset
from skyloom.errors import UserError
from skyloom.ingest.recipe import IngestRecipe, Limits
from skyloom.ingest.run import ingest, listed

pytest.importorskip("scenedetect")

QUICK = IngestRecipe(limits=Limits(stall=120.0))
TEXT = b"this is no film at all\n" * 40


def scene(seed: int, count: int = 24, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """Coarse coloured squares with hard edges, which the camera passes."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 256, (size[1] // 8, size[0] // 8 + count // 4 + 1, 3), dtype=np.uint8)
    wall = squares.repeat(8, 0).repeat(8, 1)
    return np.stack([wall[:, 2 * i : 2 * i + size[0]] for i in range(count)])


def rejected(folder: Path) -> dict[str, str]:
    """Reason by film."""
    rows = map(json.loads, (folder / "rejected.jsonl").read_text().splitlines())
    return {row["source"]: row["reason"] for row in rows}


def bytes_of(folder: Path) -> dict[str, str]:
    """What a dataset holds, without what it keeps for going on."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "surveys" not in path.parts and path.name != ".lock"
    }


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One film of two shots, its copy, and one of everything that is to be dropped."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "below" / "deeper").mkdir(parents=True)
    two = film(folder / "two.mp4", np.concatenate([scene(1), scene(2)]))
    film(folder / "below" / "deeper" / "copy.mp4", scene(1))
    film(folder / "still.mp4", scene(3, 1).repeat(24, 0))
    film(folder / "black.mp4", np.zeros((24, 64, 96, 3), np.uint8))
    film(folder / "short.mp4", scene(4, 6))
    film(folder / "tiny.mp4", scene(5, size=(48, 32)))
    soft = scene(6, size=(96, 64)).astype(np.float32)
    for _ in range(40):  # a box over and over is a Gaussian
        soft = (soft + np.roll(soft, 1, 1) + np.roll(soft, 1, 2)) / 3
    film(folder / "soft.mp4", soft.astype(np.uint8))
    words = scene(7, size=(320, 192))
    for index, frame in enumerate(words):
        picture = Image.fromarray(frame)
        ImageDraw.Draw(picture).text(
            (30, 148), "I told you so.", "white", ImageFont.load_default(32),
            stroke_width=2, stroke_fill="black",
        )  # fmt: skip
        words[index] = np.asarray(picture)
    film(folder / "words.mp4", words)
    whole = two.read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "text.mp4").write_bytes(TEXT)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / ".hidden.mp4").write_bytes(whole)
    (folder / "huge.y4m").write_bytes(b"YUV4MPEG2 W60000 H60000 F25:1\nFRAME\n" + TEXT)
    sound = folder / "sound.mp4"
    with av.open(str(sound), "w") as container:
        track = container.add_stream("aac", rate=44100, layout="mono")
        block = av.AudioFrame.from_ndarray(
            tone(1.0).astype(np.float32)[None], format="fltp", layout="mono"
        )
        block.rate, block.pts = 44100, 0
        container.mux(track.encode(block))
        container.mux(track.encode())
    return folder


@pytest.fixture(scope="module")
def made(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "dataset"
    ingest(films, out, QUICK, workers=2)
    return out


def test_what_is_kept_and_what_is_not(films: Path, made: Path) -> None:
    raw = RawDataset(made)
    rows = [json.loads(line) for line in (made / "captions.jsonl").read_text().splitlines()]
    kept = [(row["source"], row["seconds"]) for row in rows]
    # of two equals, the one that comes first by name is kept
    assert kept == [("below/deeper/copy.mp4", [0.0, 2.0]), ("two.mp4", [2.0, 4.0])]
    clip, captions, truth = raw.read(0)
    assert clip.frames.shape == (24, 64, 96, 3) and clip.fps == 12.0
    assert captions == () and truth is None
    assert np.abs(clip.frames.astype(int) - scene(1)).mean() < 16
    reasons = rejected(made)
    assert reasons["two.mp4"] == "near-duplicate"
    for name, reason in {
        "still.mp4": "still",
        "black.mp4": "blank",
        "short.mp4": "too short",
        "tiny.mp4": "too small",
        "soft.mp4": "blurred",
        "words.mp4": "text on it",
        "cut.mp4": "unreadable",
        "text.mp4": "unreadable",
        "empty.mp4": "unreadable",
        "sound.mp4": "unreadable",
        "huge.y4m": "unreadable",
    }.items():
        assert reasons[name] == reason
    assert ".hidden.mp4" not in reasons
    page = (made / "report.html").read_text()
    assert all(name in page for name in reasons) and "http:" not in page and "https:" not in page
    for row in rows:
        assert row["file"] in page
    strips = list((made / "report").iterdir())
    assert strips and page.count('src="data:image/jpeg;base64,/9j/') == len(strips)
    assert page.count("src=") == len(strips)


def test_again_does_nothing_again_and_captions_stay(films: Path, made: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (made / "clips").iterdir()}
    surveys = {path: path.stat().st_mtime_ns for path in (made / "surveys").iterdir()}
    text = (made / "captions.jsonl").read_text()
    told = text.replace('"captions": []', '"captions": ["a wall"]', 1)
    (made / "captions.jsonl").write_text(told)
    try:
        ingest(films, made, QUICK, workers=1)
        assert {path: path.stat().st_mtime_ns for path in before} == before
        assert {path: path.stat().st_mtime_ns for path in surveys} == surveys
        assert (made / "captions.jsonl").read_text() == told
    finally:
        (made / "captions.jsonl").write_text(text)


def test_killed_and_started_again_gives_the_same_bytes(
    films: Path, made: Path, tmp_path: Path
) -> None:
    out = tmp_path / "dataset"
    command = [sys.executable, "-m", "skyloom.cli", "ingest", str(films), "-o", str(out)]
    command += ["--workers", "2", "limits.stall=120"]
    for wait in ("surveys", "clips"):  # killed in either stage
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 200
            while not any((out / wait).glob("[!.]*")) if (out / wait).exists() else True:
                assert time.monotonic() < deadline
                if process.poll() is not None:
                    break
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
    (out / ".rejected.1.part.jsonl").touch()  # it may be killed while it writes any of its files
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
    assert bytes_of(out) == bytes_of(made)


def test_ctrl_c_leaves_what_is_whole_says_so_and_goes_on(
    films: Path, made: Path, tmp_path: Path
) -> None:
    """As a terminal sends it: to the run and to every process that it started."""
    out = tmp_path / "dataset"
    command = [sys.executable, "-m", "skyloom.cli", "ingest", str(films), "-o", str(out)]
    command += ["--workers", "1", "limits.stall=120"]  # one by one: there is time to interrupt
    for begun in ("surveys/[!.]*", "clips/*"):  # in either stage; a clip while its file is hidden
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            deadline = time.monotonic() + 200
            while not any(out.glob(begun)):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=60)
            assert _gone(process.pid)  # no child is left behind
        assert process.returncode == 130 and said == "skyloom: interrupted.\n"
        assert not list(out.rglob("*.part*"))
        for clip in (out / "clips").glob("*.mp4"):
            assert len(video.read(clip).frames) == 24
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
    assert bytes_of(out) == bytes_of(made)


def _gone(group: int, seconds: float = 5) -> bool:
    """Whether no process of a group is left; those that have just ended are seen for a moment."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_a_cluster_of_ray_makes_the_same_bytes(films: Path, made: Path, tmp_path: Path) -> None:
    """One on this machine, whose actors are processes of their own; a person would name another."""
    pytest.importorskip("ray")
    out = tmp_path / "dataset"
    command = [sys.executable, "-m", "skyloom.cli", "ingest", str(films), "-o", str(out)]
    command += ["--ray", "local", "--workers", "2", "limits.stall=120"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "2 clips of" in done.stdout
    assert bytes_of(out) == bytes_of(made)


def test_a_fuzzed_corpus_never_stops_the_run(tmp_path: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "dataset"
    films.mkdir()
    good = film(films / "good.mp4", scene(1)).read_bytes()
    rng = np.random.default_rng(0)
    for index in range(12):
        data = bytearray(good)
        for at in rng.integers(0, len(data), 1 + 4 * index):
            data[at] ^= 1 << int(rng.integers(8))
        end = len(data) if index % 3 else int(rng.integers(len(data)))
        (films / f"broken-{index:02d}.mp4").write_bytes(data[:end])
    summary = ingest(films, out, QUICK, workers=2)
    assert summary.films == 13 and summary.clips >= 1
    rows = [json.loads(line) for line in (out / "captions.jsonl").read_text().splitlines()]
    named = {row["source"] for row in rows} | set(rejected(out))
    assert named == set(listed(films, out))
    for index in range(len(rows)):
        assert len(RawDataset(out).read(index)[0].frames) >= 12


def test_limits_end_what_takes_too_much(films: Path, tmp_path: Path) -> None:
    alone = tmp_path / "films"
    alone.mkdir()
    os.symlink(films / "two.mp4", alone / "two.mp4")
    with pytest.raises(UserError, match="None of the 1 files") as caught:
        ingest(alone, tmp_path / "a", IngestRecipe(limits=Limits(seconds=0.001)), workers=1)
    assert "unreadable 1" in str(caught.value)
    text = (tmp_path / "a" / "rejected.jsonl").read_text()
    assert "limits.seconds" in text and not (tmp_path / "a" / "captions.jsonl").exists()
    with pytest.raises(UserError, match=r"limits\.memory"):
        ingest(alone, tmp_path / "b", IngestRecipe(limits=Limits(memory=0.02)), workers=1)


def test_folders_that_do_not_work(tmp_path: Path) -> None:
    films = tmp_path / "films"
    with pytest.raises(UserError, match="does not exist"):
        ingest(films, tmp_path / "out", QUICK)
    films.mkdir()
    with pytest.raises(UserError, match="holds no files"):
        ingest(films, tmp_path / "out", QUICK)
    (films / "notes.txt").write_bytes(TEXT)
    with pytest.raises(UserError, match="folder of the films itself"):
        ingest(films, films, QUICK)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.doc").write_text("mine")
    with pytest.raises(UserError, match=r"'thesis\.doc', which ingest has not made"):
        ingest(films, other, QUICK)
    assert [path.name for path in other.iterdir()] == ["thesis.doc"]
    with pytest.raises(UserError, match=r"None of the 1 files.*unreadable 1.*report\.html"):
        ingest(films, films / "dataset", QUICK, workers=1)
    assert rejected(films / "dataset") == {"notes.txt": "unreadable"}


def test_what_cannot_be_opened_is_listed_and_stops_nothing(tmp_path: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "dataset"
    (films / "locked").mkdir(parents=True)
    film(films / "good.mp4", scene(1))
    os.mkfifo(films / "pipe.mp4")
    os.symlink(tmp_path / "nowhere.mp4", films / "gone.mp4")
    if os.getuid():  # nothing is locked for root
        (films / "locked").chmod(0)
    try:
        summary = ingest(films, out, QUICK, workers=1)
        again = ingest(films, out, QUICK, workers=1)
    finally:
        (films / "locked").chmod(0o700)
    found = rejected(out)
    assert summary == again and summary.clips == 1
    assert found.pop("locked/", "unreadable") == "unreadable"
    assert found == {"gone.mp4": "unreadable", "pipe.mp4": "unreadable"}
    assert "gone.mp4<br>is a link to nothing" in (out / "report.html").read_text()


def test_folders_that_cannot_be_read_are_among_what_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.mp4").write_bytes(b"x")
    scan = os.scandir

    def refusing(path: str) -> object:
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)  # as for a user who is not root
    assert listed(tmp_path, tmp_path / "out") == ["a.mp4", "locked/"]
