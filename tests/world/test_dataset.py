"""Folders of the world: the same whatever the workers and interruptions, and always whole."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("mujoco")
pytest.importorskip("crafter")

from skyloom import video
from skyloom.errors import UserError
from skyloom.world.dataset import WorldRecipe, items, write_world

SMALL = WorldRecipe(
    clips=5, images=2, seed=4, sizes=((48, 32), (32, 32)), frames=(3, 5), format="safetensors"
)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A folder made in one go, by one process."""
    folder = tmp_path_factory.mktemp("world") / "new" / "clips"
    write_world(folder, SMALL, workers=1)
    return folder


def test_rows_and_files_agree(whole):
    rows = rows_of(whole)
    names = [f"clip_{i:06d}.safetensors" for i in range(5)] + [f"image_{i:06d}.png" for i in (0, 1)]
    assert [row["file"] for row in rows] == names
    assert set(contents(whole)) == {*names, "captions.jsonl", "world.json"}
    for row in rows:
        clip, truth = video.read(whole / row["file"]), row["truth"]
        assert clip.size == tuple(truth["size"]) and clip.size in SMALL.sizes
        assert len(clip.frames) == truth["frames"] == len(truth["screen"])
        assert truth["frames"] in ((1,) if row["file"].startswith("image") else SMALL.frames)
        short, detailed = row["captions"]
        assert short and detailed and short != detailed
    assert len({row["truth"]["size"][0] for row in rows}) == 2


def test_workers_do_not_matter(whole, tmp_path):
    before = dict(os.environ)
    write_world(tmp_path, SMALL, workers=2)
    assert contents(tmp_path) == contents(whole)
    assert dict(os.environ) == before


def test_damage_is_repaired_and_the_rest_left_alone(whole, tmp_path):
    write_world(tmp_path, SMALL, workers=1)
    lines = (tmp_path / "captions.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "captions.jsonl").write_bytes(b"".join(lines[:5]) + lines[5][:40])  # cut off
    (tmp_path / "image_000001.png").unlink()
    kept = tmp_path / "clip_000000.safetensors"
    before = kept.stat().st_mtime_ns
    write_world(tmp_path, SMALL, workers=1)
    assert contents(tmp_path) == contents(whole)
    assert kept.stat().st_mtime_ns == before


def test_a_folder_can_grow(whole, tmp_path):
    write_world(tmp_path, dataclasses.replace(SMALL, clips=3, images=0), 1)
    write_world(tmp_path, SMALL, workers=1)
    assert contents(tmp_path) == contents(whole)


def test_another_recipe_needs_another_folder(whole):
    with pytest.raises(UserError, match="seed 4 and now 5"):
        write_world(whole, dataclasses.replace(SMALL, seed=5))
    before = contents(whole)
    write_world(whole, SMALL, workers=2)  # nothing left to do
    assert contents(whole) == before


def test_ctrl_c_leaves_whole_files_and_can_be_resumed(tmp_path):
    recipe = dataclasses.replace(SMALL, clips=60, images=0, frames=(9,), format="mp4")
    code = (
        "from skyloom.world.dataset import WorldRecipe, write_world\n"
        f"if __name__ == '__main__':\n    write_world({str(tmp_path)!r}, {recipe!r}, 2)\n"
    )
    script = tmp_path.parent / f"{tmp_path.name}.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        captions = tmp_path / "captions.jsonl"
        while not (captions.exists() and captions.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode != 0
    assert errors.count("Traceback") == 1 and "KeyboardInterrupt" in errors
    assert not [path for path in tmp_path.iterdir() if "part" in path.name]
    rows = rows_of(tmp_path)
    assert 1 <= len(rows) < 60
    files = list(tmp_path.glob("*.mp4"))
    assert len(files) >= len(rows)
    for path in files:
        assert len(video.read(path).frames) == 9
    few = dataclasses.replace(recipe, clips=len(rows) + 1)
    write_world(tmp_path, few, workers=1)
    assert [row["file"] for row in rows_of(tmp_path)] == [f"{item.name}.mp4" for item in items(few)]


def test_crafter_has_its_share(tmp_path):
    recipe = dataclasses.replace(SMALL, clips=2, images=1, crafter=1.0)
    write_world(tmp_path, recipe, workers=1)
    engines = [row["truth"]["engine"] for row in rows_of(tmp_path)]
    assert engines == ["crafter", "crafter", "mujoco"]


def test_seeds_of_items_differ():
    seeds = [item.seed for item in items(WorldRecipe(clips=1000, images=1000))]
    assert len(set(seeds)) == 2000
    other = [item.seed for item in items(WorldRecipe(clips=1000, images=1000, seed=1))]
    assert not set(seeds) & set(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clips": 0, "images": 0}, "0 clips"),
        ({"clips": -1}, "-1 clips"),
        ({"sizes": ((128, 16),)}, "128x16.*32"),
        ({"sizes": ()}, "size"),
        ({"frames": (0,)}, "0 frames"),
        ({"fps": (0.0,)}, "0.0 frames a second"),
        ({"crafter": 1.5}, "1.5"),
        ({"format": "avi"}, "'avi'.*mp4"),
        ({"split": "test"}, "'test'.*train"),
        ({"tier": "three"}, "'three'.*one"),
    ],
)
def test_recipes_that_cannot_be(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        write_world(tmp_path / "new", dataclasses.replace(SMALL, **changes))
    assert not (tmp_path / "new").exists()


def test_workers_and_folders_that_cannot_be(tmp_path):
    with pytest.raises(UserError, match="0 workers"):
        write_world(tmp_path / "new", SMALL, workers=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        write_world(tmp_path / "file", SMALL)
    with pytest.raises(UserError, match="file"):
        write_world(tmp_path / "file" / "clips", SMALL)
    (tmp_path / "captions.jsonl").write_text('{"file": "mine.mp4"}\n')
    with pytest.raises(UserError, match="other clips"):
        write_world(tmp_path, SMALL)
    assert (tmp_path / "captions.jsonl").read_text() == '{"file": "mine.mp4"}\n'
