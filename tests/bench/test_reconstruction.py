"""The reconstruction bench on a tiny autoencoder, files and streams of any length."""

import json

import numpy as np
import pytest
import torch

from skyloom.autoencoder.config import AutoencoderConfig
from skyloom.autoencoder.folder import save_autoencoder
from skyloom.autoencoder.model import Autoencoder
from skyloom.bench import reconstruction
from skyloom.bench.reconstruction import Source, in_pieces, measure, run, table
from skyloom.errors import UserError
from skyloom.video import Video, write

TINY = AutoencoderConfig(
    channels=4, patch=(1, 4, 4), widths=(8, 8, 8), strides=((2, 2), (2, 2)),
    encoder_depths=(0, 0, 0), decoder_depths=(0, 0, 0),
)  # fmt: skip


@pytest.fixture
def model():
    return Autoencoder(TINY).eval()


@pytest.fixture
def folder(model, tmp_path):
    save_autoencoder(tmp_path / "model", model)
    return tmp_path / "model"


def clip(frames, height=33, width=50):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (frames, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("chunk", [1, 3, 7, 40])
@pytest.mark.parametrize("frames", [1, 4, 5, 18, 29])
def test_pieces_hold_the_clip_but_for_what_fills_no_latent(chunk, frames, monkeypatch):
    monkeypatch.setattr(reconstruction, "PIECE_BYTES", 9 * 32 * 48 * 3)
    whole = clip(frames)
    pieces = list(in_pieces((whole[i : i + chunk] for i in range(0, frames, chunk)), 4, 16))
    assert [len(piece) % 4 for piece in pieces] == [1] + [0] * (len(pieces) - 1)
    assert all(len(piece) <= 9 for piece in pieces)
    kept = (frames - 1) // 4 * 4 + 1
    np.testing.assert_array_equal(np.concatenate(pieces), whole[:kept, :32, 1:49])


def test_a_clip_in_pieces_scores_what_it_scores_whole(model, monkeypatch):
    frames = clip(18)
    whole = measure(model, Source("g", "whole", [frames]))
    monkeypatch.setattr(reconstruction, "PIECE_BYTES", 1)
    parts = measure(model, Source("g", "parts", [frames[:6], frames[6:]]))
    assert whole["frames"] == parts["frames"] == 17 and whole["size"] == [48, 32]
    assert parts["psnr"] == pytest.approx(whole["psnr"], abs=0.02)
    pixels = torch.from_numpy(frames[:17, :32, 1:49]).permute(3, 0, 1, 2)[None] / 127.5 - 1
    with torch.no_grad():
        error = (model.decode(model.encode(pixels)) - pixels).square().mean().item()
    assert whole["psnr"] == pytest.approx(10 * np.log10(4 / error), abs=0.02)


def test_run_on_files(folder, tmp_path):
    write(Video(clip(6), 12.0), tmp_path / "a.safetensors")
    write(Video(clip(1, 64, 80), 1.0), tmp_path / "b.png")
    files = [tmp_path / "a.safetensors", tmp_path / "b.png"]
    figures = run(folder, files, tmp_path / "figures.json")
    assert [(row["name"], row["frames"]) for row in figures["clips"]] == [
        ("a.safetensors", 5), ("b.png", 1),
    ]  # fmt: skip
    group = figures["groups"]["files"]
    assert group["psnr"] == pytest.approx(
        np.mean([row["psnr"] for row in figures["clips"]]), abs=1e-3
    )
    assert json.loads((tmp_path / "figures.json").read_text()) == figures
    assert "a.safetensors (48x32)" in table(figures)


def test_a_picture_too_small_is_named(model):
    with pytest.raises(UserError, match="12x12"):
        measure(model, Source("g", "small", [clip(1, 12, 12)]))


@pytest.mark.slow
def test_run_without_files(folder):
    pytest.importorskip("mujoco")
    pytest.importorskip("crafter")
    figures = run(folder, clips=1)
    assert {"held-out world", "crafter"} <= set(figures["groups"])
    assert figures["groups"]["held-out world"]["clips"] == 1
    assert "held-out world" in table(figures)
