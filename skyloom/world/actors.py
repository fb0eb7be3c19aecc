"""Hands on a subject of a running simulation: where it is, and how it is moved about."""

import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from skyloom.world.bodies import FREE_KINDS, MASS, METRES, WHEEL, extent
from skyloom.world.layout import Placement
from skyloom.world.scene import Subject

if TYPE_CHECKING:
    import mujoco

_STRIDE = 0.55  # radians that a leg swings forward and back
_LEG = 0.60  # of a robot's size
_HOP = 0.36  # height of a hop, of a rabbit's size
_PAUSE = 0.14  # seconds on the ground between hops


class Actor:
    """One subject of the simulation.

    Attributes:
        free: whether it is a free body; otherwise its root is driven.
        position: the middle of its body (free) or of its feet (driven); follows the simulation.
    """

    def __init__(
        self, model: "mujoco.MjModel", data: "mujoco.MjData", subject: Subject, index: int
    ):
        self.subject, self.index, self.name = subject, index, f"s{index}"
        self.free = subject.kind in FREE_KINDS
        self.size, self.scale = extent(subject), METRES[subject.size]
        self._model, self._data = model, data
        self.body: int = model.body(self.name).id
        self.geom: int = model.geom(f"{self.name}.solid").id
        joint = model.joint(f"{self.name}.free" if self.free else f"{self.name}.x").id
        self._q, self._v = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])
        self.motors = {
            model.actuator(i).name.partition(".")[2]: i
            for i in range(model.nu)
            if model.actuator(i).name.startswith(f"{self.name}.")
        }
        self.position: np.ndarray = data.xpos[self.body]
        self.phase = 0.0

    @property
    def velocity(self) -> Float[np.ndarray, "3"]:
        """Metres a second along x, y and z."""
        return self._data.qvel[self._v : self._v + 3]

    def place(self, place: Placement) -> None:
        """Put it where the layout says, with the velocity that the layout says."""
        q, v, data = self._q, self._v, self._data
        if not self.free:
            data.qpos[q : q + 4] = place.x, place.y, place.base, place.heading
            if place.spin:
                data.ctrl[self.motors["yaw"]] = data.qvel[v + 3] = place.spin
            return
        half = (self.size.length if place.lying else self.size.height) / 2
        lift = 0.1 if place.tilt else 0.0
        data.qpos[q : q + 3] = place.x, place.y, place.base + half + lift
        turned = _about((0, 0, 1), place.heading)
        if place.lying:
            turned = _times(turned, _about((1, 0, 0), math.pi / 2))
        data.qpos[q + 3 : q + 7] = _times(turned, _about((0, 1, 0), place.tilt))
        data.qvel[v : v + 2] = place.velocity
        if place.rolling:
            radius = self.size.length / 2
            turning = np.array([-place.velocity[1], place.velocity[0], 0.0]) / radius
            data.qvel[v + 3 : v + 6] = _inverse_rotated(data.qpos[q + 3 : q + 7], turning)
        data.qvel[v + 5] += place.spin

    def drive(self, along: tuple[float, float], speed: float, step: float) -> None:
        """Move a driven root on by one step of its own gait; free bodies are left alone."""
        if self.free:
            return
        data = self._data
        kind = self.subject.kind
        if kind == "rabbit":
            self._hop(along, speed)
            return
        data.ctrl[self.motors["x"]] = along[0] * speed
        data.ctrl[self.motors["y"]] = along[1] * speed
        now = float(self.velocity[0] * along[0] + self.velocity[1] * along[1])
        if kind == "car":
            self._roll_wheels()
        else:
            self.phase += now * step * math.pi / (2 * _LEG * self.scale * math.sin(_STRIDE))
            self.swing(_STRIDE * math.sin(self.phase))

    def swing(self, angle: float) -> None:
        """Swing a robot's legs, and its arms against them, to this angle."""
        for limb, sign in (("left_leg", 1), ("right_leg", -1), ("left_arm", -1), ("right_arm", 1)):
            self._data.ctrl[self.motors[limb]] = sign * angle

    def halt(self) -> None:
        """Stop a driven root where it is, on its feet."""
        if self.free:
            return
        data = self._data
        for axis in ("x", "y"):
            data.ctrl[self.motors[axis]] = 0.0
        if self.subject.kind == "robot":
            self.swing(0.0)
        elif self.subject.kind == "car":
            self._roll_wheels()
        else:
            data.ctrl[self.motors["trunk"]] *= 0.9

    def coast(self, rate: float) -> None:
        """Let it go: it keeps the speed that an impact gave it and loses `rate` of it a second.

        What a free body turns with dies away faster, or it would roll on against what it hit.
        """
        if self.free:
            damping = self._model.dof_damping
            inertia = self._model.body_inertia[self.body]
            damping[self._v : self._v + 3] = rate * self._model.body_mass[self.body]
            damping[self._v + 3 : self._v + 6] = 8 * rate * inertia
            return
        for axis in ("x", "y"):
            motor, grip = self.motors[axis], rate * MASS
            self._model.actuator_gainprm[motor, 0] = grip
            self._model.actuator_biasprm[motor, 2] = -grip
            self._data.ctrl[motor] = 0.0

    def bow(self, trunk: float, arms: float) -> None:
        """Lean the trunk forward, and raise a robot's arms, to these angles in radians."""
        data, motors = self._data, self.motors
        data.ctrl[motors["trunk"]] = trunk
        for arm in ("left_arm", "right_arm", "reach"):
            if arm in motors:
                data.ctrl[motors[arm]] = -arms
        if "hand" in motors:
            data.ctrl[motors["hand"]] = arms - trunk

    def _roll_wheels(self) -> None:
        yaw = self._data.qpos[self._q + 3]
        ahead = self.velocity[0] * math.cos(yaw) + self.velocity[1] * math.sin(yaw)
        for i in range(4):
            self._data.ctrl[self.motors[f"wheel{i}"]] = ahead / (WHEEL * self.scale)

    def _hop(self, along: tuple[float, float], speed: float) -> None:
        """Jump off when it has stood long enough; in the air only gravity works on its height."""
        data = self._data
        pull = -float(self._model.opt.gravity[2])
        jump = math.sqrt(2 * pull * _HOP * self.scale)
        flight = 2 * jump / pull
        z, rise = self.position[2], self.velocity[2]
        if z < 0.004 and rise <= 0.02:
            if data.time >= self.phase:
                data.qvel[self._v + 2] = jump
                self.phase = data.time + flight + _PAUSE
            ahead, pitch = 0.0, 0.0
        else:
            ahead, pitch = speed * (flight + _PAUSE) / flight, -0.4 * rise / jump
        data.ctrl[self.motors["x"]] = along[0] * ahead
        data.ctrl[self.motors["y"]] = along[1] * ahead
        data.ctrl[self.motors["trunk"]] = pitch


def _about(axis: tuple, angle: float) -> Float[np.ndarray, "4"]:
    return np.array([math.cos(angle / 2), *(math.sin(angle / 2) * a for a in axis)], float)


def _times(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> Float[np.ndarray, "4"]:
    import mujoco

    out = np.empty(4)
    mujoco.mju_mulQuat(out, a, b)
    return out


def _inverse_rotated(
    quat: Float[np.ndarray, "4"], vector: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
    import mujoco

    out, inverse = np.empty(3), np.empty(4)
    mujoco.mju_negQuat(inverse, quat)
    mujoco.mju_rotVecQuat(out, vector, inverse)
    return out
