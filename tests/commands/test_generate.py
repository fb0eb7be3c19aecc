"""The verbs `generate` and `image` as a user calls them, with a tiny model."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from tiny import Tiny

from skyloom import cli, video

PROMPT = "a red ball rolls across the snow"
QUICK = ("--size", "64x64", "--seconds", "0.75", "--steps", "2")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_video_that_every_player_shows(
    tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ball.mp4"
    words = ["generate", PROMPT, "-o", str(out), "--model", str(tiny.model), *QUICK, "--sheet"]
    assert cli.main(words) == 0
    assert capfd.readouterr().out == (
        f"{out}: 64x64, 0.8 s\n{tmp_path / 'ball-sheet.png'}: contact sheet\n"
    )
    assert names(tmp_path) == ["ball-sheet.png", "ball.mp4"]
    with av.open(str(out)) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height, stream.frames) == (64, 64, 9)
        assert float(stream.average_rate) == 12.0
    first = video.read(out).frames  # a signature has its own random number: pixels are compared
    assert cli.main(words) == 0  # the same seed gives the same clip
    assert np.array_equal(video.read(out).frames, first)
    assert cli.main([*words, "--seed", "1"]) == 0
    assert not np.array_equal(video.read(out).frames, first)


def test_an_image(tiny: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "robot.png"
    words = ["image", "a yellow robot", "-o", str(out), "--model", str(tiny.model)]
    assert cli.main([*words, "--size", "96x32", "--steps", "2", "--solver", "heun"]) == 0
    image = video.read(out)
    assert (image.size, len(image.frames)) == ((96, 32), 1)


def test_several_prompts_and_variations(tiny: Tiny, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a ring\n\na cone\n")
    out = tmp_path / "out"
    out.mkdir()
    assert cli.main(
        ["generate", "--prompts", str(prompts), "-n", "2", "-o", str(out / "x.safetensors"),
         "--model", str(tiny.model), *QUICK, "--seed", "7", "--guidance", "2", "--negative", "fog"]
    ) == 0  # fmt: skip
    files = [f"x-{number}.safetensors" for number in (1, 2, 3, 4)]
    assert names(out) == sorted([*files, *(f"{file}.c2pa" for file in files)])
    clips = [video.read(out / name).frames for name in files]
    assert all(not np.array_equal(clips[0], other) for other in clips[1:])
    assert cli.main(
        ["generate", "a cone", "-o", str(out / "y.safetensors"), "--model", str(tiny.model),
         *QUICK, "--seed", "8", "--guidance", "2", "--negative", "fog"]
    ) == 0  # fmt: skip
    assert np.array_equal(video.read(out / "y.safetensors").frames, clips[3])


def test_guards_that_cannot_be_had_are_told_before_any_step(
    tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    house = tmp_path / "house.toml"
    house.write_text(
        'name = "house"\n\n[[prompts]]\nkind = "rules"\n\n[[frames]]\nkind = "nudenet"\n'
    )
    words = ["generate", PROMPT, "-o", str(tmp_path / "x.mp4"), "--model", str(tiny.model), *QUICK]
    assert cli.main([*words, "--policy", str(house)]) == 2
    err = capfd.readouterr().err
    assert "The guard 'nudenet' cannot be had" in err and "steps" not in err
    assert names(tmp_path) == ["house.toml"]


def test_guidance_below_one_does_not_lead_around_the_guard(
    tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", PROMPT, "-o", str(tmp_path / "x.mp4"), "--model", str(tiny.model), *QUICK]
    assert cli.main([*words, "--negative", "naked people", "--guidance", "0"]) == 2
    assert "refused by the policy 'standard'" in capfd.readouterr().err
    assert cli.main([*words, "--negative", "naked people"]) == 0  # what it keeps away from


def test_a_prompt_that_is_too_long_is_cut_and_made(
    tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.mp4"
    prompt = "a red ball " + "and a blue cube " * 20
    assert cli.main(["generate", prompt, "-o", str(out), "--model", str(tiny.model), *QUICK]) == 0
    err = capfd.readouterr().err
    assert err.startswith("skyloom: the prompt is longer than the model reads: it is cut after '")
    assert err.count("\n") == 1
    kept = err.partition("after '")[2].rpartition("'")[0].removeprefix("... ")
    assert kept in prompt
    assert out.exists()


def test_ctrl_c_leaves_whole_files_alone(tiny: Tiny, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "skyloom.cli", "generate", PROMPT, "-n", "10000",
         "-o", str(tmp_path / "x.mp4"), "--model", str(tiny.model), *QUICK],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 300
        while not (tmp_path / "x-2.mp4").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "skyloom: interrupted.\n"
    assert 2 <= len(names(tmp_path)) < 10000
    assert len(out.splitlines()) in (len(names(tmp_path)), len(names(tmp_path)) - 1)
    for name in names(tmp_path):
        assert len(video.read(tmp_path / name).frames) == 9
