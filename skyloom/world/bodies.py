"""The bodies of the subjects: each kind from a few primitives and, for cone and ring, a mesh.

Free kinds (ball, cube, cylinder, cone, ring) hang on a free joint and are simulated in full.
Driven kinds (robot, car, rabbit) face +x and stand on a root that slides along x, y and z and
turns about z; velocity actuators move it, position actuators swing the limbs.
Darker marks make turning visible on bodies that would look the same from every side.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from skyloom.world import meshes
from skyloom.world.assembly import DRIVEN, FREE, Assembly
from skyloom.world.scene import Subject
from skyloom.world.surface import Surface

PALETTE: dict[str, tuple[float, float, float]] = {
    "red": (0.72, 0.02, 0.02),
    "orange": (0.92, 0.24, 0.01),
    "yellow": (0.92, 0.70, 0.02),
    "green": (0.03, 0.40, 0.05),
    "cyan": (0.03, 0.66, 0.74),
    "blue": (0.02, 0.07, 0.70),
    "purple": (0.25, 0.02, 0.48),
    "pink": (0.95, 0.27, 0.47),
    "brown": (0.17, 0.06, 0.02),
    "white": (0.88, 0.88, 0.88),
    "black": (0.010, 0.010, 0.012),
}
"""Linear red, green and blue of the colour words."""

METRES = {"small": 0.75, "medium": 1.00, "large": 1.30}
"""About how far across a subject of each size is."""

FREE_KINDS = ("ball", "cube", "cylinder", "cone", "ring")
DRIVEN_KINDS = ("robot", "car", "rabbit")
TUBE = 0.24  # radius of the ring's tube, of its outer radius
WHEEL = 0.17  # of the car's size: radius of its wheels
SIDEWAYS = (math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0)  # turns z into -y: an axle's direction


MASS = 1.5
"""Kilograms of every subject: whoever collides, both bounce off."""
GRIP = 60.0
"""Newton seconds a metre and kilogram with which a driven root keeps its speed."""


@dataclass(frozen=True)
class Feel:
    """How a free body touches and resists.

    Attributes:
        friction: sliding friction with all that it touches.
        damping: of its joint, as a share of its mass.
        solref: MuJoCo's stiffness and damping of its contacts; the default does not bounce.
        weight: how many times its usual mass it has.
    """

    friction: float = 0.5
    damping: float = 0.0
    solref: tuple[float, float] | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Extent:
    """Length along the heading, depth across it and height of an upright subject, in metres."""

    length: float
    depth: float
    height: float


_EXTENTS = {
    "ball": Extent(1.0, 1.0, 1.0),
    "cube": Extent(0.85, 0.85, 0.85),
    "cylinder": Extent(0.8, 0.8, 0.95),
    "cone": Extent(1.0, 1.0, 1.1),
    "ring": Extent(1.1, 1.1 * TUBE, 1.1),
    "robot": Extent(0.45, 0.85, 1.5),
    "car": Extent(1.4, 0.8, 0.78),
    "rabbit": Extent(1.05, 0.6, 1.2),
}


def extent(subject: Subject) -> Extent:
    """How large a subject is when it stands upright and heads along +x."""
    scale, unit = METRES[subject.size], _EXTENTS[subject.kind]
    return Extent(unit.length * scale, unit.depth * scale, unit.height * scale)


@dataclass(frozen=True)
class _Part:
    """Where geoms go: a body, the prefix of its names, the subject's metres and its skin."""

    assembly: Assembly
    body: Any
    name: str
    scale: float
    skin: Surface

    def add(
        self,
        shape: str,
        size: tuple,
        surface: Surface | None = None,
        at: tuple = (0, 0, 0),
        **how: Any,
    ) -> Any:
        """Add a geom whose sizes are given as shares of the subject's size."""
        scaled = [s * self.scale for s in size]
        at = tuple(a * self.scale for a in at)
        return self.assembly.geom(self.body, shape, scaled, surface or self.skin, at, **how)

    def solid(self, shape: str, size: tuple, **how: Any) -> Any:
        """Add the geom that collides and is seen."""
        return self.add(shape, size, bits=FREE, name=f"{self.name}.solid", **how)

    def child(self, name: str, at: tuple) -> "_Part":
        """A body that hangs on this one."""
        where = [a * self.scale for a in at]
        body = self.body.add_body(name=f"{self.name}.{name}", pos=where)
        return replace(self, body=body)

    def hinge(self, name: str, axis: tuple, stiff: float | None) -> None:
        """A hinge with an actuator of its name: of position, or of speed if `stiff` is None."""
        import mujoco

        name = f"{self.name}.{name}"
        self.body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=axis, armature=0.02)
        motor = self.assembly.spec.add_actuator(
            name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT
        )
        if stiff is None:
            motor.set_to_velocity(kv=2.0)
        else:
            motor.set_to_position(kp=stiff, dampratio=1.0)

    @property
    def mark(self) -> Surface:
        """A darker skin, or a lighter one on dark colours, for marks that show turning."""
        red, green, blue = self.skin.color
        if max(self.skin.color) < 0.2:
            return replace(self.skin, color=(red + 0.25, green + 0.25, blue + 0.25))
        return replace(self.skin, color=(red * 0.3, green * 0.3, blue * 0.3))


def add_subject(
    assembly: Assembly, subject: Subject, index: int, feel: Feel, word: str | None, carries: bool
) -> None:
    """Add the body 's<index>' of a subject, with its joints and actuators, to the assembly.

    The geom that collides is named 's<index>.solid'. `word` stands on the sides of a car;
    a robot that `carries` has a body '<name>.hand' to weld things to.
    """
    import mujoco

    name, scale = f"s{index}", METRES[subject.size]
    body = assembly.spec.worldbody.add_body(name=name)
    skin = Surface(color=PALETTE[subject.color], material=subject.material, subject=index)
    part = _Part(assembly, body, name, scale, skin)
    if subject.kind in FREE_KINDS:
        joint = body.add_freejoint(name=f"{name}.free")
        joint.damping = [feel.damping * feel.weight * MASS, 0.0, 0.0]
        geom = _FREE[subject.kind](part)
        geom.mass, geom.priority, geom.condim = feel.weight * MASS, 1, 3
        geom.friction = [feel.friction, 0.0, 0.0]
        if feel.solref is not None:
            geom.solref = list(feel.solref)
        return
    size = extent(subject)
    for axis, vector in (("x", (1, 0, 0)), ("y", (0, 1, 0)), ("z", (0, 0, 1))):
        body.add_joint(name=f"{name}.{axis}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=vector)
    floor = body.joints[-1]
    floor.limited, floor.range = mujoco.mjtLimited.mjLIMITED_TRUE, [0.0, 50.0]
    body.add_joint(name=f"{name}.yaw", type=mujoco.mjtJoint.mjJNT_HINGE, axis=(0, 0, 1))
    for axis in ("x", "y", "yaw"):
        motor = assembly.spec.add_actuator(
            name=f"{name}.{axis}", target=f"{name}.{axis}", trntype=mujoco.mjtTrn.mjTRN_JOINT
        )
        motor.set_to_velocity(kv=GRIP * MASS)
    half = (size.length / 2, size.depth / 2, size.height / 2)
    assembly.geom(
        body, "box", half, None, (0, 0, size.height / 2),
        mass=MASS, bits=DRIVEN, name=f"{name}.solid",
    )  # fmt: skip
    if subject.kind == "robot":
        _robot(part, carries)
    elif subject.kind == "car":
        _car(part, word)
    else:
        _rabbit(part)


def _ball(part: _Part) -> Any:
    # A band about the heading: it rolls into view and away again, and spins visibly too.
    part.add("cylinder", (0.503, 0.05), part.mark, quat=_turn((0, 1, 0), 1.2))
    return part.solid("sphere", (0.5,))


def _cube(part: _Part) -> Any:
    return part.solid("box", (0.425, 0.425, 0.425))


def _cylinder(part: _Part) -> Any:
    part.add("box", (0.403, 0.07, 0.478), part.mark)
    return part.solid("cylinder", (0.4, 0.475))


def _cone(part: _Part) -> Any:
    name = f"{part.name}.cone"
    radius, height = 0.5 * part.scale, 1.1 * part.scale
    meshes.add_mesh(part.assembly.spec, name, *meshes.cone(), (radius, radius, height))
    fin = f"{part.name}.fin"
    meshes.add_mesh(
        part.assembly.spec, fin, *meshes.fin(0.13), (1.03 * radius, 1.03 * radius, height)
    )
    part.add("mesh", (), part.mark, at=(0, 0, -0.55), mesh=fin)
    return part.solid("mesh", (), at=(0, 0, -0.55), mesh=name)


def _ring(part: _Part) -> Any:
    name, radius = f"{part.name}.torus", 0.55 * part.scale
    meshes.add_mesh(part.assembly.spec, name, *meshes.torus(TUBE), (radius, radius, radius))
    part.add("mesh", (), mesh=name)
    middle = 0.55 * (1 - TUBE)  # of the tube
    for side in (-1, 1):
        part.add("sphere", (0.55 * TUBE * 1.12,), part.mark, at=(side * middle, 0, 0))
    # A disc as wide as the flat of the tube rolls as smoothly as a torus, and stays upright.
    return part.assembly.geom(
        part.body, "cylinder", (radius, 0.3 * TUBE * radius), None,
        quat=SIDEWAYS, bits=FREE, name=f"{part.name}.solid",
    )  # fmt: skip


_FREE: dict[str, Callable[[_Part], Any]] = {
    "ball": _ball, "cube": _cube, "cylinder": _cylinder, "cone": _cone, "ring": _ring,
}  # fmt: skip

_STEEL = Surface(color=(0.20, 0.21, 0.23))
_DARK = Surface(color=(0.015, 0.015, 0.018))
_GLASS = Surface(color=(0.03, 0.05, 0.07), material="shiny")
_PALE = Surface(color=(0.80, 0.80, 0.76))
_LAMP = Surface(color=(1.0, 0.85, 0.45), material="glow")


def _of(surface: Surface, part: _Part) -> Surface:
    return replace(surface, subject=part.skin.subject)


def _robot(part: _Part, carries: bool) -> None:
    steel, dark = _of(_STEEL, part), _of(_DARK, part)
    for side, y in (("left", 0.17), ("right", -0.17)):
        leg = part.child(f"{side}_leg", (0, y, 0.60))
        leg.hinge(f"{side}_leg", (0, 1, 0), stiff=60.0)
        leg.add("capsule", (0.075, 0.22), steel, at=(0, 0, -0.26), mass=0.05)
        leg.add("box", (0.15, 0.10, 0.05), at=(0.04, 0, -0.55))
    trunk = part.child("trunk", (0, 0, 0.60))
    trunk.hinge("trunk", (0, 1, 0), stiff=400.0)
    trunk.add("box", (0.20, 0.30, 0.25), at=(0, 0, 0.25), mass=0.2)
    trunk.add("box", (0.17, 0.20, 0.15), at=(0, 0, 0.70))
    trunk.add("box", (0.02, 0.15, 0.05), _of(_LAMP, part), at=(0.17, 0, 0.72))
    trunk.add("capsule", (0.07, 0.05), steel, at=(0, 0, 0.53))
    for side, y in (("left", 0.38), ("right", -0.38)):
        arm = trunk.child(f"{side}_arm", (0, y, 0.45))
        arm.hinge(f"{side}_arm", (0, 1, 0), stiff=60.0)
        arm.add("capsule", (0.07, 0.24), steel, at=(0, 0, -0.24), mass=0.05)
        arm.add("sphere", (0.10,), dark, at=(0, 0, -0.56))
    if not carries:
        return
    carrier = trunk.child("reach", (0, 0, 0.45))
    carrier.hinge("reach", (0, 1, 0), stiff=600.0)
    carrier.add("sphere", (0.01,), dark, mass=0.05)
    hand = carrier.child("hand", (0, 0, -0.60))
    hand.hinge("hand", (0, 1, 0), stiff=300.0)
    hand.add("sphere", (0.01,), dark, mass=0.05)


def _car(part: _Part, word: str | None) -> None:
    dark, glass = _of(_DARK, part), _of(_GLASS, part)
    part.add("box", (0.70, 0.36, 0.17), at=(0, 0, 0.32))
    if word is None:
        part.add("box", (0.36, 0.31, 0.145), glass, at=(-0.08, 0, 0.62))
        part.add("box", (0.37, 0.32, 0.03), at=(-0.08, 0, 0.765))
    else:  # a van: its box carries the word
        part.add("box", (0.24, 0.32, 0.13), glass, at=(0.42, 0, 0.60))
        part.add("box", (0.58, 0.36, 0.27), at=(-0.13, 0, 0.74))
        board = replace(_of(_PALE, part), text=word)
        for y, turned in ((-0.37, 0.0), (0.37, math.pi)):
            part.add(
                "box", (0.55, 0.02, 0.245), board, at=(-0.13, y, 0.74),
                quat=_turn((0, 0, 1), turned),
            )  # fmt: skip
    for y in (0.22, -0.22):
        part.add("sphere", (0.07,), _of(_LAMP, part), at=(0.68, y, 0.36))
    for i, (x, y) in enumerate(((0.42, 0.33), (0.42, -0.33), (-0.42, 0.33), (-0.42, -0.33))):
        wheel = part.child(f"wheel{i}", (x, y, WHEEL))
        wheel.hinge(f"wheel{i}", (0, 1, 0), stiff=None)
        wheel.add("cylinder", (WHEEL, 0.07), dark, quat=SIDEWAYS, mass=0.02)
        wheel.add("box", (0.13, 0.075, 0.03), _of(_PALE, part))


def _rabbit(part: _Part) -> None:
    dark, pale = _of(_DARK, part), _of(_PALE, part)
    trunk = part.child("trunk", (-0.1, 0, 0.35))
    trunk.hinge("trunk", (0, 1, 0), stiff=300.0)
    trunk.add("ellipsoid", (0.42, 0.28, 0.30), at=(-0.02, 0, 0.0), mass=0.1)
    trunk.add("sphere", (0.23,), at=(0.42, 0, 0.26))
    for y in (0.10, -0.10):
        trunk.add(
            "ellipsoid", (0.06, 0.085, 0.27), at=(0.33, y, 0.63), quat=_turn((0, 1, 0), -0.25)
        )
        trunk.add("sphere", (0.045,), dark, at=(0.58, 1.3 * y, 0.32))
        trunk.add("ellipsoid", (0.20, 0.09, 0.07), at=(-0.12, 2.0 * y, -0.27))
        trunk.add("ellipsoid", (0.10, 0.06, 0.11), at=(0.30, 1.5 * y, -0.22))
    trunk.add("sphere", (0.13,), pale, at=(-0.44, 0, 0.05))


def _turn(axis: tuple, angle: float) -> tuple[float, float, float, float]:
    """The quaternion that turns by `angle` radians about a unit axis."""
    s = math.sin(angle / 2)
    return math.cos(angle / 2), axis[0] * s, axis[1] * s, axis[2] * s
