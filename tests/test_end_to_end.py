"""The whole chain by the command line: from the world to a generated clip, by the tiny recipes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest
from tiny import rows

from skyloom import video

RUNS = Path(__file__).parent.parent / "runs"


@pytest.mark.slow
def test_from_the_world_to_a_clip(tmp_path: Path) -> None:
    def skyloom(*words: object) -> str:
        """One command, in a folder of its own as in a fresh checkout."""
        result = subprocess.run(
            [sys.executable, "-m", "skyloom.cli", *map(str, words)],
            cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result.stdout

    out = tmp_path / "out"
    out.mkdir()
    # The five commands in the header of tiny_autoencoder.toml, with fewer clips.
    skyloom("world", "out/tiny_world", "--clips", 24, "--size", "64x64", "--frames", 17,
            "--tier", "one", "--format", "safetensors")  # fmt: skip
    skyloom("train", "autoencoder", RUNS / "tiny_autoencoder.toml")
    skyloom("prepare", "out/tiny_world", "-o", "out/tiny_prepared",
            "--model", "out/tiny_autoencoder/model")  # fmt: skip
    skyloom("train", "transformer", RUNS / "tiny_transformer.toml")
    said = skyloom("generate", "a red ball", "-o", "ball.mp4", "--size", "64x64",
                   "--seconds", 1, "--sheet", "--model", "out/tiny_transformer/model")  # fmt: skip
    assert said == "ball.mp4: 64x64, 1.0 s\nball-sheet.png: contact sheet\n"

    with av.open(str(tmp_path / "ball.mp4")) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height, stream.frames) == (64, 64, 12)
    clip = video.read(tmp_path / "ball.mp4")
    assert clip.frames.std() > 5  # not one colour
    assert video.read(tmp_path / "ball-sheet.png").size[0] > 64

    pictures = rows(out / "tiny_autoencoder" / "metrics.jsonl")
    assert pictures[-1]["psnr"] > 20 and pictures[-1]["loss"] < pictures[0]["loss"]
    flow = [row["flow"] for row in rows(out / "tiny_transformer" / "metrics.jsonl")]
    assert sum(flow[-5:]) < 0.6 * sum(flow[:5])
    index = json.loads((out / "tiny_transformer" / "model" / "model_index.json").read_text())
    assert index["components"].keys() == {"autoencoder", "transformer", "text_encoder"}
