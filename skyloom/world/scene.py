"""What a scene is: the vocabulary of the world and the values that a scene is made of.

A `Scene` says everything that the caption may say and the renderer must show. It holds no
geometry and no randomness: `sampling` draws one from a seed, `stage` builds its physics,
`captions` tells it in English.
"""

from dataclasses import dataclass

KINDS = ("ball", "cube", "cylinder", "cone", "ring", "robot", "car", "rabbit")
COLORS = (
    "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "white", "black",
)  # fmt: skip
MATERIALS = ("matte", "shiny", "metal")
SIZES = ("small", "medium", "large")
ACTIONS = (
    "rests", "rolls", "slides", "falls", "bounces", "spins", "walks", "hops", "drives",
    "collides", "pushes", "topples", "hides", "paints", "picks", "eats",
)  # fmt: skip
DIRECTIONS = ("left", "right", "toward", "away")
"""As the camera of the first shot sees it at the first frame."""
RELATIONS = ("left of", "right of", "in front of", "behind", "on top of")
PLACES = ("snowfield", "desert", "meadow", "beach", "city square", "room", "moon")
TIMES = ("day", "sunset", "night")
WEATHERS = ("clear", "fog", "rain", "snowfall")
CAMERA_MOVES = ("still", "pan", "orbit", "dolly", "crane", "follow")
CAMERA_DIRECTIONS = {
    "still": (None,),
    "pan": ("left", "right"),
    "orbit": ("left", "right"),
    "dolly": ("in", "out"),
    "crane": ("up", "down"),
    "follow": (None,),
}
LOOKS = ("natural", "charcoal drawing", "pixel art", "neon", "1920s film")
WORD_SURFACES = ("sign", "blackboard", "car")
TIERS = ("one", "two", "all")


@dataclass(frozen=True)
class Subject:
    """One thing in the scene; each field is a word of its tuple above."""

    kind: str
    color: str
    material: str
    size: str


@dataclass(frozen=True)
class Action:
    """What happens: `subject` does `name`, possibly to `object` (indices into the subjects)."""

    name: str
    subject: int = 0
    object: int | None = None
    direction: str | None = None


@dataclass(frozen=True)
class Relation:
    """How two subjects lie at the first frame, as the camera sees them."""

    name: str
    subject: int
    object: int


@dataclass(frozen=True)
class Camera:
    """A camera move: "pan left" turns the camera to its left, "orbit left" carries it there."""

    move: str
    direction: str | None = None


@dataclass(frozen=True)
class Word:
    """A short word in capital letters that can be read on a `surface` of the scene."""

    text: str
    surface: str


@dataclass(frozen=True)
class Scene:
    """Everything that a caption may say about a clip; `cameras` has an entry for each shot."""

    seed: int
    subjects: tuple[Subject, ...]
    action: Action
    place: str
    time: str
    weather: str
    look: str
    cameras: tuple[Camera, ...]
    relation: Relation | None = None
    word: Word | None = None
    tier: str = "one"
