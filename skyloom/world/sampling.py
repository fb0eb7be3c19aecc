"""Drawing scenes: which subjects, actions, places and looks go together, from a seed.

What the rules leave out: what physics would not do (a cube does not roll), what could not be seen
(a black thing at night, a white one on snow, a wheel turning away from the camera), and what
would not be so (no weather on the moon or in a room, no snowfall in the desert).
"""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from skyloom.errors import UserError
from skyloom.world.holdout import held_out_triples, is_held_out_triple
from skyloom.world.scene import (
    CAMERA_DIRECTIONS,
    CAMERA_MOVES,
    COLORS,
    KINDS,
    LOOKS,
    MATERIALS,
    PLACES,
    RELATIONS,
    SIZES,
    TIERS,
    TIMES,
    WEATHERS,
    Action,
    Camera,
    Relation,
    Scene,
    Subject,
    Word,
)

TIER_SHARES = (0.60, 0.25, 0.15)
SPLITS = ("train", "heldout")

_ALL = KINDS
_ROUND = ("ball", "cylinder", "ring")
_FREE = ("ball", "cube", "cylinder", "cone", "ring")
DOERS: dict[str, tuple[str, ...]] = {
    "rests": _ALL,
    "rolls": _ROUND,
    "slides": ("cube", "cylinder", "cone"),
    "falls": _FREE,
    "bounces": ("ball", "cube", "ring"),
    "spins": _ALL,
    "walks": ("robot",),
    "hops": ("rabbit",),
    "drives": ("car",),
    "collides": ("ball", "cube", "cylinder", "robot", "car"),
    "pushes": ("robot", "car"),
    "topples": ("ball", "cylinder", "robot", "car"),
    "hides": _ALL,
    "paints": ("ball", "robot", "car"),
    "picks": ("robot",),
    "eats": ("rabbit", "robot"),
}
"""Which kinds do what."""
OBJECTS: dict[str, tuple[str, ...]] = {
    "collides": DOERS["collides"],
    "pushes": ("ball", "cube", "cylinder", "cone"),
    "picks": ("ball", "cube", "cylinder", "cone"),
}
"""To which kinds of subject an action of two is done."""
_GOES = ("rolls", "slides", "walks", "hops", "drives")
_WEIGHTS = {"rests": 0.5, "spins": 0.6, "hides": 0.8, "walks": 2.0, "hops": 3.0, "drives": 2.5}
_CARRIERS = ("cube", "cylinder")
_ON_TOP = ("ball", "cube", "cylinder", "cone", "robot", "rabbit")

WORDS = (
    "HELLO", "OPEN", "STOP", "GO", "YES", "CAFE", "SALE", "LOVE", "HOME", "PLAY", "STAR", "MOON",
    "SUN", "SKY", "LOOM", "SORA", "CLOUD", "RAIN", "SNOW", "WIND", "FIRE", "TREE", "BIRD", "FISH",
    "CAT", "DOG", "FOX", "BEAR", "TAXI", "BUS", "ZOO", "PARK", "SHOP", "FOOD", "MILK", "TEA",
    "BREAD", "CAKE", "PIZZA", "MUSIC", "DANCE", "JAZZ", "ROCK", "FILM", "BOOK", "READ", "WRITE",
    "MATH", "ART", "BLUE", "GREEN", "GOLD", "KING", "QUEEN", "JOY", "HOPE", "DREAM", "LUCK",
    "EXIT", "LEFT", "RIGHT", "NORTH", "SOUTH", "WATER",
)  # fmt: skip
_WORDS = tuple(word for word in WORDS if 3 <= len(word) <= 5)
_WORD_SHARES = {"one": 0.08, "two": 0.12, "all": 0.35}
_LOOK_SHARES = {"one": 0.70, "two": 0.70, "all": 0.35}
_TWO_SHOTS = 0.30
_TRIES = 1000


T = TypeVar("T")


class _Draw:
    """Draws from tuples of words with one random generator."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)

    def one(self, words: tuple[T, ...]) -> T:
        return words[int(self.rng.integers(len(words)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def mostly(self, first: str, share: float, words: tuple) -> str:
        """`first` with this share, otherwise one of the other words."""
        if self.chance(share):
            return first
        return self.one(tuple(word for word in words if word != first))


def sample_scene(seed: int, split: str = "train", tier: str | None = None) -> Scene:
    """Draw a scene. The same arguments give the same scene.

    Args:
        split: "train" never holds a held-out (kind, color, place), for none of its subjects;
            "heldout" holds one as its first subject, always.
        tier: "one" subject, "two" that have to do with each other, or "all" the world can do;
            None draws 60, 25 and 15 percent.

    Raises:
        UserError: an unknown split or tier.
    """
    if split not in SPLITS:
        raise UserError(f"There is no split '{split}': a scene is drawn from 'train' or 'heldout'.")
    if tier is not None and tier not in TIERS:
        raise UserError(f"There is no tier '{tier}': scenes come in the tiers {', '.join(TIERS)}.")
    draw = _Draw(seed)
    if tier is None:
        tier = TIERS[int(draw.rng.choice(len(TIERS), p=TIER_SHARES))]
    held_out = split == "heldout"
    for _ in range(_TRIES):
        if held_out:
            triples = held_out_triples()
            kind, color, place = triples[int(draw.rng.integers(len(triples)))]
        else:
            kind, color, place = draw.one(KINDS), draw.one(COLORS), draw.one(PLACES)
        scene = _scene(draw, seed, tier, kind, color, place)
        if _makes_sense(scene, held_out):
            return scene
    raise AssertionError("no scene makes sense")


def _scene(draw: _Draw, seed: int, tier: str, kind: str, color: str, place: str) -> Scene:
    """A scene around its first subject; not all of them make sense."""
    first = Subject(kind, color, draw.one(MATERIALS), draw.one(SIZES))
    subjects, action, relation = _happening(draw, first, tier)
    time = draw.one(("day", "night") if place == "moon" else TIMES)
    weather = _weather(draw, place)
    look = draw.mostly("natural", _LOOK_SHARES[tier], LOOKS)
    shots = 2 if tier == "all" and draw.chance(_TWO_SHOTS) else 1
    cameras = tuple(_camera(draw, action, relation) for _ in range(shots))
    scene = Scene(
        seed=seed, subjects=subjects, action=action, place=place, time=time, weather=weather,
        look=look, cameras=cameras, relation=relation, tier=tier,
    )  # fmt: skip
    if draw.chance(_WORD_SHARES[tier]):
        scene = _with_word(draw, scene)
    return scene


def _happening(
    draw: _Draw, first: Subject, tier: str
) -> tuple[tuple[Subject, ...], Action, Relation | None]:
    """Who is there and what happens."""
    subjects = [first]
    relation = None
    doable = tuple(name for name, kinds in DOERS.items() if first.kind in kinds)
    if tier == "one":
        action = _directed(draw, _alone(draw, doable), first)
    else:
        together = tuple(a for a in doable if a in OBJECTS)
        if together and draw.chance(0.5):
            name = draw.one(together)
            other = _other(draw, OBJECTS[name])
            if name == "picks":  # what it can hold in its arms
                subjects[0] = replace(first, size=draw.one(("medium", "large")))
                other = replace(other, size="small")
            if name == "collides":  # two long cars would have no way to go
                subjects[0], other = (_shorter(s) for s in (subjects[0], other))
            subjects.append(other)
            action = Action(name, 0, 1, draw.one(("left", "right")))
        elif tier == "two" or draw.chance(0.6):
            other, relation, action = _relation(draw, first)
            subjects.append(other)
        else:
            action = _directed(draw, _alone(draw, doable), first)
        if tier == "all" and (len(subjects) == 1 or draw.chance(0.5)):
            subjects.append(_other(draw, KINDS))
    return tuple(subjects), action, relation


def _alone(draw: _Draw, doable: tuple[str, ...]) -> str:
    """An action that needs no other subject: what a kind alone can do comes more often."""
    names = tuple(name for name in doable if name not in ("collides", "pushes"))
    weights = np.array([_WEIGHTS.get(name, 1.0) for name in names])
    return names[int(draw.rng.choice(len(names), p=weights / weights.sum()))]


def _other(draw: _Draw, kinds: tuple[str, ...]) -> Subject:
    return Subject(draw.one(kinds), draw.one(COLORS), draw.one(MATERIALS), draw.one(SIZES))


def _shorter(subject: Subject) -> Subject:
    return (
        replace(subject, size="medium")
        if (subject.kind, subject.size) == ("car", "large")
        else subject
    )


def _directed(draw: _Draw, name: str, subject: Subject) -> Action:
    """An action with its direction: mostly across the picture, for ways also along the view."""
    if name in ("rests", "spins", "falls", "bounces", "topples"):
        return Action(name)
    across = draw.one(("left", "right"))
    along = draw.one(("toward", "away"))
    deep = name in _GOES and subject.kind != "ring" and draw.chance(0.3)
    return Action(name, 0, None, along if deep else across)


def _relation(draw: _Draw, first: Subject) -> tuple[Subject, Relation, Action]:
    """A second subject, how the first lies to it, and what the first does meanwhile."""
    name = draw.one(RELATIONS)
    if name == "on top of":
        other = _other(draw, _CARRIERS)
        order = SIZES.index
        other = replace(other, size=SIZES[max(order(other.size), order(first.size))])
        return other, Relation(name, 0, 1), Action("rests")
    other = _other(draw, KINDS)
    goes = next((a for a in _GOES if first.kind in DOERS[a]), "rests")
    act = draw.one(("rests", "spins", goes))
    ways = {"left of": ("left",), "right of": ("right",)}.get(name, ("left", "right"))
    direction = draw.one(ways) if act in _GOES else None
    return other, Relation(name, 0, 1), Action(act, 0, None, direction)


def _weather(draw: _Draw, place: str) -> str:
    if place in ("moon", "room"):
        return "clear"
    words = tuple(w for w in WEATHERS if not (w == "snowfall" and place == "desert"))
    return draw.mostly("clear", 0.55, words)


def _camera(draw: _Draw, action: Action, relation: Relation | None) -> Camera:
    """A move; following makes sense where something goes, and a wall must keep hiding."""
    moves: tuple[str, ...] = CAMERA_MOVES
    if action.direction is None:
        moves = tuple(move for move in moves if move != "follow")
    if action.name == "hides":
        moves = tuple(move for move in moves if move not in ("orbit", "crane"))
    if relation is not None or action.name in ("collides", "pushes", "picks", "eats"):
        moves = tuple(move for move in moves if move != "follow")
    move = draw.mostly("still", 0.35, moves)
    return Camera(move, draw.one(CAMERA_DIRECTIONS[move]))


def _with_word(draw: _Draw, scene: Scene) -> Scene:
    """Put a word on a sign, on the blackboard of a room, or on the side of a car."""
    if draw.chance(0.2):
        text = "".join(chr(65 + int(i)) for i in draw.rng.integers(0, 26, draw.rng.integers(3, 6)))
    else:
        text = draw.one(_WORDS)
    surfaces = ["sign"]
    if scene.place == "room":
        surfaces.append("blackboard")
    car = next((i for i, s in enumerate(scene.subjects) if s.kind == "car"), None)
    sideways = scene.action.name not in ("spins", "collides") and scene.action.direction in (
        "left",
        "right",
        None,
    )
    if car is not None and sideways:
        surfaces += ["car", "car"]
    surface = draw.one(tuple(surfaces))
    if surface == "car" and car is not None:  # a small van's letters could not be read
        subjects = list(scene.subjects)
        subjects[car] = replace(subjects[car], size="large")
        scene = replace(scene, subjects=tuple(subjects))
    return replace(scene, word=Word(text, surface))


def _makes_sense(scene: Scene, held_out: bool) -> bool:
    """Whether all of it can be seen, and belongs to the split."""
    for number, subject in enumerate(scene.subjects):
        if subject.color == "white" and scene.place == "snowfield":
            return False
        if subject.color == "black" and scene.time == "night":
            return False
        outside = is_held_out_triple(subject.kind, subject.color, scene.place)
        if outside != (held_out and number == 0) and (number == 0 or not held_out):
            return False
    looks = [(s.kind, s.color) for s in scene.subjects]
    if len(set(looks)) < len(looks):  # a caption could not tell them apart
        return False
    relation = scene.relation
    if relation is not None and relation.name == "on top of":
        return scene.subjects[relation.subject].kind in _ON_TOP
    return not (
        scene.word is not None and scene.word.surface != "car" and scene.action.name == "hides"
    )
