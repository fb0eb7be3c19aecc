"""A scene as a running MuJoCo simulation."""

from typing import Any

import numpy as np
from jaxtyping import Float

from skyloom.extras import need
from skyloom.world import props
from skyloom.world.actions import controller
from skyloom.world.actors import Actor
from skyloom.world.assembly import Assembly
from skyloom.world.bodies import PALETTE, add_subject
from skyloom.world.layout import Layout, gravity, plan
from skyloom.world.scene import Scene
from skyloom.world.surface import Surface

STEP = 0.004
"""Seconds of one step of the simulation."""
HOME = (0.0, 0.0, 0.55)
"""What cameras look at that do not follow."""
_BOUNCE = (-12000.0, -6.0)  # solref of subjects that collide


class Stage:
    """The running simulation of a scene; `build_stage` makes one.

    Geom 0 is the ground. Geoms of group 3 only collide and must not be seen: rays are for groups
    0..2. What cannot be seen yet, or any more (paint, eaten food), is far below the ground.

    Attributes:
        model, data: MuJoCo's, as of now.
        surfaces: the look of every geom, `model.ngeom` of them.
        layout: the plan of the scene.
        actors: one a subject.
        events: {"name", "subject", "object", "start", "end"} so far; what goes on ends with None.
        step: seconds of a step.
    """

    def __init__(self, scene: Scene, layout: Layout, model: Any, surfaces: tuple[Surface, ...]):
        mujoco = need("mujoco", extra="world")
        self.scene, self.layout, self.surfaces, self.step = scene, layout, surfaces, STEP
        self.model = model
        self.data = mujoco.MjData(model)
        self.events: list[dict] = []
        self._open: dict[str, dict] = {}
        self.actors = tuple(
            Actor(model, self.data, subject, i) for i, subject in enumerate(scene.subjects)
        )
        self.actor = self.actors[scene.action.subject]
        for actor, place in zip(self.actors, layout.placements, strict=True):
            actor.place(place)
        mujoco.mj_forward(model, self.data)
        self._controller = controller(self)
        self._due = 0.0
        self._advance = mujoco.mj_step

    @property
    def focus(self) -> Float[np.ndarray, "3"]:
        """Where a camera that follows the acting subject looks: above the ground it is on."""
        x, y, _ = self.actor.position
        return np.array([x, y, HOME[2]])

    @property
    def home(self) -> Float[np.ndarray, "3"]:
        """Where a camera looks that does not follow."""
        return np.array(HOME)

    def advance(self, seconds: float) -> None:
        """Run the simulation on; what remains of a step is made up for by the next call."""
        self._due += seconds
        data, model, act = self.data, self.model, self._controller
        while data.time < self._due - STEP / 2:
            act.update(self)
            self._advance(model, data)

    def begin(self, name: str) -> None:
        """Write down that an event begins now."""
        action = self.scene.action
        event = {
            "name": name, "subject": action.subject, "object": action.object,
            "start": self._now(), "end": None,
        }  # fmt: skip
        self._open[name] = event
        self.events.append(event)

    def end(self, name: str) -> None:
        """Write down that an event is over; nothing happens if it is not going on."""
        event = self._open.get(name)
        if event is not None and event["end"] is None:
            event["end"] = self._now()

    def known(self, name: str) -> bool:
        """Whether an event has begun."""
        return name in self._open

    def running(self, name: str) -> bool:
        """Whether an event has begun and is not over."""
        return name in self._open and self._open[name]["end"] is None

    def touches(self, actor: Actor, geom: int) -> bool:
        """Whether the actor's solid geom is in contact with a geom."""
        data = self.data
        if data.ncon == 0:
            return False
        pairs = data.contact.geom
        mine = (pairs == actor.geom).any(axis=1)
        return bool((mine & (pairs == geom).any(axis=1)).any())

    def weld(self, equality: int) -> None:
        """Fasten the two bodies of a weld to each other as they are now."""
        import mujoco

        model, data = self.model, self.data
        hand, thing = model.eq_obj1id[equality], model.eq_obj2id[equality]
        back, turn, offset = np.empty(4), np.empty(4), np.empty(3)
        mujoco.mju_negQuat(back, data.xquat[hand])
        mujoco.mju_mulQuat(turn, back, data.xquat[thing])
        mujoco.mju_rotVecQuat(offset, data.xpos[thing] - data.xpos[hand], back)
        model.eq_data[equality, 0:3] = 0.0
        model.eq_data[equality, 3:6] = offset
        model.eq_data[equality, 6:10] = turn
        data.eq_active[equality] = 1

    def _now(self) -> float:
        return round(float(self.data.time), 3)


def build_stage(scene: Scene, duration: float = 4.0) -> Stage:
    """Build the simulation of a scene whose action fits into `duration` seconds.

    The same scene and duration give the same simulation, bit for bit.

    Raises:
        UserError: MuJoCo is not installed.
    """
    mujoco = need("mujoco", extra="world")
    layout = plan(scene, duration)
    spec = mujoco.MjSpec()
    spec.option.timestep = STEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.gravity = [0.0, 0.0, -gravity(scene.place)]
    assembly = Assembly(spec)
    props.add_ground(assembly, scene.place)
    rng = np.random.default_rng((scene.seed, 102))
    props.add_place(assembly, scene.place, rng)
    for i, subject in enumerate(scene.subjects):
        word = scene.word
        lettered = word is not None and word.surface == "car" and subject.kind == "car"
        text = word.text if lettered and word is not None else None
        carries = scene.action.name == "picks" and i == scene.action.subject
        add_subject(assembly, subject, i, layout.feels[i], text, carries)
    if scene.word is not None and scene.word.surface != "car":
        props.add_word(assembly, scene.word, (layout.board, 2.2))
    _add_things(assembly, scene, layout)
    _add_links(assembly, scene)
    model = spec.compile()
    return Stage(scene, layout, model, assembly.in_order(model))


def _add_things(assembly: Assembly, scene: Scene, layout: Layout) -> None:
    """Add what the action needs besides its subjects."""
    if layout.wall is not None:
        props.add_wall(assembly, 0.0, *layout.wall)
    if layout.stack is not None:
        props.add_stack(assembly, layout.stack)
    if layout.crate is not None:
        props.add_crate(assembly, layout.crate)
    if layout.apple is not None:
        props.add_apple(assembly, layout.apple)
    if layout.paint is not None:
        color = PALETTE[scene.subjects[scene.action.subject].color]
        across = layout.along[0] == 0.0
        turn = (0.5**0.5, 0.0, 0.0, 0.5**0.5) if across else (1.0, 0.0, 0.0, 0.0)
        props.add_paint(assembly, color, layout.paint, turn)


def _add_links(assembly: Assembly, scene: Scene) -> None:
    """Join what an action joins: two that collide by a spring, a hand and what it picks up."""
    import mujoco

    action, spec = scene.action, assembly.spec
    name = f"s{action.subject}"
    if action.name == "collides":
        spec.add_pair(
            geomname1=f"{name}.solid", geomname2=f"s{action.object}.solid",
            condim=1, solref=list(_BOUNCE), solimp=[0.98, 0.98, 0.001, 0.5, 2.0],
        )  # fmt: skip
    if action.name == "picks":
        thing = "crate" if action.object is None else f"s{action.object}"
        spec.add_equality(
            name="grip", type=mujoco.mjtEq.mjEQ_WELD, objtype=mujoco.mjtObj.mjOBJ_BODY,
            name1=f"{name}.hand", name2=thing, active=False,
        )  # fmt: skip
