"""What the tests of the benches share."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tiny import shaken

from skyloom.bench.judges.judge import Judge, load_judge, save_judge
from skyloom.bench.judges.network import JudgeConfig, JudgeNetwork
from skyloom.video import Video, write
from skyloom.world.sampling import sample_scene

TINY_JUDGE = JudgeConfig(
    motion=(8, 8), portrait=(8, 8, 8), scenery=(8, 8, 8), width=16, layers=1, heads=2
)
BOX = [0.25, 0.75, 0.2, 0.1, 0.05]


def record(scene, size, frames, fps):
    """A truth record as the world writes it, with every subject in the same box."""
    told = asdict(scene)
    return {
        **told, "engine": "mujoco", "size": list(size), "fps": fps, "frames": frames,
        "word": None,
        "shots": [{"start": 0, "end": frames, "camera": camera} for camera in told["cameras"]],
        "screen": [[BOX for _ in scene.subjects] for _ in range(frames)],
    }  # fmt: skip


def dataset(folder, clips=7):
    """A raw dataset of noise with the truth of true scenes, in two sizes and two lengths."""
    folder.mkdir()
    rng, rows = np.random.default_rng(0), []
    for number in range(clips):
        size, frames = ((64, 64), 13) if number % 2 else ((48, 32), 3)
        pixels = rng.integers(0, 256, (frames, size[1], size[0], 3)).astype(np.uint8)
        write(Video(pixels, 3.0), folder / f"{number}.safetensors")
        truth = record(sample_scene(number), size, frames, 3.0)
        rows.append({"file": f"{number}.safetensors", "captions": ["a clip"], "truth": truth})
    rows.append(
        {"file": "game.safetensors", "captions": ["a game"], "truth": {"engine": "crafter"}}
    )
    rows.append({"file": "film.safetensors", "captions": ["a film"], "truth": None})
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def raw(tmp_path):
    """Makes a raw dataset of so many clips and returns its folder."""

    def make(clips: int = 7) -> Path:
        return dataset(tmp_path / "raw", clips)

    return make


@pytest.fixture
def judge(tmp_path) -> Judge:
    """A judge of random weights."""
    save_judge(tmp_path, shaken(JudgeNetwork(TINY_JUDGE)))
    return load_judge(tmp_path)
