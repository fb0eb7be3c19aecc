"""Crafter: the activity of a clip is played, told and counted; same seed, same bytes."""

import hashlib
import json
import os
import re
import subprocess
import sys
from random import Random

import numpy as np
import pytest

pytest.importorskip("crafter")

from skyloom.world.crafter import _grid, _play, render_crafter
from skyloom.world.crafter_captions import DOES, FRAMES, describe_crafter
from skyloom.world.crafter_player import (
    ACTIVITIES,
    MAP,
    MOVES,
    Player,
    cells_around,
    first_step,
)

DIGEST = """
import hashlib
from skyloom.world.crafter import render_crafter
clip = render_crafter(5, frames=12)  # at night: the game draws noise from its own generator
print(hashlib.sha256(clip.video.frames.tobytes() + repr(clip.truth).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def clips():
    return [render_crafter(seed, frames=33) for seed in range(4)]


def test_clips_are_whole(clips):
    for clip in clips:
        assert clip.video.frames.shape == (33, 128, 128, 3)
        assert clip.video.fps == 12.0
        assert "Crafter" in clip.short and "Crafter" in clip.detailed
        truth = json.loads(json.dumps(clip.truth))
        assert truth["engine"] == truth["place"] == "crafter"
        assert len(truth["actions"]) == len(truth["screen"]) == 33
        assert truth["action"]["name"] in ACTIVITIES
        assert truth["shots"] == [{"start": 0, "end": 33, "camera": truth["camera"]}]
        assert all(0 <= event["start"] < 33 / 12 for event in truth["events"])


def test_the_activity_happens(clips):
    for clip in clips:
        activity = ACTIVITIES[clip.truth["action"]["name"]]
        assert clip.truth["count"] >= 1
        if activity.counts not in (None, "sleep"):
            names = {event["name"] for event in clip.truth["events"]}
            assert activity.counts.replace("_", " ") in names


def test_steps_are_held_and_seen(clips):
    for clip in clips:
        hold = clip.truth["hold"]
        assert hold in (2, 3)
        frames = clip.video.frames
        for frame in range(1, len(frames)):
            if frame % hold:
                assert np.array_equal(frames[frame], frames[frame - 1])
        assert not np.array_equal(frames[0], frames[-1])


def test_another_process_gives_the_same_bytes():
    digests = set()
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", DIGEST],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    clip = render_crafter(5, frames=12)
    digests.add(hashlib.sha256(clip.video.frames.tobytes() + repr(clip.truth).encode()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("size", [(160, 96), (96, 160), (64, 64), (100, 75)])
def test_any_size_is_filled(size):
    frames = render_crafter(0, size=size, frames=1).video.frames
    assert frames.shape == (1, size[1], size[0], 3)
    columns, rows = _grid(size)
    tile = size[0] / columns, size[1] / rows
    assert 0.9 < tile[0] / tile[1] < 1.1
    view = frames[0, : int(size[1] * 0.6)]
    assert view[:, 0].any(axis=-1).all() and view[:, -1].any(axis=-1).all()  # no black border


def test_captions_name_the_game_and_tell_the_activity_only():
    tells = {
        "gathers wood": "wood|tree", "mines stone": "stone|rock", "mines coal": "coal",
        "mines iron": "iron", "drinks": "drink|water", "fights a zombie": "zombie",
        "hunts a cow": "cow", "sleeps": "sleep", "builds a table": "table|workbench",
        "walls itself in": "stone", "plants a sapling": "sapling|plants",
        "explores": "explor|walk|wander|roam",
    }  # fmt: skip
    assert set(tells) == set(ACTIVITIES) == set(DOES)
    said = set()
    for activity, pattern in tells.items():
        for seed in range(60):
            for text in describe_crafter(activity, "night", "shore", 3, seed):
                assert "Crafter" in text and re.search(pattern, text, re.IGNORECASE), text
                assert not re.search("daylight|by day|forest|{|  ", text), text
                said.add(text)
                for other in ("coal", "iron", "zombie", "cow", "sapling", "sleep"):
                    assert not re.search(other, text) or re.search(other, pattern), text
    assert len(said) > 1000
    assert len(FRAMES) >= 8


def test_the_player_finds_the_shortest_way():
    semantic = np.full((9, 9), MAP["stone"], np.uint8)
    semantic[2:7, 4] = MAP["grass"]
    semantic[7, 4] = MAP["tree"]

    def tree(cell):
        return semantic[cell] == MAP["tree"]

    assert first_step(semantic, (3, 4), tree) == MOVES["move_right"]
    assert first_step(semantic, (3, 4), lambda cell: semantic[cell] == MAP["water"]) is None
    assert sorted(cells_around(semantic, (7, 4), range(1, 3))) == [(5, 4), (6, 4)]


@pytest.mark.parametrize("corner", [(0, 0), (8, 8)])
@pytest.mark.parametrize("facing", MOVES.values())
def test_the_player_builds_on_no_cell_beyond_the_edge(corner, facing):
    semantic = np.full((9, 9), MAP["grass"], np.uint8)
    player = Player(ACTIVITIES["walls itself in"], Random(0))
    player.facing, player.strolling = facing, 0
    ahead = tuple(map(sum, zip(corner, facing, strict=True)))
    acts = {player.decide(semantic, corner) for _ in range(40)} - {"noop"}
    assert ("place_stone" in acts) == (min(ahead) >= 0 and max(ahead) < 9)
    for dx, dy in (MOVES[act] for act in acts - {"place_stone"}):
        assert 0 <= corner[0] + dx < 9 and 0 <= corner[1] + dy < 9


def test_heldout_clips_show_other_maps():
    here, there = (render_crafter(3, frames=2, split=split) for split in ("train", "heldout"))
    assert not np.array_equal(here.video.frames, there.video.frames)


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_every_activity_comes_off_on_some_map(activity):
    plays = (
        _play(activity, world, "day", 16, (128, 128), Random(attempt))
        for attempt in range(8)
        for world in range(3)
    )
    play = next(play for play in plays if play is not None)
    assert play.count >= 1 and len(play.pictures) == len(play.actions) == 16
