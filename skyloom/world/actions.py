"""What happens: a controller for every action, called before each step of the simulation.

A controller moves what moves by itself, watches for what the action brings about, and writes
both down as events. Free bodies were given their velocity when the scene was laid out.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from skyloom.world.assembly import BELOW_GROUND
from skyloom.world.bodies import extent
from skyloom.world.props import APPLE_RADIUS, BLOCKS
from skyloom.world.scene import ACTIONS

if TYPE_CHECKING:
    from skyloom.world.stage import Stage

_SLIPPERY = 0.02
_COAST = 0.7  # of the speed, a second, after an impact
_STILL = 0.06  # metres a second


@runtime_checkable
class Controller(Protocol):
    """One action on its way."""

    def update(self, stage: "Stage") -> None:
        """Act on the simulation as it stands, before its next step."""
        ...


class Rest:
    """Nothing moves."""

    def update(self, stage: "Stage") -> None:
        pass


class Spin:
    """A free body keeps the spin that it was given; a driven one has its motor."""

    def __init__(self, stage: "Stage"):
        stage.begin(stage.scene.action.name)

    def update(self, stage: "Stage") -> None:
        pass


class Fall:
    """A body drops: 'falls' ends when it first touches down, 'bounces' when it lies still."""

    def __init__(self, stage: "Stage"):
        self._name = stage.scene.action.name
        stage.begin(self._name)
        self._calm = 0

    def update(self, stage: "Stage") -> None:
        if not stage.running(self._name):
            return
        actor = stage.actor
        if self._name == "falls":
            if stage.touches(actor, 0):
                stage.end(self._name)
            return
        slow = abs(actor.velocity[2]) < _STILL and actor.position[2] < 0.55 * actor.size.height
        self._calm = self._calm + 1 if slow else 0
        if self._calm > 20:
            stage.end(self._name)


class Travel:
    """The acting subject goes its way, to the end of the way, at an even speed.

    Args:
        share: of the layout's seconds that the way takes.
        event: what is written down, None for nothing.
    """

    def __init__(self, stage: "Stage", share: float = 1.0, event: str | None = None):
        layout = stage.layout
        self._actor, self._along, self._length = stage.actor, layout.along, layout.length
        self._speed = layout.length / (layout.seconds * share)
        self._start = self._actor.position.copy()
        self._event = event
        self.done = self._coasting = False
        if event is not None:
            stage.begin(event)

    @property
    def travelled(self) -> float:
        """Metres along the way."""
        gone = self._actor.position - self._start
        return float(gone[0] * self._along[0] + gone[1] * self._along[1])

    def update(self, stage: "Stage") -> None:
        actor = self._actor
        if actor.free:
            speed = math.hypot(actor.velocity[0], actor.velocity[1])
            arrived = stage.data.time > 0.2 and speed < _STILL
            if not self._coasting and self.travelled >= self._length:
                self._coasting = True
                actor.coast(2 * _COAST)  # it has gone its way: it rolls out
        else:
            arrived = self.travelled >= self._length
            if arrived:
                actor.halt()
            else:
                actor.drive(self._along, self._speed, stage.step)
        if arrived and not self.done:
            self.done = True
            if self._event is not None:
                stage.end(self._event)


class Collide:
    """Two subjects run into each other; the impact throws them apart."""

    def __init__(self, stage: "Stage"):
        action = stage.scene.action
        assert action.object is not None
        self._pair = (stage.actors[action.subject], stage.actors[action.object])
        sign = stage.layout.along[0]
        self._ways = ((sign, 0.0), (-sign, 0.0))
        self._speeds = [abs(p.velocity[0]) for p in stage.layout.placements]
        self._hit = False
        stage.begin("collides")

    def update(self, stage: "Stage") -> None:
        a, b = self._pair
        if not self._hit and stage.touches(a, b.geom):
            self._hit = True
            stage.begin("contact")
            stage.end("contact")
            stage.end("collides")
            for actor in self._pair:
                actor.coast(_COAST)
                stage.model.geom_friction[actor.geom, 0] = _SLIPPERY
        for actor, way in zip(self._pair, self._ways, strict=True):
            if self._hit:
                actor.halt()
            else:
                actor.drive(way, self._speeds[actor.index], stage.step)


class Push:
    """A driven subject shoves another along."""

    def __init__(self, stage: "Stage"):
        self._travel = Travel(stage, event="pushes")
        action = stage.scene.action
        assert action.object is not None
        self._object = stage.actors[action.object]

    def update(self, stage: "Stage") -> None:
        self._travel.update(stage)
        if not stage.known("contact") and stage.touches(stage.actor, self._object.geom):
            stage.begin("contact")
        if self._travel.done:
            stage.end("contact")


class Topple:
    """A subject runs into a stack of blocks; 'topples' is over when the top block is down."""

    def __init__(self, stage: "Stage"):
        self._travel = Travel(stage, share=0.45)
        self._top = stage.model.body(f"block{BLOCKS - 1}").id
        self._height = float(stage.data.xpos[self._top, 2])
        stage.begin("topples")

    def update(self, stage: "Stage") -> None:
        self._travel.update(stage)
        height = stage.data.xpos[self._top, 2]
        if not stage.known("tips") and height < 0.97 * self._height:
            stage.begin("tips")
            if stage.actor.free:
                stage.actor.coast(_COAST)
        if height < 0.85 * self._height:
            stage.end("tips")
            stage.end("topples")


class Hide:
    """A subject passes behind a wall and comes out again; 'hidden' is while the wall covers it."""

    def __init__(self, stage: "Stage"):
        self._travel = Travel(stage, event="hides")
        assert stage.layout.wall is not None
        size = extent(stage.actor.subject)
        lane = stage.layout.placements[stage.actor.index].y
        # What the wall covers at the depth of the lane, from 6 m before the wall.
        self._reach = stage.layout.wall[0] * (6.0 + lane) / 6.0 - size.length / 2

    def update(self, stage: "Stage") -> None:
        self._travel.update(stage)
        inside = abs(stage.actor.position[0]) < self._reach
        if inside and not stage.known("hidden"):
            stage.begin("hidden")
        elif not inside:
            stage.end("hidden")


class Paint:
    """A subject leaves a stroke where it has passed."""

    def __init__(self, stage: "Stage"):
        self._travel = Travel(stage, event="paints")
        body = stage.model.body("paint")
        self._mocap = int(body.mocapid[0])
        self._stroke = stage.model.geom("paint.stroke").id
        self._start = stage.actor.position.copy()

    def update(self, stage: "Stage") -> None:
        self._travel.update(stage)
        gone = min(self._travel.travelled, stage.layout.length + 0.1)
        if gone < 0.02:
            return
        along = stage.layout.along
        x, y = (self._start[i] + along[i] * gone / 2 for i in (0, 1))
        stage.data.mocap_pos[self._mocap] = x, y, 0.0
        stage.model.geom_size[self._stroke, 0] = gone / 2


class Pick:
    """A robot goes to a thing, bows, takes hold of it and lifts it; it stays lifted."""

    def __init__(self, stage: "Stage"):
        self._travel = Travel(stage, share=0.42)
        self._grip = stage.model.equality("grip").id
        self._arrived: float | None = None
        self._held = False
        self._pace = stage.layout.seconds / 3.68
        stage.begin("picks")

    def update(self, stage: "Stage") -> None:
        if not self._travel.done:
            self._travel.update(stage)
            return
        now = float(stage.data.time)
        if self._arrived is None:
            self._arrived = now
        since = (now - self._arrived) / self._pace
        if since < 0.5:
            down = _ease(since / 0.5)
            stage.actor.bow(0.65 * down, 0.55 * down)
        else:
            if not self._held:
                self._held = True
                stage.weld(self._grip)
                stage.begin("lifted")
            up = _ease((since - 0.55) / 0.9)
            stage.actor.bow(0.65 * (1 - up), 0.55 + 1.15 * up)
            if up >= 1.0:
                stage.end("picks")


class Eat:
    """A subject goes to the apple and eats it in three bites; it stays gone."""

    def __init__(self, stage: "Stage"):
        self._travel = Travel(stage, share=0.62)
        self._mocap = int(stage.model.body("food").mocapid[0])
        self._flesh = stage.model.geom("food.flesh").id
        self._arrived: float | None = None
        self._pace = stage.layout.seconds / 3.68
        stage.begin("eats")

    def update(self, stage: "Stage") -> None:
        self._travel.update(stage)
        if not self._travel.done or not stage.running("eats"):
            return
        now = float(stage.data.time)
        if self._arrived is None:
            self._arrived = now
        since = (now - self._arrived) / self._pace
        actor = stage.actor
        lean = 0.45 if actor.subject.kind == "rabbit" else 0.9
        actor.bow(lean * _ease(since / 0.3), 0.6 * _ease(since / 0.3))
        bites = int(max(since - 0.35, 0.0) / 0.2)
        if bites < 3:
            stage.model.geom_size[self._flesh, 0] = APPLE_RADIUS * (1.0 - 0.22 * bites)
            return
        stage.data.mocap_pos[self._mocap] = BELOW_GROUND
        actor.bow(0.0, 0.0)
        stage.begin("gone")
        stage.end("eats")


def controller(stage: "Stage") -> Controller:
    """The controller of the action of a stage's scene."""
    name = stage.scene.action.name
    assert name in ACTIONS
    special: dict[str, Callable[[Stage], Controller]] = {
        "spins": Spin, "falls": Fall, "bounces": Fall, "collides": Collide, "pushes": Push,
        "topples": Topple, "hides": Hide, "paints": Paint, "picks": Pick, "eats": Eat,
    }  # fmt: skip
    if name == "rests":
        return Rest()
    if name in special:
        return special[name](stage)
    return Travel(stage, event=name)


def _ease(t: float) -> float:
    """From 0 to 1 without a jolt."""
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)
