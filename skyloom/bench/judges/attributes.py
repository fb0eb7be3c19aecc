"""What a clip can be asked about: the attributes, the words each may take, and who is who.

Judges, prompts and scores all speak of a scene through `words_of`, so that a prompt is compared
with a clip in the same terms in which the judges were taught. Two things are settled here:

- *Who comes first.* A picture does not tell which of two things at rest the scene calls its first
  subject: "a ball left of a cube" and "a cube right of a ball" look alike. `canonical` puts such
  scenes in one order.
- *What cannot be seen.* Colour in a charcoal drawing, the direction of a thing that stands still:
  those have no word (None), and are neither taught nor scored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from skyloom.world.scene import (
    ACTIONS,
    CAMERA_DIRECTIONS,
    COLORS,
    DIRECTIONS,
    KINDS,
    LOOKS,
    MATERIALS,
    PLACES,
    RELATIONS,
    TIMES,
    WEATHERS,
    WORD_SURFACES,
    Action,
    Camera,
    Relation,
    Scene,
    Subject,
    Word,
)

CAMERAS = tuple(
    f"{move} {direction}" if direction else move
    for move, directions in CAMERA_DIRECTIONS.items()
    for direction in directions
)
ROLES = ("first", "second", "third")
"""The subjects of a scene in canonical order: who acts, who it has to do with, who stands by."""
SUBJECT_WORDS = {"kind": KINDS, "color": COLORS, "material": MATERIALS}
"""The words of any one subject."""
CLIP_WORDS = {
    "action": ACTIONS,
    "direction": DIRECTIONS,
    "relation": RELATIONS,
    "place": PLACES,
    "time": TIMES,
    "weather": WEATHERS,
    "look": LOOKS,
    "camera": CAMERAS,
    "shots": ("1", "2"),
    "surface": ("none", *WORD_SURFACES),
}
"""The words of the clip as a whole; `surface` is what carries a word that can be read."""
WORD = "word"
"""The attribute whose words are not of a list: what can be read."""
ATTRIBUTES = (
    *(f"{role} {name}" for role in ROLES for name in SUBJECT_WORDS),
    *CLIP_WORDS,
    WORD,
)
"""Every attribute, in the order of the tables."""
HIDDEN = {
    "charcoal drawing": ("color", "material", "time"),
    "1920s film": ("color", "material"),
    "pixel art": ("material",),
    "neon": ("material",),
}
"""What a look does not show."""
_MIRRORED = {"left": "right", "right": "left", "left of": "right of", "right of": "left of"}
_SWAPPED = _MIRRORED | {"in front of": "behind", "behind": "in front of"}


@dataclass(frozen=True)
class Ordered:
    """A scene in canonical order.

    Attributes:
        scene: its subjects in that order.
        order: for each of them, its index in the scene as it was drawn.
    """

    scene: Scene
    order: tuple[int, ...]


def canonical(scene: Scene) -> Ordered:
    """The scene with its first two subjects in an order that a picture of it shows.

    Of two that lie still, the left, the nearer or the upper one is first; of two that collide,
    the left one. Everywhere else the first is who acts.
    """
    order = tuple(range(len(scene.subjects)))
    action, relation = scene.action, scene.relation
    resting = action.name == "rests" and relation is not None
    swap = resting and relation is not None and relation.name in ("right of", "behind")
    swap = swap or (action.name == "collides" and action.direction == "left")
    if not swap:
        return Ordered(scene, order)
    order = (1, 0, *order[2:])
    if action.name == "collides":
        action = replace(action, direction="right")
    if relation is not None:
        relation = replace(relation, name=_SWAPPED[relation.name])
    subjects = tuple(scene.subjects[index] for index in order)
    return Ordered(replace(scene, subjects=subjects, action=action, relation=relation), order)


def words_of(scene: Scene, frames: int = 49) -> dict[str, str | None]:
    """The word of every attribute, None for what is not there or cannot be seen.

    Args:
        frames: of the clip; a single picture shows neither motion nor camera.
    """
    scene = canonical(scene).scene
    words: dict[str, str | None] = dict.fromkeys(ATTRIBUTES)
    for role, subject in zip(ROLES, scene.subjects, strict=False):
        words |= {f"{role} {name}": getattr(subject, name) for name in SUBJECT_WORDS}
    camera = scene.cameras[0]
    words |= {
        "relation": None if scene.relation is None else scene.relation.name,
        "place": scene.place,
        "time": scene.time,
        "weather": scene.weather,
        "look": scene.look,
        "surface": "none" if scene.word is None else scene.word.surface,
        WORD: None if scene.word is None else scene.word.text,
    }
    if frames > 1:
        collides = scene.action.name == "collides"  # both come: left and right of it are told
        words |= {
            "action": scene.action.name,
            "direction": None if collides else scene.action.direction,
            "camera": f"{camera.move} {camera.direction}" if camera.direction else camera.move,
            "shots": str(len(scene.cameras)),
        }
    hidden = HIDDEN.get(scene.look, ())
    for name in ATTRIBUTES:
        if name.split()[-1] in hidden:
            words[name] = None
    return words


def asked_of(scene: Scene, facts: Mapping[str, str]) -> dict[str, str]:
    """The words that a caption asks for.

    Args:
        facts: what the caption states, as `world.teller.Caption.facts` names it.
    """
    stated = set[str]()
    places = {index: ROLES[rank] for rank, index in enumerate(canonical(scene).order)}
    for fact in facts:
        name, _, index = fact.partition(" ")
        if name in SUBJECT_WORDS:
            stated.add(f"{places[int(index)]} {name}")
        elif fact in CLIP_WORDS or fact == WORD:
            stated.add(fact)
        elif fact == "camera 0":
            stated.add("camera")
    words = words_of(scene)
    return {name: word for name in ATTRIBUTES if name in stated and (word := words[name])}


def mirrored(scene: Scene) -> Scene:
    """The scene whose clip is the mirror image of this one's, but for the letters of its word."""
    action, relation = scene.action, scene.relation
    return replace(
        scene,
        action=replace(action, direction=_mirrored_word(action.direction)),
        relation=relation and replace(relation, name=_MIRRORED.get(relation.name, relation.name)),
        cameras=tuple(
            Camera(camera.move, _mirrored_word(camera.direction)) for camera in scene.cameras
        ),
    )


def _mirrored_word(direction: str | None) -> str | None:
    return _MIRRORED.get(direction, direction) if direction else None


def scene_of(truth: Mapping) -> Scene:
    """The scene that a truth record tells of."""
    relation, word = truth["relation"], truth["word"]
    return Scene(
        seed=truth["seed"],
        subjects=tuple(Subject(**subject) for subject in truth["subjects"]),
        action=Action(**truth["action"]),
        place=truth["place"],
        time=truth["time"],
        weather=truth["weather"],
        look=truth["look"],
        cameras=tuple(Camera(**shot["camera"]) for shot in truth["shots"]),
        relation=None if relation is None else Relation(**relation),
        word=None if word is None else Word(word["text"], word["where"]),
        tier=truth["tier"],
    )
