"""Where everything stands when a clip begins, and how fast it sets out: a pure plan of a scene.

The first camera looks along +y from (0, -6), so that left is -x and toward is -y. Whatever
happens stays within about 2 m of the origin, which both cameras look at.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skyloom.world.bodies import METRES, Extent, Feel, extent
from skyloom.world.props import APPLE_RADIUS, CRATE
from skyloom.world.scene import Scene, Subject

EDGE = 2.1
"""Nothing sets out or arrives further from the middle than this, in metres."""
TOP = 2.95
"""The highest point a falling subject starts from."""
SPIN = 3.6  # radians a second
SPRINGY = (-20000.0, -13.0)  # MuJoCo's direct solref: stiffness and damping of a lasting bounce
DRAG = 0.03  # of the mass, a second

VECTORS = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "toward": (0.0, -1.0), "away": (0.0, 1.0)}
STAYS = ("rests", "spins", "falls", "bounces")
GAITS = {
    "ball": "rolls", "cylinder": "rolls", "ring": "rolls", "cube": "slides", "cone": "slides",
    "robot": "walks", "car": "drives", "rabbit": "hops",
}  # fmt: skip
"""How a kind moves when the action does not say it."""


@dataclass(frozen=True)
class Placement:
    """How one subject begins: its middle on the ground, what is under it, and its motion.

    Attributes:
        base: height of its lowest point.
        heading: radians from +x, about the vertical.
        lying: a cylinder on its side, its axle across the heading.
        tilt: radians that it leans over its heading.
        velocity: metres a second along x and y, of a free body.
        rolling: whether the velocity comes with the turning of a wheel.
        spin: radians a second about the vertical.
    """

    x: float
    y: float
    base: float = 0.0
    heading: float = 0.0
    lying: bool = False
    tilt: float = 0.0
    velocity: tuple[float, float] = (0.0, 0.0)
    rolling: bool = False
    spin: float = 0.0


@dataclass(frozen=True)
class Layout:
    """The plan of a scene.

    Attributes:
        placements, feels: one per subject.
        along: the direction (x, y) of the action.
        length: metres that the acting subject travels; its speed is length / seconds.
        seconds: how long the action takes.
        lane: how far beside the middle a subject alone goes its way.
        board: where across the picture a sign or blackboard stands.
        wall: half width and height of a wall to pass behind.
        stack, crate, apple: where these stand, if they are there.
        paint: half sizes of the whole stroke.
    """

    placements: tuple[Placement, ...]
    feels: tuple[Feel, ...]
    along: tuple[float, float] = (1.0, 0.0)
    length: float = 0.0
    seconds: float = 3.6
    lane: float = 0.0
    board: float = 0.0
    wall: tuple[float, float] | None = None
    stack: float | None = None
    crate: tuple[float, float] | None = None
    apple: tuple[float, float] | None = None
    paint: tuple[float, float, float] | None = None


def gravity(place: str) -> float:
    """Metres a second squared."""
    return 1.62 if place == "moon" else 9.81


def gait(action: str, kind: str) -> str:
    """How a kind moves about in an action."""
    return action if action in ("rolls", "slides") else GAITS[kind]


def half_length(subject: Subject) -> float:
    """Half of what a subject takes up along its way."""
    return extent(subject).length / 2


def plan(scene: Scene, duration: float) -> Layout:
    """Lay out a scene so that its action happens within `duration` seconds (at least 2)."""
    rng = np.random.default_rng((scene.seed, 101))
    seconds = 0.92 * min(max(duration, 2.0), 4.0) * float(rng.uniform(0.85, 1.0))
    action = scene.action
    along = VECTORS[action.direction or ("left", "right")[int(rng.integers(2))]]
    layout = Layout(
        placements=tuple(Placement(0.0, 0.0) for _ in scene.subjects),
        feels=tuple(Feel() for _ in scene.subjects),
        along=along,
        seconds=seconds,
        lane=float(rng.uniform(-0.35, 0.35)),
        board=float(rng.choice((-1.0, 1.0))),
    )
    places = {i: _resting(s, rng, scene.word is not None) for i, s in enumerate(scene.subjects)}
    layout = _INTERACTIONS.get(action.name, _alone)(scene, layout, places)
    if scene.relation is not None:
        layout = _related(scene, layout, places, rng)
    busy = {action.subject, action.object}
    if scene.relation is not None:
        busy |= {scene.relation.subject, scene.relation.object}
    for i in range(len(scene.subjects)):
        if i not in busy:
            places[i] = _aside(places, busy, places[i], layout, scene.word is not None)
            busy = busy | {i}
    return replace(layout, placements=tuple(places[i] for i in range(len(scene.subjects))))


def _resting(subject: Subject, rng: np.random.Generator, lettered: bool) -> Placement:
    """At rest in the middle, turned so that the kind can be told."""
    turn = float(rng.uniform(-1, 1))
    flip = math.pi * int(rng.integers(2))
    heading = {
        "robot": -math.pi / 2 + 0.5 * turn,
        "car": flip + (0.1 if lettered else 0.35) * turn,
        "rabbit": flip + 0.5 * turn,
        "ring": 0.5 * turn,
    }.get(subject.kind, math.pi * turn)
    x, y = (float(v) for v in rng.uniform(-0.25, 0.25, 2))
    return Placement(x, y, heading=heading)


def _moving(
    scene: Scene,
    index: int,
    start: tuple[float, float],
    along: tuple[float, float],
    length: float,
    seconds: float,
) -> tuple[Placement, Feel]:
    """Set a subject on its way: free bodies get the velocity that carries them that far."""
    subject = scene.subjects[index]
    heading = math.atan2(along[1], along[0])
    place = Placement(*start, heading=heading)
    how = gait(scene.action.name, subject.kind)
    if how == "rolls":
        lying = subject.kind == "cylinder"
        radius = extent(subject).length / 2
        inertia = 0.4 if subject.kind == "ball" else 0.5
        rate = DRAG * (1 + 1 / radius**2) / (1 + inertia)
        speed = length * rate / (1 - math.exp(-rate * seconds))
        velocity = (speed * along[0], speed * along[1])
        return replace(place, lying=lying, velocity=velocity, rolling=True), Feel(0.8, DRAG)
    if how == "slides":
        speed = 2 * length / seconds
        velocity = (speed * along[0], speed * along[1])
        return replace(place, velocity=velocity), Feel(speed / seconds / gravity(scene.place))
    return place, Feel()


def _alone(scene: Scene, layout: Layout, places: dict[int, Placement]) -> Layout:
    """Actions of one subject that need nothing else: rest, spin, fall, bounce, or go somewhere."""
    action, subject = scene.action, scene.subjects[scene.action.subject]
    i, size = action.subject, extent(subject)
    if action.name == "spins":
        places[i] = replace(places[i], spin=SPIN * layout.along[0])
        return _felt(layout, i, Feel(friction=0.004))
    if action.name in ("falls", "bounces"):
        tilt = 0.25 if action.name == "falls" and subject.kind in ("cube", "cylinder") else 0.0
        reach = size.height + (0.2 if tilt else 0.0)
        base = max(TOP - reach, 0.9)
        places[i] = replace(places[i], base=base, tilt=tilt)
        bouncy = action.name == "bounces"
        drag = 0.0 if subject.kind == "ball" else 0.25  # or what lands on an edge rolls away
        return _felt(layout, i, Feel(0.5, drag, SPRINGY if bouncy else None))
    if action.name in STAYS and scene.word is not None:
        places[i] = replace(places[i], x=-1.15 * layout.board)  # not before the board
    if action.direction is None:
        return layout
    along = layout.along
    sideways = along[1] == 0.0
    length = 2 * min(1.6, EDGE - size.length / 2) if sideways else 2.6
    aside = (abs(along[1]) * layout.lane, abs(along[0]) * layout.lane)
    start = (aside[0] - along[0] * length / 2, aside[1] - along[1] * length / 2)
    if scene.relation is not None:  # it leaves from where the relation puts it
        length = min(length, 1.25)
    place, feel = _moving(scene, i, start, along, length, layout.seconds)
    places[i] = place
    return replace(_felt(layout, i, feel), length=length)


def _felt(layout: Layout, index: int, feel: Feel) -> Layout:
    feels = list(layout.feels)
    feels[index] = feel
    return replace(layout, feels=tuple(feels))


def _collides(scene: Scene, layout: Layout, places: dict[int, Placement]) -> Layout:
    a, b = scene.action.subject, scene.action.object
    assert b is not None
    sign, until = layout.along[0], 0.36 * layout.seconds
    halves = [half_length(scene.subjects[i]) for i in (a, b)]
    speed = min(0.95, *((EDGE + 0.25 - 2 * half) / until for half in halves))
    for i, side, half in zip((a, b), (-sign, sign), halves, strict=True):
        start = half + speed * until
        place = Placement(side * start, 0.0, heading=0.0 if side < 0 else math.pi)
        rolling = gait("collides", scene.subjects[i].kind) == "rolls"
        places[i] = replace(
            place, velocity=(-side * speed, 0.0), rolling=rolling,
            lying=scene.subjects[i].kind == "cylinder",
        )  # fmt: skip
        slow = 0.1 / gravity(scene.place)
        layout = _felt(layout, i, Feel(0.6 if rolling else slow, DRAG))
    return replace(layout, length=speed * layout.seconds)


def _pushes(scene: Scene, layout: Layout, places: dict[int, Placement]) -> Layout:
    a, b = scene.action.subject, scene.action.object
    assert b is not None
    sign = layout.along[0]
    half, other = half_length(scene.subjects[a]), half_length(scene.subjects[b])
    start = -EDGE + half
    thing = start + half + 0.35 + other
    length = 0.35 + max(EDGE - other - thing, 0.8)
    places[a] = Placement(sign * start, 0.0, heading=0.0 if sign > 0 else math.pi)
    places[b] = replace(places[b], x=sign * thing, y=0.0, heading=0.0)
    layout = _felt(layout, b, Feel(0.25, 0.3))
    return replace(layout, length=length)


def _topples(scene: Scene, layout: Layout, places: dict[int, Placement]) -> Layout:
    i, sign = scene.action.subject, layout.along[0]
    half = half_length(scene.subjects[i])
    start, stack = -EDGE + half, 0.6
    length = stack + 0.4 - start
    # Free bodies must hit hard to knock over what they cannot go on pushing; where things weigh
    # less they must not, or the stack is swept away before it can fall.
    share = 0.45 if gait("topples", scene.subjects[i].kind) == "slides" else 0.34
    share *= min(math.sqrt(9.81 / gravity(scene.place)), 2.0)
    places[i], feel = _moving(
        scene, i, (sign * start, 0.0), layout.along, length + 0.8, share * layout.seconds
    )
    feel = replace(feel, weight=3.0)
    return replace(_felt(layout, i, feel), length=length, stack=sign * stack)


def _hides(scene: Scene, layout: Layout, places: dict[int, Placement]) -> Layout:
    i, sign = scene.action.subject, layout.along[0]
    size = extent(scene.subjects[i])
    lane = 0.30 + size.depth / 2
    half = 0.92 * size.length / 2 + 0.22
    tall = size.height + (0.35 * METRES[scene.subjects[i].size] if _hopping(scene, i) else 0.0)
    reach = lane + size.depth / 2
    height = (6.0 * tall + 1.8 * reach) / (6.0 + reach) + 0.06  # over it the camera sees the top
    edge = min(half + size.length / 2 + 0.45, EDGE + 0.35 - size.length / 2)
    length = 2 * edge
    places[i], feel = _moving(scene, i, (-sign * edge, lane), layout.along, length, layout.seconds)
    return replace(_felt(layout, i, feel), length=length, wall=(half, height))


def _hopping(scene: Scene, index: int) -> bool:
    return scene.subjects[index].kind == "rabbit"


def _paints(scene: Scene, layout: Layout, places: dict[int, Placement]) -> Layout:
    layout = _alone(scene, layout, places)
    width = 0.28 * METRES[scene.subjects[scene.action.subject].size]
    return replace(layout, paint=(layout.length / 2 + 0.05, width, 0.008))


def _picks(scene: Scene, layout: Layout, places: dict[int, Placement]) -> Layout:
    a, b = scene.action.subject, scene.action.object
    sign, robot = layout.along[0], scene.subjects[a]
    other = CRATE / 2 if b is None else half_length(scene.subjects[b])
    start, thing = -EDGE + 0.45, 0.35
    length = thing - other - 0.06 - half_length(robot) - start
    places[a] = Placement(sign * start, 0.0, heading=0.0 if sign > 0 else math.pi)
    if b is None:
        layout = replace(layout, crate=(sign * thing, 0.0))
    else:
        places[b] = replace(places[b], x=sign * thing, y=0.0, heading=0.0)
        layout = _felt(layout, b, Feel(0.5, 0.5))
    return replace(layout, length=length)


def _eats(scene: Scene, layout: Layout, places: dict[int, Placement]) -> Layout:
    i, sign = scene.action.subject, layout.along[0]
    subject = scene.subjects[i]
    start, food = -EDGE + half_length(subject), 0.85
    mouth = (0.62 if subject.kind == "rabbit" else 0.30) * METRES[subject.size]
    places[i] = Placement(sign * start, 0.0, heading=0.0 if sign > 0 else math.pi)
    return replace(layout, length=food - APPLE_RADIUS - mouth - start, apple=(sign * food, 0.0))


def _related(
    scene: Scene, layout: Layout, places: dict[int, Placement], rng: np.random.Generator
) -> Layout:
    """Put two subjects where their relation says, as the first camera sees them."""
    relation = scene.relation
    assert relation is not None
    i, j = relation.subject, relation.object
    a, b = _round(extent(scene.subjects[i])), _round(extent(scene.subjects[j]))
    apart = max(a + b + 0.25, 1.5)
    aside = float(rng.choice((-1.0, 1.0))) * 0.55
    near = {"in front of": -1.0, "behind": 1.0}
    if relation.name == "on top of":
        under = extent(scene.subjects[j]).height
        places[j] = replace(places[j], x=0.0, y=0.0)
        places[i] = replace(places[i], x=0.0, y=0.0, base=under)
    elif relation.name in near:
        side = near[relation.name]
        places[i] = replace(places[i], x=aside, y=side * apart / 2)
        places[j] = replace(places[j], x=-aside, y=-side * apart / 2)
    else:
        side = -1.0 if relation.name == "left of" else 1.0
        places[i] = replace(places[i], x=side * apart / 2, y=float(rng.uniform(-0.2, 0.2)))
        places[j] = replace(places[j], x=-side * apart / 2, y=float(rng.uniform(-0.2, 0.2)))
    return layout


def _round(size: Extent) -> float:
    return max(size.length, size.depth) / 2


def _aside(
    places: dict[int, Placement], busy: set, place: Placement, layout: Layout, lettered: bool
) -> Placement:
    """A spot behind the action for a subject that has no part in it, far from the others."""
    others = [places[k] for k in busy if k is not None]
    back = 2.3 if layout.wall is not None else 1.5
    spots = [(-1.7, back), (1.7, back), (0.0, back + 0.4)]
    if layout.along[0] == 0.0 or layout.wall is not None:
        spots = spots[:2]
    if lettered:  # not before the board
        spots = [spot for spot in spots if spot[0] * layout.board < 0.0]

    def room(spot: tuple[float, float]) -> float:
        return min(math.hypot(spot[0] - p.x, spot[1] - p.y) for p in others)

    x, y = max(spots, key=room)
    return replace(place, x=x, y=y)


_INTERACTIONS = {
    "collides": _collides, "pushes": _pushes, "topples": _topples, "hides": _hides,
    "paints": _paints, "picks": _picks, "eats": _eats,
}  # fmt: skip
