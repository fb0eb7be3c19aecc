"""Files that clients send: what they are, what they may cost, and what is kept of them."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from films import film, numbered
from PIL import Image

from skyloom.serve.intake.uploads import UploadLimits, Uploads
from skyloom.serve.problem import Problem
from skyloom.serve.store.files import Files

LIMITS = UploadLimits(pixels=512 * 512, frames=40, seconds=60, stall=60, children=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def uploads(files: Files) -> Iterator[Uploads]:
    made = Uploads(files, LIMITS)
    yield made
    made.close()


def picture(size: tuple[int, int] = (40, 30), kind: str = "PNG", **more: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), 70, np.uint8)).save(out, kind, **more)
    return out.getvalue()


def refusal(uploads: Uploads, data: bytes) -> str:
    with pytest.raises(Problem) as caught:
        uploads.take(io.BytesIO(data), "video")
    problem = caught.value
    assert (problem.status, problem.param, problem.code) == (400, "video", "invalid_file")
    assert "/" not in problem.message.replace("picture or video", "")
    return problem.message


def test_a_picture_is_kept_without_what_else_was_in_it(files: Files, uploads: Uploads) -> None:
    exif = Image.Exif()
    exif[0x010E] = "who and where"
    data = picture(kind="JPEG", exif=exif) + b"<script>alert(1)</script>"
    stored = uploads.take(io.BytesIO(data), "video")
    assert stored.kind == "picture" and stored.key.endswith(".png")
    with files.open(stored.key) as file:
        kept = file.read()
    assert b"who and where" not in kept and b"script" not in kept
    with Image.open(io.BytesIO(kept)) as image:
        assert image.size == (40, 30) and image.format == "PNG"


@pytest.mark.parametrize(
    ("suffix", "codec", "kept"),
    [(".mp4", "libx264", ".mp4"), (".webm", "libvpx-vp9", ".webm"), (".avi", "mpeg4", ".avi")],
)
def test_clips_are_kept_as_they_are(
    files: Files, uploads: Uploads, tmp_path: Path, suffix: str, codec: str, kept: str
) -> None:
    data = film(tmp_path / f"clip{suffix}", numbered(6), codec=codec).read_bytes()
    stored = uploads.take(io.BytesIO(data), "video")
    assert (stored.kind, stored.size) == ("clip", len(data)) and stored.key.endswith(kept)
    with files.open(stored.key) as file:
        assert file.read() == data


def test_what_is_no_picture_or_clip_is_refused(uploads: Uploads, tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mp4", numbered(6)).read_bytes()
    concat = f"ffconcat version 1.0\nfile '{tmp_path / 'clip.mp4'}'\n".encode()
    playlist = f"#EXTM3U\n#EXTINF:1,\nfile://{tmp_path / 'clip.mp4'}\n".encode()
    for data in (
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        b"#!/bin/sh\necho no\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        clip[:200],
        concat,
        playlist,
        os.urandom(5000),
    ):
        assert "is no picture or video that can be read" in refusal(uploads, data)
    assert refusal(uploads, b"") == "The file in 'video' is empty."


def test_too_many_pixels_and_frames_are_refused(uploads: Uploads, tmp_path: Path) -> None:
    assert "262,144 pixels" in refusal(uploads, picture((513, 512)))
    wide = film(tmp_path / "wide.mp4", numbered(2, (640, 480))).read_bytes()
    assert "262,144 pixels" in refusal(uploads, wide)
    long = film(tmp_path / "long.mp4", numbered(20).repeat(3, axis=0)).read_bytes()
    assert "40 frames" in refusal(uploads, long)


def test_time_and_memory_have_limits(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (30, 480, 640, 3), np.uint8)
    data = film(tmp_path / "slow.mp4", frames).read_bytes()
    slow = Uploads(Files(tmp_path / "a"), UploadLimits(seconds=0.05, stall=0.05, children=1))
    small = Uploads(Files(tmp_path / "b"), UploadLimits(memory=0.4, children=1))
    try:
        assert "ended" in refusal(slow, data)
        assert "0.4 GiB" in refusal(small, picture((4096, 4096)))
        assert small.take(io.BytesIO(picture()), "video").kind == "picture"  # a new child
    finally:
        slow.close()
        small.close()
    assert not list((tmp_path / "a").rglob("*.mp4")) and not list((tmp_path / "b").rglob("*.mp4"))
