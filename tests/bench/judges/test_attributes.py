"""What is asked of a clip: order, mirror images, what cannot be seen, and what captions state."""

from dataclasses import replace

import pytest

from skyloom.bench.judges.attributes import (
    ATTRIBUTES,
    asked_of,
    canonical,
    mirrored,
    scene_of,
    words_of,
)
from skyloom.bench.prompts import held_out_prompts
from skyloom.world.holdout import is_held_out
from skyloom.world.sampling import sample_scene
from skyloom.world.scene import TIERS, Action, Camera, Relation, Scene, Subject, Word

BALL = Subject("ball", "red", "shiny", "small")
CUBE = Subject("cube", "blue", "metal", "large")
SCENE = Scene(
    seed=1, subjects=(BALL, CUBE), action=Action("rests"), place="beach", time="day",
    weather="fog", look="natural", cameras=(Camera("pan", "left"),),
    relation=Relation("right of", 0, 1), word=Word("SKY", "sign"), tier="two",
)  # fmt: skip


def swapped(scene, relation):
    return replace(scene, subjects=scene.subjects[::-1], relation=Relation(relation, 0, 1))


@pytest.mark.parametrize(("one", "other"), [("right of", "left of"), ("behind", "in front of")])
def test_scenes_that_look_alike_have_the_same_words(one, other):
    scene = replace(SCENE, relation=Relation(one, 0, 1))
    assert words_of(scene) == words_of(swapped(scene, other))
    assert words_of(scene)["relation"] == other
    assert words_of(scene)["first kind"] == "cube"


def test_who_acts_comes_first():
    scene = replace(SCENE, action=Action("rolls", 0, None, "left"))
    assert canonical(scene).order == (0, 1)
    assert words_of(scene)["relation"] == "right of"


def test_of_two_that_collide_the_left_comes_first():
    scene = replace(SCENE, relation=None, action=Action("collides", 0, 1, "left"))
    other = replace(scene, subjects=(CUBE, BALL), action=Action("collides", 0, 1, "right"))
    assert words_of(scene) == words_of(other)
    assert words_of(scene)["direction"] is None and words_of(scene)["first kind"] == "cube"


def test_the_mirror_image():
    scene = replace(SCENE, action=Action("rolls", 0, None, "left"))
    words, image = words_of(scene), words_of(mirrored(scene))
    assert (image["direction"], image["relation"], image["camera"]) == (
        "right",
        "left of",
        "pan right",
    )
    changed = {"direction", "relation", "camera"}
    assert {k: v for k, v in words.items() if k not in changed} == {
        k: v for k, v in image.items() if k not in changed
    }
    assert mirrored(mirrored(scene)) == scene
    away = replace(scene, action=Action("rolls", 0, None, "away"), cameras=(Camera("dolly", "in"),))
    assert mirrored(away).action == away.action and mirrored(away).cameras == away.cameras


def test_what_cannot_be_seen_has_no_word():
    words = words_of(replace(SCENE, look="charcoal drawing"))
    assert words["first color"] is None and words["second material"] is None
    assert words["first kind"] == "cube" and words["place"] == "beach"
    single = words_of(SCENE, frames=1)
    assert single["action"] is None and single["camera"] is None and single["relation"] == "left of"
    assert set(words) == set(ATTRIBUTES)


def test_a_caption_asks_for_what_it_states():
    facts = {
        "kind 0": "ball", "color 1": "blue", "camera 0": "pan left", "camera 1": "still",
        "size 0": "small", "surface": "sign", "word": "SKY", "relation": "0 right of 1",
    }  # fmt: skip
    assert asked_of(SCENE, facts) == {
        "second kind": "ball", "first color": "blue", "relation": "left of", "camera": "pan left",
        "surface": "sign", "word": "SKY",
    }  # fmt: skip


def test_held_out_prompts_ask_for_their_scenes():
    for tier in TIERS:
        prompts = held_out_prompts(tier, 12)
        assert prompts == held_out_prompts(tier, 12)
        assert held_out_prompts(tier, 4, first=8) == prompts[8:]
        for prompt in prompts:
            assert is_held_out(prompt.scene) and prompt.scene.tier == tier
            words = words_of(prompt.scene)
            assert prompt.asked and all(words[name] == word for name, word in prompt.asked.items())
            assert "first kind" in prompt.asked or "second kind" in prompt.asked
    with pytest.raises(ValueError, match="no tier"):
        held_out_prompts("three", 1)


def test_truth_tells_the_scene():
    pytest.importorskip("mujoco")
    from skyloom.world import render_clip

    for seed in range(2):
        scene = sample_scene(seed, tier="all")
        truth = render_clip(scene, (64, 64), frames=2, fps=3.0).truth
        assert words_of(scene_of(truth)) == words_of(scene)
