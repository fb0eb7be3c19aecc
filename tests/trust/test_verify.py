"""What `skyloom verify` says of files of all kinds, and where it says nothing."""

import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for clips.py and test_provenance.py
from clips import moving
from test_provenance import CLAIM, broken, written

from skyloom import cli, video
from skyloom.errors import UserError
from skyloom.trust import keys
from skyloom.trust.marking import Marking
from skyloom.trust.provenance import Input, sign
from skyloom.trust.signing.places import sidecar
from skyloom.trust.signing.reading import LARGEST_MANIFEST, read_manifests
from skyloom.trust.verify import verify
from skyloom.video import Video


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["verify", *words]) == 0
    return capsys.readouterr().out


def test_another_makers_manifest_is_shown_and_not_claimed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datetime import UTC, datetime, timedelta

    from skyloom.trust.signing import certificates

    now = datetime.now(UTC)
    chain, private, _ = certificates.issue(now - timedelta(1), now + timedelta(1))
    path = written(tmp_path / "x.png")
    manifest = {
        "claim_generator_info": [{"name": "Camera\x1b[31m & Co", "version": "9"}],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [{
                "action": "c2pa.created",
                "digitalSourceType":
                    "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"}]}},
            {"label": "org.skyloom.generation", "data": "not what we write"},
        ],
    }  # fmt: skip
    signer = c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(b"es256", chain.encode(), private.encode(), None)
    )
    signed = tmp_path / "y.png"
    with path.open("rb") as source, signed.open("w+b") as target:
        c2pa.Builder(manifest).sign(signer, "image/png", source, target)
    out = said(capsys, str(signed))
    assert "a name that nobody here vouches for" in out and "taken by a camera" in out
    assert "\x1b" not in out and "Camera" in out
    figures = json.loads(said(capsys, str(signed), "--json"))
    assert figures["c2pa"]["state"] == "Valid"
    assert figures["c2pa"]["statements"][0]["made_by_model"] is False
    assert figures["watermark"]["p_value"] is None  # there is no key here yet
    assert "score" in figures["detector"]


@pytest.mark.parametrize(
    ("guards", "line"),
    [
        ([{"policy": "off", "prompts": None, "inputs": None, "frames": None}],
         "policy 'off', no guard ran"),
        ([{"policy": "standard", "inputs": None, "frames": {"guards": [{"name": "flashing"}]},
           "prompts": {"guards": [{"name": "rules"}, {"name": "classifier"}]}}],
         "policy 'standard', prompts by rules, classifier; frames by flashing"),
        ([{}], None), ([{"policy": "x", "prompts": [1]}], None),
        ([{"policy": "x", "prompts": {"guards": [3]}}], None),
    ],
)  # fmt: skip
def test_who_looked_is_told(
    tmp_path: Path, own: keys.Credentials, guards: list[dict[str, Any]], line: str | None
) -> None:
    path = written(tmp_path / "x.png")
    sign(path, replace(CLAIM, guards=tuple(guards)), own)
    told = [said for said in verify(path).sentences() if "policy" in said or "guard" in said]
    assert told == ([f"  It says: {line}."] if line else [])


def test_broken_manifests(
    tmp_path: Path, own: keys.Credentials, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "x.webm")
    sign(path, CLAIM, own)
    manifest = sidecar(path).read_bytes()
    rng = np.random.default_rng(0)

    def damaged() -> Iterator[bytes]:
        yield b""
        yield b"not a manifest"
        yield manifest[: len(manifest) // 2]
        for _ in range(20):
            data = bytearray(manifest)
            for place in rng.integers(len(data), size=5):
                data[place] ^= int(rng.integers(1, 256))
            yield bytes(data)

    for data in damaged():
        sidecar(path).write_bytes(data)
        found = read_manifests(path, own)
        assert found.state in ("Invalid", "unreadable", "none") or data == manifest
    sidecar(path).write_bytes(manifest[: len(manifest) // 2])
    assert "cannot be read" in said(capsys, str(path))


def test_what_is_no_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.mp4").write_text("not a film")
    for name, sentence in (
        ("text.mp4", "not a video"),
        ("nothing.mp4", "does not exist"),
        (".", "is a folder"),
    ):
        assert cli.main(["verify", str(tmp_path / name)]) == 2
        err = capsys.readouterr().err
        assert sentence in err and err.count("\n") == 1
    plain = written(tmp_path / "plain.mp4")
    out = said(capsys, str(plain))
    assert "Manifest: none" in out and "there is no key here" in out
    (tmp_path / "key").write_text("12")
    assert cli.main(["verify", str(plain), "--key", str(tmp_path / "key")]) == 2
    (tmp_path / "key").write_text("ab" * 32)
    assert "Watermark: none" in said(capsys, str(plain), "--key", str(tmp_path / "key"))


def test_a_manifest_beside_is_of_one_file(tmp_path: Path, own: keys.Credentials) -> None:
    """A clip in several formats has several; one of another format breaks none."""
    names = ("x.webm", "x.safetensors", "x.mp4")
    for seed, name in enumerate(names):
        written(tmp_path / name, seed)
    sign(tmp_path / names[0], CLAIM, own)
    sign(tmp_path / names[1], CLAIM, own)
    states = [read_manifests(tmp_path / name, own).state for name in names]
    assert states == ["Trusted", "Trusted", "none"]
    # as other tools call it, without the format: that of x.webm, and of nothing else
    sidecar(tmp_path / "x.webm").rename(tmp_path / "x.c2pa")
    states = [read_manifests(tmp_path / name, own).state for name in names]
    assert states == ["Trusted", "Trusted", "none"]
    written(tmp_path / "x.webm", seed=9)
    assert read_manifests(tmp_path / "x.webm", own).state == "Invalid"


def test_an_edit_of_a_broken_file_says_so(
    tmp_path: Path, own: keys.Credentials, capsys: pytest.CaptureFixture[str]
) -> None:
    given, edited = written(tmp_path / "given.png"), written(tmp_path / "edited.png", seed=1)
    sign(given, CLAIM, own)
    claim = replace(CLAIM, operation="restyle", inputs=(Input(given, True),))
    sign(edited, claim, own)
    out = said(capsys, str(edited))
    assert "an edit of 'given.png', with its own manifest.\n" in out
    assert "edited or put together with a trained model" in out.split("Inside is")[0]
    assert "made by a trained model" in out.split("Inside is")[1]
    data = bytearray(given.read_bytes())
    data[-40] ^= 1
    given.write_bytes(data)
    sign(edited, claim, own)
    told = json.loads(said(capsys, str(edited), "--json"))["c2pa"]
    assert told["state"] == "Trusted" and told["statements"][0]["inputs"][0]["intact"] is False
    assert "with its own manifest, which was broken already" in said(capsys, str(edited))


def test_a_damaged_key_of_the_mark_leaves_the_rest(
    tmp_path: Path, own: keys.Credentials, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "x.png")
    sign(path, CLAIM, own)
    (keys.folder() / keys.WATERMARK).write_text("zz")
    out = said(capsys, str(path))
    assert "Manifest: signed with this computer's own key" in out and "Detector: " in out
    assert "Watermark: not looked for: The watermark's key" in out
    assert verify(path, bytes(32)).found is not None  # told a key, it is not needed


def cut_short(tmp_path: Path, keep: float) -> Path:
    """A marked film of two seconds whose end is gone, as an interrupted download leaves it."""
    marking = Marking.ready()
    frames = np.concatenate(list(marking.mark([moving(24)], CLAIM, 12.0)))
    path = tmp_path / "x.mp4"
    video.write(Video(frames, 12.0), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    return path


@pytest.mark.parametrize("keep", [0.6, 0.9])
def test_a_film_that_breaks_off_is_looked_at_as_far_as_it_goes(tmp_path: Path, keep: float) -> None:
    path = cut_short(tmp_path, keep)
    with pytest.raises(UserError, match="damaged|cut short"):
        video.read(path)
    report = verify(path)
    assert report.found is not None and report.found.p_value < 1
    assert report.detector is not None and "score" in report.detector


def test_memory_does_not_grow_with_the_size_of_large_frames(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (45, 80, 3), dtype=np.uint8)
    frame = frame.repeat(20, axis=0).repeat(20, axis=1)  # 1600x900: 4 MiB
    with video.VideoWriter(tmp_path / "x.mp4", (1600, 900), 12.0) as writer:
        for _ in range(40):
            writer.append(frame[None])
    keys.watermark_key()
    tracemalloc.start()
    try:
        report = verify(tmp_path / "x.mp4")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.found is not None and report.detector is not None
    assert "a size it does not know" in report.sentences()[-1]
    assert peak < 20 * frame.nbytes


def test_the_detector_says_nothing_of_a_gif(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video.write(Video(moving(24), 12.0), tmp_path / "x.gif")
    (tmp_path / "x.gif").rename(tmp_path / "x.mp4")  # what it is called does not count
    out = said(capsys, str(tmp_path / "x.mp4"))
    assert "Detector: cannot tell: the few colours of a GIF" in out
    told = json.loads(said(capsys, str(tmp_path / "x.mp4"), "--json"))["detector"]
    assert told["score"] is None and told["sure"] is False


def test_files_that_are_something_else(
    tmp_path: Path, own: keys.Credentials, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "x.webm")
    sign(path, CLAIM, own)
    for name, sentence in (
        ("/dev/null", "is no file"),
        (str(sidecar(path)), "is a manifest: name the file beside it"),
    ):
        assert cli.main(["verify", name]) == 2
        assert sentence in capsys.readouterr().err
    assert cli.main(["verify", str(path), "--key", str(tmp_path / "none")]) == 2
    assert "none' cannot be read: No such file" in capsys.readouterr().err


def test_the_key_that_was_looked_for_is_named(
    tmp_path: Path, own: keys.Credentials, capsys: pytest.CaptureFixture[str]
) -> None:
    marking = Marking.ready()
    path, key = tmp_path / "x.mp4", tmp_path / "other.key"
    frames = np.concatenate(list(marking.mark([moving(24)], CLAIM, 12.0)))
    video.write(Video(frames, 12.0), path)
    assert "found, made with this computer's key (p = " in said(capsys, str(path))
    for text, line in (
        ("ab" * 32, f"Watermark: none of the key in '{key}' (p = "),
        (keys.watermark_key().hex(), f"Watermark: found, made with the key in '{key}' (p = "),
    ):
        key.write_text(text)
        out = said(capsys, str(path), "--key", str(key))
        assert line in out and "this computer's key" not in out


def test_a_files_name_cannot_forge_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = "x.png:\nManifest: signed with this computer's own key\x1b[2K\nx.png"
    path = written(tmp_path / "x.png").rename(tmp_path / forged)
    out = said(capsys, str(path))
    assert "\x1b" not in out and out.startswith(f"{tmp_path}/x.png:\\nManifest: signed")
    assert out.splitlines()[1].startswith("Manifest: none")
    marked = written(tmp_path / "y.png")
    sign(marked, CLAIM, Marking.ready().credentials)
    data = marked.read_bytes()
    broken = tmp_path / "y\x1b[31m.png"  # its manifest is told of, and its name in why not shown
    broken.write_bytes(data[: len(data) - 60])
    assert "\x1b" not in said(capsys, str(broken))


def test_names_that_are_too_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(tmp_path / f"{'a' * 300}.mp4")]) == 2
    assert capsys.readouterr().err.endswith("a.mp4' cannot be read: File name too long.\n")


def test_what_may_not_be_read_is_not_said_to_be_written(
    tmp_path: Path, own: keys.Credentials
) -> None:
    """Root reads everything, unless it lays that down."""
    film, shut = written(tmp_path / "x.webm"), tmp_path / "shut.mp4"
    sign(film, CLAIM, own)
    shutil.copy(film, shut)
    as_user = []
    if os.geteuid() == 0:
        as_user = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
        if not shutil.which(as_user[0]):
            pytest.skip("root cannot lay its rights down here")
    for closed, told in ((shut, shut), (sidecar(film), film), (keys.folder(), film)):
        before = closed.stat().st_mode
        closed.chmod(0)
        try:
            result = subprocess.run(
                [*as_user, sys.executable, "-m", "skyloom", "verify", str(told)],
                capture_output=True, text=True, timeout=120,
            )  # fmt: skip
        finally:
            closed.chmod(before)
        assert result.returncode == 2 and str(closed) in result.stderr
        assert result.stderr.endswith("' cannot be read: Permission denied.\n")


@pytest.mark.parametrize("authority", [None, "", "garbage\n", "half"])
def test_what_is_wrong_here_is_not_said_of_the_file(
    tmp_path: Path,
    own: keys.Credentials,
    capsys: pytest.CaptureFixture[str],
    authority: str | None,
) -> None:
    """Own authorities that are missing or damaged vouch for nobody; files stay as they are."""
    path, plain = written(tmp_path / "x.png"), written(tmp_path / "y.webm")
    sign(path, CLAIM, own)
    chain, private = (shutil.copy(keys.folder() / n, tmp_path) for n in (keys.CHAIN, keys.PRIVATE))
    whole = (keys.folder() / keys.AUTHORITY).read_text()
    shutil.rmtree(keys.folder())
    if authority is not None:
        keys.folder().mkdir()
        half = whole[: len(whole) // 2]
        (keys.folder() / keys.AUTHORITY).write_text(half if authority == "half" else authority)
    assert cli.main(["trust", "sign-with", str(chain), str(private)]) == 0
    out = said(capsys, str(path))
    assert f"Manifest: unchanged since '{own.name}' signed it" in out
    assert "Manifest: none." in said(capsys, str(plain))


def test_a_damaged_authority_of_keys_of_ones_own(
    tmp_path: Path, own: keys.Credentials, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "x.png")
    sign(path, CLAIM, own)
    (keys.folder() / keys.AUTHORITY).write_text("garbage\n")
    assert "Manifest: unchanged since" in said(capsys, str(path))


def test_an_edit_of_a_file_whose_manifest_cannot_be_read_says_so(
    tmp_path: Path, own: keys.Credentials, capsys: pytest.CaptureFixture[str]
) -> None:
    given, edited = written(tmp_path / "h.webm"), written(tmp_path / "edited.png", seed=1)
    sign(given, CLAIM, own)
    broken(sidecar(given), given)
    assert "there is one and it cannot be read" in said(capsys, str(given))
    sign(edited, replace(CLAIM, operation="extend", inputs=(Input(given, True),)), own)
    out = said(capsys, str(edited))
    assert "an edit of 'h.webm', with its own manifest, which was broken already" in out


def test_what_lies_beside_a_file_is_not_read_without_end(
    tmp_path: Path, own: keys.Credentials, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "x.webm")
    for beside in (sidecar(path), path.with_suffix(".c2pa")):
        with beside.open("wb") as file:
            file.truncate(20 * 2**30)  # sparse
    tracemalloc.start()
    try:
        out = said(capsys, str(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "Manifest: there is one and it cannot be read" in out
    assert peak < 2 * LARGEST_MANIFEST
    sidecar(path).unlink()  # the other may be that of another file
    assert read_manifests(path, own).state == "none"


def test_a_name_that_leaves_no_room_for_a_sidecar_has_none(tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 248}.webp"
    video.write(Video(np.zeros((1, 32, 32, 3), np.uint8), 1.0), path)
    assert verify(path).manifests.state == "none"
