"""What scenes are drawn: reproducible, sensible, and true to their split."""

import subprocess
import sys
from collections import Counter

import pytest

from skyloom.errors import UserError
from skyloom.world.holdout import held_out_triples, is_held_out, is_held_out_triple, is_trainable
from skyloom.world.sampling import DOERS, OBJECTS, sample_scene
from skyloom.world.scene import COLORS, KINDS, LOOKS, PLACES, TIERS, Scene

FIRST_HELD_OUT = (
    ("ball", "orange", "snowfield"),
    ("ball", "green", "beach"),
    ("ball", "blue", "moon"),
)
SCENES = [sample_scene(seed) for seed in range(1500)]


def test_the_same_seed_draws_the_same_scene() -> None:
    assert [sample_scene(seed) for seed in range(50)] == SCENES[:50]
    assert len(set(SCENES[:50])) == 50


def test_training_never_sees_a_held_out_combination() -> None:
    assert all(is_trainable(scene) for scene in SCENES)
    assert not any(is_held_out(scene) for scene in SCENES)


@pytest.mark.parametrize("tier", TIERS)
def test_held_out_scenes_are_held_out_by_their_first_subject(tier: str) -> None:
    scenes = [sample_scene(seed, split="heldout", tier=tier) for seed in range(200)]
    assert all(is_held_out(scene) for scene in scenes)
    assert {scene.tier for scene in scenes} == {tier}


def test_held_out_list_is_small_even_and_leaves_every_pair_to_training() -> None:
    triples = held_out_triples()
    assert 0.04 < len(triples) / (len(KINDS) * len(COLORS) * len(PLACES)) < 0.06
    for axis, words in enumerate((KINDS, COLORS, PLACES)):
        assert all(2 <= sum(t[axis] == word for t in triples) <= 5 for word in words)
    for pair in ((0, 1), (0, 2), (1, 2)):
        pairs = Counter((t[pair[0]], t[pair[1]]) for t in triples)
        assert max(pairs.values()) == 1


def test_held_out_list_is_fixed() -> None:
    assert is_held_out_triple(*held_out_triples()[0])
    assert held_out_triples()[:3] == FIRST_HELD_OUT


def test_all_words_are_drawn_and_tiers_have_their_shares() -> None:
    tiers = Counter(scene.tier for scene in SCENES)
    assert abs(tiers["one"] / len(SCENES) - 0.60) < 0.05
    assert abs(tiers["two"] / len(SCENES) - 0.25) < 0.05
    assert {scene.place for scene in SCENES} == set(PLACES)
    assert {scene.look for scene in SCENES} == set(LOOKS)
    assert {scene.subjects[0].kind for scene in SCENES} == set(KINDS)
    assert {scene.action.name for scene in SCENES} == set(DOERS)
    assert {scene.action.direction for scene in SCENES} == {
        None, "left", "right", "toward", "away",
    }  # fmt: skip


def test_subjects_do_what_their_kind_can() -> None:
    for scene in SCENES:
        action = scene.action
        assert scene.subjects[action.subject].kind in DOERS[action.name]
        if action.object is not None:
            assert scene.subjects[action.object].kind in OBJECTS[action.name]
        stays = action.name in ("rests", "spins", "falls", "bounces", "topples")
        assert (action.direction is None) == stays


def test_tiers_hold_what_they_promise() -> None:
    for scene in SCENES:
        if scene.tier == "one":
            assert len(scene.subjects) == 1 and scene.relation is None
        if scene.tier == "two":
            assert len(scene.subjects) == 2
            assert (scene.relation is None) != (scene.action.object is None)
        assert len(scene.subjects) <= 3
        assert len(scene.cameras) == 1 or scene.tier == "all"


def test_weather_and_light_fit_the_place() -> None:
    for scene in SCENES:
        if scene.place in ("moon", "room"):
            assert scene.weather == "clear"
        if scene.place == "moon":
            assert scene.time != "sunset"
        if scene.place == "desert":
            assert scene.weather != "snowfall"


def test_words_are_short_and_have_somewhere_to_stand() -> None:
    worded = [scene for scene in SCENES if scene.word is not None]
    assert 0.05 < len(worded) / len(SCENES) < 0.25
    for scene in worded:
        assert scene.word is not None
        assert 3 <= len(scene.word.text) <= 5 and scene.word.text.isupper()
        if scene.word.surface == "blackboard":
            assert scene.place == "room"
        if scene.word.surface == "car":
            assert any(s.kind == "car" for s in scene.subjects)


@pytest.mark.parametrize(("key", "value"), [("split", "test"), ("tier", "three")])
def test_unknown_split_or_tier_is_said(key: str, value: str) -> None:
    with pytest.raises(UserError, match=value):
        sample_scene(0, **{key: value})


def test_importing_the_world_imports_no_engine() -> None:
    code = (
        "import sys, skyloom.world as w; w.sample_scene(0);"
        "sys.exit(any(m in sys.modules for m in ('mujoco', 'crafter', 'torch', 'av')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_scenes_can_be_told_apart() -> None:
    def looks(scene: Scene) -> list[tuple[str, str]]:
        return [(s.kind, s.color) for s in scene.subjects]

    assert all(len(set(looks(scene))) == len(looks(scene)) for scene in SCENES)
