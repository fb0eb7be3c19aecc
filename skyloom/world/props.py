"""Things that are no subjects: the ground, what stands in a place, and what an action needs."""

import math
from itertools import pairwise
from typing import Any

import numpy as np

from skyloom.world import meshes
from skyloom.world.assembly import BELOW_GROUND, FREE, GROUND, Assembly
from skyloom.world.scene import Word
from skyloom.world.surface import Surface

GROUNDS = {
    "snowfield": Surface((0.80, 0.84, 0.90), texture="snow", subject=-2),
    "desert": Surface((0.62, 0.40, 0.18), texture="sand", subject=-2),
    "meadow": Surface((0.13, 0.30, 0.06), texture="grass", subject=-2),
    "beach": Surface((0.74, 0.60, 0.38), texture="sand", subject=-2),
    "city square": Surface((0.30, 0.30, 0.31), texture="paving", subject=-2),
    "room": Surface((0.36, 0.20, 0.10), texture="planks", subject=-2),
    "moon": Surface((0.24, 0.24, 0.24), texture="regolith", subject=-2),
}
APPLE_RADIUS = 0.20
CRATE = 0.42
"""Edge of the crate that is picked up when there is no other subject to pick."""
BLOCKS, BLOCK = 4, 0.33
"""How many blocks the stack has that is toppled, and the edge of each in metres."""

_WOOD = Surface((0.42, 0.24, 0.10), texture="planks")
_BARK = Surface((0.10, 0.055, 0.03))


def add_ground(assembly: Assembly, place: str, friction: float = 0.6) -> None:
    """Add the ground plane, which is geom 0 of every model."""
    ground = assembly.geom(
        assembly.spec.worldbody, "plane", (60.0, 60.0, 1.0), GROUNDS[place],
        bits=GROUND, name="ground",
    )  # fmt: skip
    ground.friction = [friction, 0.0, 0.0]


def add_place(assembly: Assembly, place: str, rng: np.random.Generator) -> None:
    """Add what stands in a place: never within reach of the action, nor before either camera."""
    {
        "snowfield": _snowfield, "desert": _desert, "meadow": _meadow, "beach": _beach,
        "city square": _city, "room": _room, "moon": _moon,
    }[place](assembly, rng)  # fmt: skip


def _spots(rng: np.random.Generator, count: int, near: float, far: float) -> list[np.ndarray]:
    """Places in an arc behind the action as either camera sees it, apart from each other."""
    angles = np.linspace(math.radians(12), math.radians(205), count)
    angles = angles + rng.uniform(-0.1, 0.1, count)
    reach = rng.uniform(near, far, count)
    return [
        np.array([r * math.cos(a), r * math.sin(a) + 1.0])
        for r, a in zip(reach, angles, strict=True)
    ]


def _snowfield(assembly: Assembly, rng: np.random.Generator) -> None:
    needles = Surface((0.05, 0.16, 0.09))
    meshes.add_mesh(assembly.spec, "fir", *meshes.cone(12), (1.0, 1.0, 2.6))
    for x, y in _spots(rng, 5, 6.0, 9.0):
        assembly.geom(assembly.spec.worldbody, "mesh", (), needles, (x, y, 0.3), mesh="fir")
    snow = GROUNDS["snowfield"]
    for x, y in _spots(rng, 3, 7.5, 10.0):
        _static(assembly, "ellipsoid", (2.2, 1.3, 0.5), snow, (x + 1.5, y, 0.0))


def _desert(assembly: Assembly, rng: np.random.Generator) -> None:
    cactus = Surface((0.10, 0.26, 0.08))
    for x, y in _spots(rng, 3, 5.5, 8.0):
        tall = rng.uniform(0.7, 1.1)
        _static(assembly, "capsule", (0.20, tall), cactus, (x, y, tall))
        _static(assembly, "capsule", (0.13, 0.28), cactus, (x + 0.5, y, tall + 0.2))
        _static(
            assembly,
            "capsule",
            (0.13, 0.15),
            cactus,
            (x + 0.3, y, tall - 0.08),
            (0.707, 0, 0.707, 0),
        )
    sand = GROUNDS["desert"]
    for x, y in _spots(rng, 4, 12.0, 16.0):
        _static(assembly, "ellipsoid", (4.5, 2.5, rng.uniform(0.8, 1.5)), sand, (x, y, -0.1))


def _meadow(assembly: Assembly, rng: np.random.Generator) -> None:
    leaves = Surface((0.07, 0.24, 0.04))
    for x, y in _spots(rng, 4, 6.0, 9.0):
        tall = rng.uniform(0.7, 1.1)
        _static(assembly, "cylinder", (0.16, tall / 2), _BARK, (x, y, tall / 2))
        _static(assembly, "ellipsoid", (0.9, 0.9, 0.8), leaves, (x, y, tall + 0.6))
    for x, y in _spots(rng, 2, 4.5, 5.5):
        _static(assembly, "ellipsoid", (0.6, 0.5, 0.4), leaves, (x, y, 0.1))


def _beach(assembly: Assembly, rng: np.random.Generator) -> None:
    leaves = Surface((0.10, 0.34, 0.06))
    for x in (-4.6 - rng.uniform(0, 1), -6.5 - rng.uniform(0, 1)):
        y = rng.uniform(0.5, 3.0)
        _static(assembly, "cylinder", (0.13, 1.2), _BARK, (x, y, 1.2), (0.998, 0.0, 0.06, 0.0))
        _static(assembly, "ellipsoid", (1.15, 0.35, 0.14), leaves, (x + 0.2, y, 2.45))
        _static(assembly, "ellipsoid", (0.35, 1.15, 0.14), leaves, (x + 0.2, y, 2.47))
    stone = Surface((0.25, 0.23, 0.20))
    for x in (4.8, 6.0):
        size = rng.uniform(0.3, 0.6)
        _static(assembly, "ellipsoid", (size, size, 0.7 * size), stone, (x, 2.5 * size + 1.0, 0.1))


def _city(assembly: Assembly, rng: np.random.Generator) -> None:
    walls = ((0.45, 0.22, 0.14), (0.50, 0.45, 0.36), (0.30, 0.33, 0.38), (0.42, 0.36, 0.30))
    edges = (-9.5, -4.8, -0.6, 4.0, 9.0)
    for i, (left, right) in enumerate(pairwise(edges)):
        tall = rng.uniform(1.2, 2.6)
        color = walls[(i + int(rng.integers(4))) % 4]
        half = (right - left) / 2 - 0.1
        _static(
            assembly, "box", (half, 1.5, tall), Surface(color, texture="brick"),
            ((left + right) / 2, 9.0 + rng.uniform(0, 0.6), tall),
        )  # fmt: skip
    for y in (-3.0, 3.2):
        tall = rng.uniform(1.2, 2.4)
        _static(
            assembly, "box", (1.5, 2.7, tall),
            Surface(walls[int(rng.integers(4))], texture="brick"), (-9.5, y, tall),
        )  # fmt: skip
    for x in (-4.2, 4.2):
        _static(assembly, "cylinder", (0.07, 1.5), Surface((0.05, 0.06, 0.06)), (x, 4.6, 1.5))
        _static(assembly, "sphere", (0.22,), Surface((1.0, 0.8, 0.5), "glow"), (x, 4.6, 3.1))


def _room(assembly: Assembly, rng: np.random.Generator) -> None:
    paper = ((0.55, 0.50, 0.40), (0.40, 0.50, 0.52), (0.58, 0.44, 0.42), (0.50, 0.55, 0.42))
    wall = Surface(paper[int(rng.integers(4))])
    skirting = Surface((0.70, 0.68, 0.64))
    _static(assembly, "box", (9.5, 0.1, 3.0), wall, (0.8, 4.6, 3.0))
    _static(assembly, "box", (0.1, 9.0, 3.0), wall, (-7.0, -4.3, 3.0))
    _static(assembly, "box", (0.1, 9.0, 3.0), wall, (9.5, -4.3, 3.0))
    _static(assembly, "box", (9.5, 0.04, 0.10), skirting, (0.8, 4.46, 0.10))
    x = float(rng.choice((-1.0, 1.0)) * rng.uniform(1.6, 2.6))
    _static(assembly, "box", (0.75, 0.05, 0.6), Surface((0.75, 0.74, 0.70)), (x, 4.45, 2.2))
    _static(
        assembly, "box", (0.65, 0.06, 0.5), Surface((0.25, 0.45, 0.70), "shiny"), (x, 4.44, 2.2)
    )


def _moon(assembly: Assembly, rng: np.random.Generator) -> None:
    stone = Surface((0.20, 0.20, 0.20), texture="regolith")
    for x, y in _spots(rng, 7, 4.8, 9.0):
        size = rng.uniform(0.25, 0.75)
        _static(assembly, "ellipsoid", (size, 0.8 * size, 0.6 * size), stone, (x, y, 0.1))


def _static(
    assembly: Assembly, shape: str, size: tuple, surface: Surface, at: tuple,
    quat: tuple = (1.0, 0.0, 0.0, 0.0),
) -> Any:  # fmt: skip
    return assembly.geom(assembly.spec.worldbody, shape, size, surface, at, quat)


def add_wall(assembly: Assembly, x: float, half_width: float, height: float) -> None:
    """The wall that a subject passes behind: across y = 0, its middle at x."""
    brick = Surface((0.48, 0.30, 0.22), texture="brick")
    stone = Surface((0.55, 0.54, 0.50))
    _static(assembly, "box", (half_width, 0.10, height / 2), brick, (x, 0.0, height / 2))
    _static(assembly, "box", (half_width + 0.04, 0.14, 0.04), stone, (x, 0.0, height))


def add_word(assembly: Assembly, word: Word, at: tuple[float, float]) -> None:
    """A sign on two posts or a blackboard on its stand, facing the first camera."""
    x, y = at
    half = 0.15 + 0.26 * len(word.text)
    if word.surface == "sign":
        board = Surface((0.85, 0.82, 0.72), text=word.text)
        frame, low, tall = Surface((0.20, 0.11, 0.05)), 1.65, 0.40
    else:
        board = Surface((0.015, 0.06, 0.04), text=word.text)
        frame, low, tall = Surface((0.40, 0.24, 0.10)), 1.35, 0.55
    middle = low + tall
    _static(assembly, "box", (half, 0.03, tall), board, (x, y, middle))
    _static(assembly, "box", (half + 0.06, 0.03, tall + 0.06), frame, (x, y + 0.04, middle))
    for side in (-0.8, 0.8):
        _static(
            assembly, "cylinder", (0.05, middle / 2), frame, (x + side * half, y + 0.1, middle / 2)
        )


def add_stack(assembly: Assembly, x: float) -> None:
    """Blocks on each other, bodies 'block0' (the lowest) and up."""
    for i in range(BLOCKS):
        block = assembly.spec.worldbody.add_body(
            name=f"block{i}", pos=[x, 0.0, BLOCK * (i + 0.5)], quat=[1, 0, 0, 0.03 * (i - 1)]
        )
        block.add_freejoint()
        shade = (1.0, 0.7)[i % 2]
        wood = Surface((0.55 * shade, 0.36 * shade, 0.17 * shade), texture="planks")
        geom = assembly.geom(block, "box", (BLOCK / 2,) * 3, wood, mass=0.12, bits=FREE)
        geom.friction = [0.8, 0.0, 0.0]


def add_crate(assembly: Assembly, at: tuple[float, float]) -> None:
    """The free body 'crate', to be picked up."""
    crate = assembly.spec.worldbody.add_body(name="crate", pos=[*at, CRATE / 2])
    crate.add_freejoint()
    assembly.geom(crate, "box", (CRATE / 2,) * 3, _WOOD, mass=0.3, bits=FREE)
    iron = Surface((0.08, 0.08, 0.09))
    for z in (-1, 1):
        half = (CRATE / 2 + 0.005, CRATE / 2 + 0.005, 0.03)
        assembly.geom(crate, "box", half, iron, (0.0, 0.0, z * (CRATE / 2 - 0.06)))


def add_apple(assembly: Assembly, at: tuple[float, float]) -> None:
    """The mocap body 'food' on the ground: an apple with geom 'food.flesh', a stalk and a leaf."""
    food = assembly.spec.worldbody.add_body(name="food", mocap=True, pos=[*at, APPLE_RADIUS])
    red = Surface((0.60, 0.02, 0.02), material="shiny")
    assembly.geom(food, "sphere", (APPLE_RADIUS,), red, name="food.flesh")
    assembly.geom(food, "cylinder", (0.015, 0.06), _BARK, (0.0, 0.0, APPLE_RADIUS + 0.02))
    leaf = Surface((0.08, 0.40, 0.05))
    assembly.geom(food, "ellipsoid", (0.09, 0.05, 0.02), leaf, (0.09, 0.0, APPLE_RADIUS + 0.05))


def add_paint(
    assembly: Assembly, color: tuple[float, float, float], half: tuple, turn: tuple
) -> None:
    """The mocap body 'paint', hidden below the ground: one flat stroke of the largest size.

    The stage brings it up and shortens it to what has been painted so far; what the compiler
    worked out for its largest size bounds every shorter stroke too.
    """
    paint = assembly.spec.worldbody.add_body(
        name="paint", mocap=True, pos=list(BELOW_GROUND), quat=list(turn)
    )
    assembly.geom(paint, "box", half, Surface(color), name="paint.stroke")
