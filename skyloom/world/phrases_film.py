"""How English says what belongs to the film and not to the scene: camera, looks, words, relations.

The plainest phrase comes first in every row. {d} is a direction, {e} its opposite, {s} the subject
that the camera follows, {w} the word to be read, {c} the car that carries it, {a} and {b} the two
sides of a relation. Verbs come as pairs (finite, -ing).
"""

from skyloom.world.phrases import Pair, Row

CAMERA: dict[tuple[str, str | None], tuple[Pair, ...]] = {
    ("still", None): (
        ("stays still", "staying still"), ("does not move", "not moving"),
        ("holds still", "holding still"), ("is fixed", "fixed in place"),
        ("remains static", "remaining static"),
    ),
    ("pan", "side"): (
        ("pans {d}", "panning {d}"), ("pans to the {d}", "panning to the {d}"),
        ("turns to the {d}", "turning to the {d}"), ("swivels {d}", "swivelling {d}"),
        ("sweeps around to the {d}", "sweeping around to the {d}"),
    ),
    ("orbit", "side"): (
        ("orbits {d}", "orbiting {d}"), ("orbits to the {d}", "orbiting to the {d}"),
        ("circles to the {d}", "circling to the {d}"),
        ("moves around the scene to the {d}", "moving around the scene to the {d}"),
        ("travels in an arc to the {d}", "travelling in an arc to the {d}"),
    ),
    ("dolly", "in"): (
        ("dollies in", "dollying in"), ("moves closer", "moving closer"),
        ("glides forward", "gliding forward"), ("comes nearer", "coming nearer"),
        ("travels in", "travelling in"),
    ),
    ("dolly", "out"): (
        ("dollies out", "dollying out"), ("pulls back", "pulling back"),
        ("moves backward", "moving backward"), ("retreats", "retreating"),
        ("travels out", "travelling out"),
    ),
    ("crane", "up"): (
        ("cranes up", "craning up"), ("rises", "rising"), ("moves up", "moving up"),
        ("goes upward", "going upward"), ("climbs higher", "climbing higher"),
    ),
    ("crane", "down"): (
        ("cranes down", "craning down"), ("sinks", "sinking"), ("moves down", "moving down"),
        ("goes downward", "going downward"), ("descends", "descending"),
    ),
    ("follow", None): (
        ("follows {s}", "following {s}"), ("tracks {s}", "tracking {s}"),
        ("keeps up with {s}", "keeping up with {s}"),
        ("goes along with {s}", "going along with {s}"),
        ("stays with {s}", "staying with {s}"),
    ),
}  # fmt: skip
CAMERA_NOUN: dict[tuple[str, str | None], Row] = {
    ("still", None): ("static shot", "still camera", "fixed camera", "locked-off shot"),
    ("pan", "side"): ("pan {d}", "pan to the {d}", "panning shot to the {d}"),
    ("orbit", "side"): ("orbit {d}", "orbit to the {d}", "orbiting shot to the {d}"),
    ("dolly", "in"): ("dolly in", "dolly shot moving in", "forward dolly"),
    ("dolly", "out"): ("dolly out", "dolly shot moving out", "backward dolly"),
    ("crane", "up"): ("crane up", "rising crane shot", "upward crane shot"),
    ("crane", "down"): ("crane down", "sinking crane shot", "downward crane shot"),
    ("follow", None): ("tracking shot", "follow shot", "following camera"),
}
CAMERA_FORM: Row = (
    "the camera {v}", "the camera {v}", "with the camera {i}", "the view {v}",
    "with a camera that {v}",
    "filmed by a camera that {v}", "{n}", "camera: {n}",
)  # fmt: skip
CAMERA_SENTENCE: Row = (
    "the camera {v}", "the camera {v}", "meanwhile the camera {v}", "the view {v}",
    "during the shot the camera {v}",
    "it is filmed by a camera that {v}", "all the while the camera {v}", "camera: {n}",
)  # fmt: skip
CUT: Row = (
    "then a cut to a second camera: {x}",
    "then the shot cuts to another angle, where {x}",
    "cut to a second shot: {x}",
    "after a cut, {x} in a view from another side",
    "then a second shot from a different side, in which {x}",
    "the film cuts to another side, and {x}",
)
CUT_ALONE: Row = (
    "then a cut to a second camera",
    "then cut to another angle",
    "followed by a second shot from another side",
    "in two shots",
)

LOOK_OF: dict[str, Row] = {
    "natural": ("a video of", "a clip of", "a shot of", "a natural-looking video of", "footage of"),
    "charcoal drawing": (
        "a charcoal drawing of", "a charcoal sketch of", "an animated charcoal drawing of",
        "a drawing in charcoal of",
    ),
    "pixel art": (
        "pixel art of", "a pixel art video of", "a pixelated clip of", "a pixel art scene of",
    ),
    "neon": (
        "a neon scene of", "a neon-lit clip of", "a glowing neon video of", "a neon picture of",
    ),
    "1920s film": (
        "a 1920s film of", "an old 1920s movie of", "a silent film from the 1920s of",
        "1920s footage of",
    ),
}  # fmt: skip
LOOK_OF_STILL: dict[str, Row] = {
    "natural": ("a photo of", "a picture of", "an image of", "a natural-looking photo of"),
    "charcoal drawing": (
        "a charcoal drawing of",
        "a charcoal sketch of",
        "a drawing in charcoal of",
    ),
    "pixel art": ("pixel art of", "a pixel art picture of", "a pixelated picture of"),
    "neon": ("a neon picture of", "a neon scene of", "a glowing neon image of"),
    "1920s film": ("a 1920s film still of", "a photo from a 1920s film of", "a 1920s photo of"),
}
LOOK_TAG: dict[str, Row] = {
    "natural": ("realistic", "with a natural look", "natural-looking", "photorealistic"),
    "charcoal drawing": (
        "drawn in charcoal", "in the style of a charcoal drawing", "as a charcoal drawing",
        "charcoal drawing", "in charcoal",
    ),
    "pixel art": (
        "as pixel art", "in pixel art style", "pixel art", "in blocky pixel art", "pixelated",
    ),
    "neon": ("in neon", "in glowing neon", "in neon colors", "neon style", "with neon outlines"),
    "1920s film": (
        "shot on 1920s film", "as a 1920s film", "in the style of a 1920s film",
        "like an old movie from the 1920s", "1920s film",
    ),
}  # fmt: skip
LOOK_SENTENCE: dict[str, Row] = {
    "natural": ("it looks natural", "the look is realistic", "the picture looks natural"),
    "charcoal drawing": (
        "it is a charcoal drawing", "everything is drawn in charcoal",
        "the look is that of a charcoal sketch",
        "the whole picture is done in charcoal",
    ),
    "pixel art": (
        "it is pixel art", "everything is made of coarse pixels", "the style is pixel art",
        "it looks like the pixel art of an old computer game",
    ),
    "neon": (
        "everything glows in neon", "the style is neon", "it is drawn in neon light",
        "neon light outlines everything",
    ),
    "1920s film": (
        "it looks like a film from the 1920s", "it is shot on 1920s film",
        "the look is that of a 1920s film",
        "the picture has the grain and flicker of 1920s film",
    ),
}  # fmt: skip

WORD_TAG: dict[str, Row] = {
    "sign": (
        'a sign that reads "{w}"', 'with a sign that says "{w}"',
        'a sign with the word "{w}" on it',
        'a sign reading "{w}"', 'the word "{w}" on a sign',
    ),
    "blackboard": (
        'a blackboard that reads "{w}"', 'with "{w}" written on a blackboard',
        'a blackboard that says "{w}"', 'a blackboard with the word "{w}" on it',
        'the word "{w}" in chalk on a blackboard',
    ),
    "car": (
        'with "{w}" written on the side of {c}', 'the word "{w}" on the side of {c}',
        'the side of {c} reads "{w}"', 'with the word "{w}" on the side of {c}',
    ),
}  # fmt: skip
WORD_CLAUSE: dict[str, Row] = {
    "sign": (
        'a sign reads "{w}"', 'the word "{w}" stands on a sign', 'there is a sign that reads "{w}"',
        'a sign says "{w}"', 'a sign shows the word "{w}"',
    ),
    "blackboard": (
        'a blackboard reads "{w}"', 'the word "{w}" is written on a blackboard',
        '"{w}" is written in chalk on a blackboard', 'there is a blackboard that says "{w}"',
        'a blackboard shows the word "{w}"',
    ),
    "car": (
        'the side of {c} reads "{w}"', '"{w}" is written on the side of {c}',
        '{c} has "{w}" on its side', '{c} bears the word "{w}"', '{c} says "{w}" on its side',
    ),
}  # fmt: skip

SIDE_OF: Row = ("to the {d} of", "{d} of", "on the {d} side of", "to the {d} of")
RELATION_PREP: dict[str, Row] = {
    "side": SIDE_OF,
    "in front of": ("in front of", "just in front of", "in front of", "before"),
    "behind": ("behind", "just behind", "in back of", "behind"),
    "on top of": ("on top of", "on", "atop", "on the top of"),
}
RELATION_CLAUSE: dict[str, Row] = {
    "side": (
        "{a} is to the {d} of {b}", "{a} is {d} of {b}", "{b} is to the {e} of {a}",
        "on the {d} is {a} and on the {e} {b}", "{d} of {b} is {a}", "{a} starts to the {d} of {b}",
    ),
    "in front of": (
        "{a} is in front of {b}", "{a} starts in front of {b}", "{b} is behind {a}",
        "in front of {b} is {a}", "{a} is nearer to us than {b}",
    ),
    "behind": (
        "{a} is behind {b}", "{a} starts behind {b}", "{b} is in front of {a}",
        "behind {b} is {a}", "{a} is farther back than {b}",
    ),
    "on top of": (
        "{a} is on top of {b}", "{a} sits on top of {b}", "{b} is underneath {a}",
        "on top of {b} is {a}", "{a} starts on top of {b}",
    ),
}  # fmt: skip
ALSO: Row = (
    "there is also {a}", "{a} is there too", "{a} can also be seen", "the scene also has {a}",
    "{a} is in the picture as well",
)  # fmt: skip
