"""Every bad input gets one sentence and exit code 2, and leaves nothing half-written."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import Tiny

from skyloom import cli

Complain = Callable[..., str]


@pytest.fixture
def complaint(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Complain:
    """What the command line says about words that cannot be done."""

    def complain(*words: object, changed: Path | None = None) -> str:
        before = everything(tmp_path)
        assert cli.main([str(word) for word in words]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("skyloom: ") and err.endswith(".\n") and err.count("\n") == 1
        assert everything(tmp_path) == before
        return err

    return complain


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    """A copy of the model to damage."""
    return Path(shutil.copytree(tiny.model, tmp_path / "model"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["", "-o", "x.mp4"], "The prompt is empty: say what to show"),
        (["a", "-o", "x.mp4", "--size", "100x100"], "cannot make 100x100: the nearest size it can "
         "is 96x96"),
        (["a", "-o", "x.mp4", "--size", "2000x64"], "the nearest size it can is 1984x64"),
        (["a", "-o", "x.mp4", "--seconds", "6000"], "cannot make 6000 seconds: the longest it can "
         "is 600 seconds"),
        (["a", "-o", "x.mp4", "--fps", "100"], "100 frames a second cannot be made: use 1 to 60"),
        (["a", "-o", "x.mp4", "--guidance", "nan"], "Guidance nan cannot be"),
        (["a", "-o", "x.mp4", "--seconds", "0"], "'0' is no number above 0"),
        (["a", "-o", "nowhere/x.mp4"], "the folder 'nowhere' does not exist"),
        (["a", "-o", "x.txt"], "use .mp4"),
    ],
)  # fmt: skip
def test_requests(
    tiny: Tiny,
    tmp_path: Path,
    complaint: Complain,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in complaint("generate", *words, "--model", tiny.model)


def test_what_does_not_fit_in_memory(
    tiny: Tiny, tmp_path: Path, complaint: Complain, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**17}  # half a GiB
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    err = complaint("generate", "a", "-o", tmp_path / "x.mp4", "--model", tiny.model)
    assert "52 frames of 128x128" in err
    assert "need about 0.6 GiB of memory and this machine has 0.5: make it smaller" in err


def test_outputs_are_looked_at_before_the_model(tmp_path: Path, complaint: Complain) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "x.mp4"
    assert f"'{tmp_path / 'file'}'" in complaint("generate", "a", "-o", out, "--model", "nowhere")
    if os.getuid():  # the superuser may write anywhere
        (tmp_path / "shut").mkdir(mode=0o500)
        out = tmp_path / "shut" / "x.mp4"
        assert "Permission denied" in complaint("generate", "a", "-o", out, "--model", "nowhere")


def test_model_folders(tmp_path: Path, folder: Path, complaint: Complain) -> None:
    def said(model: Path) -> str:
        return complaint("generate", "a ball", "-o", tmp_path / "x.mp4", "--model", model)

    assert f"The model folder '{tmp_path / 'nowhere'}' does not exist" in said(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "is no model folder, it has no model_index.json" in said(empty)
    weights = folder / "transformer" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "its checksum is wrong: get a whole copy" in said(folder)
    weights.unlink()
    assert f"The model is incomplete, '{weights}' is missing" in said(folder)
    index = folder / "model_index.json"
    values = json.loads(index.read_text())
    index.write_text(json.dumps({"_class_name": "WanPipeline", "_diffusers_version": "0.35"}))
    assert "is not skyloom's but a 'WanPipeline' of diffusers" in said(folder)
    index.write_text(json.dumps({**values, "format_version": 9}))
    assert "format version 9 and this skyloom reads up to 1: install a newer" in said(folder)
    index.write_text("{")
    assert "is broken JSON" in said(folder)


@pytest.mark.parametrize("content", [b"", b"this is no video\n" * 99, b"\x00\x00\x00\x18ftypmp42"])
def test_a_video_that_is_no_video(
    tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "prepared"
    raw.mkdir()
    (raw / "junk.mp4").write_bytes(content)
    (raw / "captions.jsonl").write_text('{"file": "junk.mp4", "captions": ["junk"]}\n')
    assert cli.main(["prepare", str(raw), "-o", str(out), "--model", str(tiny.model)]) == 2
    err = capfd.readouterr().err.splitlines()[-1]
    assert err.startswith(f"skyloom: '{raw / 'junk.mp4'}' is ")
    assert names_of_latents(out) == []


def names_of_latents(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.startswith(("shard", "."))]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "transformer", "nowhere.toml"], "'nowhere.toml' does not exist"),
        (["train", "transformer", "TRANSFORMER", "optim.lrr=1"], "optim.lrr"),
        (["train", "transformer", "TRANSFORMER", "data=nowhere"], "'nowhere' is no prepared"),
        (["train", "autoencoder", "AUTOENCODER", "world=nowhere"], "'nowhere' is no dataset"),
        (["train", "autoencoder", "AUTOENCODER", "model.widths=[8,12,12]"], "does not divide"),
        (["train", "autoencoder", "AUTOENCODER", "out=file/run"], "Cannot make the folder"),
        (["prepare", "nowhere", "-o", "out", "--model", "MODEL"], "'nowhere' is no dataset"),
        (["prepare", "WORLD", "-o", "file", "--model", "MODEL"], "Cannot write"),
        (["prepare", "WORLD", "-o", "out", "--model", "MODEL", "--device", "x"], "no device 'x'"),
        (["world", "out", "--size", "8x8"], "Cannot render at 8x8"),
    ],
)
def test_the_other_verbs(
    tiny: Tiny,
    tmp_path: Path,
    complaint: Complain,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    places = {
        "TRANSFORMER": tiny.transformer_recipe,
        "AUTOENCODER": tiny.autoencoder_recipe,
        "MODEL": tiny.model,
        "WORLD": tiny.world,
    }
    assert sentence in complaint(*(places.get(word, word) for word in words))


def test_the_same_from_a_shell(tiny: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "x.mp4"
    result = subprocess.run(
        [sys.executable, "-m", "skyloom.cli", "generate", "a ball", "-o", str(out),
         "--model", str(tiny.model), "--size", "100x100"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "skyloom: The model cannot make 100x100: the nearest size it can is 96x96 "
        "(multiples of 32, up to 2048).\n"
    )
    assert list(tmp_path.iterdir()) == []
