"""How English says each fact of a scene: tables of words, the plainest one first in every row.

`captions` picks from these rows and puts the parts together. A row never uses a word that names
another value of the same attribute, because a caption must not contradict its scene: cubes may be
called blocks, so the stack that is toppled never consists of "blocks".
Verbs come as pairs (finite, -ing). In them {d} is a direction phrase, {h} the same as an aside
(", heading left"), {g} the ground it happens on, {o} the thing it is done to; each may be empty.
"""

Pair = tuple[str, str]
Row = tuple[str, ...]

KIND: dict[str, Row] = {
    "ball": ("ball", "sphere", "round ball", "orb"),
    "cube": ("cube", "block", "box"),
    "cylinder": ("cylinder", "drum", "upright cylinder"),
    "cone": ("cone", "pointed cone", "tapering cone"),
    "ring": ("ring", "hoop", "torus"),
    "robot": ("robot", "android", "droid"),
    "car": ("car", "automobile", "toy car"),
    "rabbit": ("rabbit", "bunny", "hare"),
}
COLOR: dict[str, Row] = {
    "cyan": ("cyan", "turquoise"),
    "purple": ("purple", "violet"),
}
"""The other colours have one name."""
MATERIAL: dict[str, Row] = {
    "matte": ("matte", "dull", "non-reflective", "flat-finished"),
    "shiny": ("shiny", "glossy", "gleaming", "polished"),
    "metal": ("metal", "metallic", "steel"),
}
MADE_OF: dict[str, Row] = {
    "matte": ("with a matte finish", "with a dull surface", "with a flat finish"),
    "shiny": ("with a shiny surface", "with a glossy finish", "that gleams"),
    "metal": ("made of metal", "with a metallic surface", "of bare metal"),
}
SIZE: dict[str, Row] = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium-sized", "mid-sized", "middle-sized"),
    "large": ("large", "big", "huge"),
}
SIDE: dict[str, Row] = {
    "side": ("{d}", "to the {d}", "toward the {d}", "from {e} to {d}", "{d}ward"),
    "toward": (
        "toward the camera", "towards the camera", "toward us", "toward the viewer",
        "straight at us",
    ),
    "away": (
        "away from the camera", "into the distance", "away from us", "off into the background",
    ),
}  # fmt: skip
HEADING: Row = (", heading {x}", " while moving {x}", " on its way {x}", ", moving {x}")

# ── what happens ──────────────────────────────────────────────────────────────────────────────
ACTION: dict[str, tuple[Pair, ...]] = {
    "rests": (
        ("rests{g}", "resting{g}"), ("stands still{g}", "standing still{g}"),
        ("sits motionless{g}", "sitting motionless{g}"), ("does not move{g}", "not moving{g}"),
        ("stays where it is{g}", "staying where it is{g}"), ("is at rest{g}", "at rest{g}"),
    ),
    "rolls": (
        ("rolls{d}{g}", "rolling{d}{g}"), ("rolls{g}{d}", "rolling{g}{d}"),
        ("rolls along{d}{g}", "rolling along{d}{g}"), ("is rolling{d}{g}", "rolling{d}{g}"),
        ("trundles{d}{g}", "trundling{d}{g}"), ("goes rolling{d}{g}", "rolling along{g}{d}"),
    ),
    "slides": (
        ("slides{d}{g}", "sliding{d}{g}"), ("slides{g}{d}", "sliding{g}{d}"),
        ("glides{d}{g}", "gliding{d}{g}"), ("slips{g}{d}", "slipping{g}{d}"),
        ("skids{d}{g}", "skidding{d}{g}"), ("is sliding{d}{g}", "sliding along{d}{g}"),
    ),
    "falls": (
        ("falls{d}{g}", "falling{d}{g}"), ("falls down{d}{g}", "falling down{d}{g}"),
        ("drops from above{d}{g}", "dropping from above{d}{g}"),
        ("falls from the air{d}{g}", "falling from the air{d}{g}"),
        ("plunges down{d}{g}", "plunging down{d}{g}"),
        ("tumbles down{d}{g}", "tumbling down{d}{g}"),
    ),
    "bounces": (
        ("bounces{d}{g}", "bouncing{d}{g}"), ("bounces{g}{d}", "bouncing{g}{d}"),
        ("bounces again and again{d}{g}", "bouncing again and again{d}{g}"),
        ("springs off the ground{d}{g}", "springing off the ground{d}{g}"),
        ("keeps bouncing{d}{g}", "bouncing on and on{d}{g}"),
    ),
    "spins": (
        ("spins{g}{h}", "spinning{g}{h}"), ("spins around{g}{h}", "spinning around{g}{h}"),
        ("rotates{g}{h}", "rotating{g}{h}"), ("whirls around{g}{h}", "whirling around{g}{h}"),
        ("twirls on the spot{g}{h}", "twirling on the spot{g}{h}"),
    ),
    "walks": (
        ("walks{d}{g}", "walking{d}{g}"), ("walks{g}{d}", "walking{g}{d}"),
        ("strolls{d}{g}", "strolling{d}{g}"), ("strides{d}{g}", "striding{d}{g}"),
        ("marches{d}{g}", "marching{d}{g}"), ("is walking{d}{g}", "on a walk{d}{g}"),
    ),
    "hops": (
        ("hops{d}{g}", "hopping{d}{g}"), ("hops{g}{d}", "hopping{g}{d}"),
        ("leaps{d}{g}", "leaping{d}{g}"), ("bounds{d}{g}", "bounding{d}{g}"),
        ("hops along{d}{g}", "hopping along{d}{g}"), ("jumps along{d}{g}", "jumping along{d}{g}"),
    ),
    "drives": (
        ("drives{d}{g}", "driving{d}{g}"), ("drives{g}{d}", "driving{g}{d}"),
        ("cruises{d}{g}", "cruising{d}{g}"), ("speeds{d}{g}", "speeding{d}{g}"),
        ("drives along{d}{g}", "driving along{d}{g}"), ("travels{d}{g}", "travelling{d}{g}"),
    ),
    "collides": (
        ("collides with {o}{g}{h}", "colliding with {o}{g}{h}"),
        ("bumps into {o}{g}{h}", "bumping into {o}{g}{h}"),
        ("crashes into {o}{g}{h}", "crashing into {o}{g}{h}"),
        ("moves{d}{g} and hits {o}", "moving{d}{g} and hitting {o}"),
        ("runs into {o}{g}{h}", "running into {o}{g}{h}"),
        ("knocks against {o}{g}{h}", "knocking against {o}{g}{h}"),
    ),
    "pushes": (
        ("pushes {o}{d}{g}", "pushing {o}{d}{g}"),
        ("pushes {o} along{d}{g}", "pushing {o} along{d}{g}"),
        ("shoves {o}{d}{g}", "shoving {o}{d}{g}"), ("pushes {o}{g}{d}", "pushing {o}{g}{d}"),
        ("presses against {o} and moves it{d}{g}", "pressing against {o} and moving it{d}{g}"),
    ),
    "topples": (
        ("topples {o}{g}{h}", "toppling {o}{g}{h}"),
        ("knocks over {o}{g}{h}", "knocking over {o}{g}{h}"),
        ("knocks {o} down{g}{h}", "knocking {o} down{g}{h}"),
        ("strikes {o} and topples it{g}{h}", "striking {o} and toppling it{g}{h}"),
        ("makes {o} tumble down{g}{h}", "making {o} tumble down{g}{h}"),
    ),
    "hides": (
        ("passes behind {o}{d}{g} and comes out again",
         "passing behind {o}{d}{g} and coming out again"),
        ("disappears behind {o} and reappears{g}{h}",
         "disappearing behind {o} and reappearing{g}{h}"),
        ("moves{d}{g}, goes behind {o} and comes back into view",
         "moving{d}{g}, going behind {o} and coming back into view"),
        ("goes{d}{g} out of sight behind {o} and then shows up on the other side",
         "going{d}{g} out of sight behind {o} and then showing up on the other side"),
        ("is hidden by {o} for a moment and comes out again{g}{h}",
         "hidden by {o} for a moment and coming out again{g}{h}"),
    ),
    "paints": (
        ("paints {o}{g}{h}", "painting {o}{g}{h}"),
        ("leaves {o} behind it{g}{h}", "leaving {o} behind it{g}{h}"),
        ("draws {o} that stays{g}{h}", "drawing {o} that stays{g}{h}"),
        ("moves{d}{g} and paints {o}", "moving{d}{g} and painting {o}"),
        ("trails {o}{g}{h}", "trailing {o}{g}{h}"),
    ),
    "picks": (
        ("picks up {o}{g}{h}", "picking up {o}{g}{h}"),
        ("picks {o} up{g}{h}", "picking {o} up{g}{h}"),
        ("lifts {o} off the ground{g}{h}", "lifting {o} off the ground{g}{h}"),
        ("grabs {o} and lifts it{g}{h}", "grabbing {o} and lifting it{g}{h}"),
        ("moves{d}{g} and picks up {o}", "moving{d}{g} and picking up {o}"),
    ),
    "eats": (
        ("eats {o}{g}{h}", "eating {o}{g}{h}"), ("eats {o} up{g}{h}", "eating {o} up{g}{h}"),
        ("gobbles up {o}{g}{h}", "gobbling up {o}{g}{h}"),
        ("swallows {o}{g}{h}", "swallowing {o}{g}{h}"),
        ("moves{d}{g} and eats {o}", "moving{d}{g} and eating {o}"),
    ),
}  # fmt: skip
PROP: dict[str, Row] = {
    "collides": ("something in its way", "an obstacle"),
    "pushes": ("something", "a thing in its way"),
    "topples": ("a stack", "a wooden stack", "a tower", "a stack of crates", "a wooden tower"),
    "hides": ("a wall", "a brick wall", "a wall of bricks", "a stretch of wall"),
    "paints": (
        "a stroke", "a line of paint", "a trail of paint", "a streak of paint", "a stroke of paint",
    ),
    "picks": ("a crate", "a wooden crate", "a crate of wood", "a crate from the ground"),
    "eats": ("an apple", "an apple", "a ripe apple", "a juicy apple"),
}  # fmt: skip
"""What an action is done to when its object is none of the subjects."""
STILL_ACTIONS = (
    "rests", "rolls", "slides", "falls", "bounces", "spins", "walks", "hops", "drives", "pushes",
    "paints", "eats",
)  # fmt: skip
"""Actions that a single picture can show."""

# ── where, when, in which weather ─────────────────────────────────────────────────────────────
PLACE: dict[str, Row] = {
    "snowfield": (
        "on a snowfield", "on the snow", "in a snowy field", "on snow-covered ground",
        "in a snow-covered field",
    ),
    "desert": ("in the desert", "in a desert", "among desert dunes", "on desert sand"),
    "meadow": ("in a meadow", "on the grass", "in a grassy meadow", "in an open meadow"),
    "beach": ("on the beach", "on a beach", "on a sandy beach", "at the seaside", "by the sea"),
    "city square": (
        "in a city square", "on a town square", "in a square in the city", "on a plaza",
        "in the middle of a city square",
    ),
    "room": ("in a room", "in a bare room", "inside a room", "indoors"),
    "moon": ("on the moon", "on the surface of the moon", "on the lunar surface", "up on the moon"),
}  # fmt: skip
GROUND: dict[str, Row] = {
    "snowfield": ("across the snow", "over the snow", "across a snowfield", "over the snowy field"),
    "desert": ("across the desert", "over the desert sand", "through the desert", "over the dunes"),
    "meadow": ("across the meadow", "over the grass", "through a meadow", "across the grass"),
    "beach": ("across the beach", "along the beach", "over the beach", "down the beach"),
    "city square": (
        "across the city square", "over the square", "across a plaza", "over a town square",
    ),
    "room": ("across the room", "through the room", "across the floor of a room", "through a room"),
    "moon": ("across the moon", "over the lunar surface", "over the surface of the moon",
             "across the lunar ground"),
}  # fmt: skip
TRAVELS = ("rolls", "slides", "bounces", "walks", "hops", "drives", "pushes")
"""Actions that go across the ground, so that the verb may carry the place."""
PLACE_NOUN: dict[str, Row] = {
    "snowfield": ("a snowfield", "a snowy field", "a field of snow"),
    "desert": ("a desert", "the desert", "a sandy desert"),
    "meadow": ("a meadow", "a grassy meadow", "a field of grass"),
    "beach": ("a beach", "a sandy beach", "the seaside"),
    "city square": ("a city square", "a town square", "a plaza"),
    "room": ("a room", "a bare room", "the inside of a room"),
    "moon": ("the moon", "the surface of the moon", "a lunar landscape"),
}
TIME: dict[str, Row] = {
    "day": ("by day", "in daylight", "during the day", "in the daytime", "in full daylight"),
    "sunset": ("at sunset", "at sundown", "as the sun sets", "in the light of the setting sun"),
    "night": ("at night", "by night", "after dark", "in the dark of night", "at nighttime"),
}
TIME_CLAUSE: dict[str, Row] = {
    "day": ("it is day", "it is daytime", "daylight fills the scene", "the scene is in daylight"),
    "sunset": ("it is sunset", "the sun is setting", "the sun goes down", "it happens at sunset"),
    "night": ("it is night", "it is dark, at night", "it is nighttime", "night has fallen"),
}
WEATHER: dict[str, Row] = {
    "clear": ("in clear weather", "in clear air", "with clear air", "on a clear {t}"),
    "fog": ("in fog", "in thick fog", "in the mist", "on a foggy {t}", "wrapped in fog"),
    "rain": ("in the rain", "while it rains", "as rain falls", "on a rainy {t}", "in pouring rain"),
    "snowfall": (
        "while it snows", "in falling snow", "as snowflakes drift down", "in snowfall",
        "during a snowfall",
    ),
}  # fmt: skip
WEATHER_CLAUSE: dict[str, Row] = {
    "clear": ("the weather is clear", "the air is clear", "the view is clear"),
    "fog": (
        "it is foggy", "fog hangs in the air", "mist drifts through the scene",
        "the air is thick with fog",
    ),
    "rain": ("it is raining", "rain falls", "raindrops come down", "it rains all the while"),
    "snowfall": (
        "it is snowing", "snowflakes come down", "snow is falling",
        "snowflakes drift through the air",
    ),
}  # fmt: skip
TIME_NOUN: dict[str, str] = {"day": "day", "sunset": "evening at sunset", "night": "night"}
