"""Storyboards under the judges: the same subjects in every shot."""

import pytest

from skyloom.bench.editing import _judged
from skyloom.bench.edits import stories
from skyloom.bench.tally import Tally
from skyloom.world.holdout import is_held_out_triple

RED_BALL = {"first kind": "ball", "first color": "red"}
RED_CUBE = {"first kind": "cube", "first color": "red"}


def test_stories_are_held_out_scenes_of_one_subject_and_the_same_again():
    told, again = (list(stories.stories(3, (64, 64))) for _ in range(2))
    assert [one.story for one in told] == [one.story for one in again]
    for one in told:
        subjects = {scene.subjects for scene in one.scenes}
        assert len(subjects) == 1 and len(one.scenes) == len(one.story.shots) == 3
        (subject,) = subjects.pop()
        assert is_held_out_triple(subject.kind, subject.color, one.scenes[0].place)
        assert [scene.action.name for scene in one.scenes][1:] == ["spins", "rests"]
        assert all(shot.prompt for shot in one.story.shots)


@pytest.mark.parametrize(
    ("seen", "same", "asked"),
    [
        ([RED_BALL, RED_BALL, RED_BALL], 1.0, 1.0),
        ([RED_CUBE, RED_CUBE, RED_CUBE], 1.0, 0.5),  # another subject, but always that one
        ([RED_BALL, RED_CUBE, RED_CUBE], 0.5, 2 / 3),
    ],
)
def test_the_same_subject_and_the_one_asked_for_are_two_things(seen, same, asked):
    tallies = {"same": Tally(), "asked": Tally()}
    stories.score(tallies, seen, [RED_BALL] * 3)
    assert tallies["same"].figures()["mean"] == pytest.approx(same)
    assert tallies["asked"].figures()["mean"] == pytest.approx(asked, abs=1e-3)


def test_what_a_look_hides_is_not_counted():
    tallies = {"same": Tally(), "asked": Tally()}
    kind = {"first kind": "ball"}  # a charcoal drawing has no colour
    stories.score(tallies, [RED_BALL, {**RED_BALL, "first color": "blue"}], [kind, kind])
    assert list(tallies["same"].figures()["attributes"]) == ["first kind"]
    assert tallies["same"].figures()["mean"] == 1.0


def test_storyboards_by_a_judge(skyloom, judge):
    figures = stories.measure(skyloom, judge, 1, (64, 64), steps=1)
    for film in ("made", "real"):
        assert figures[film]["same"]["clips"] == 2 and figures[film]["asked"]["clips"] == 3
        assert 0 <= figures[film]["same"]["mean"] <= 1
    told = _judged({"restyle": "not now", "minute": "not now", "storyboard": figures})
    assert "subject as in the first shot" in told and "real shots" in told
