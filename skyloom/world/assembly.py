"""Putting a MuJoCo model together while keeping, for every geom, the surface it shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from skyloom.world.surface import Surface

HIDDEN_GROUP = 3
"""Geoms of this group collide but are never seen: rays are cast at groups 0..2 only."""

GROUND, FREE, DRIVEN = 1, 3, 2
"""Collision bits. Driven roots (robot, car, rabbit) carry their own floor, a joint limit, and
meet the free bodies and each other; free bodies also meet the ground."""

BELOW_GROUND = (0.0, 0.0, -50.0)
"""Where things wait that must not be seen yet, or any more."""

NOWHERE = Surface(color=(0.0, 0.0, 0.0))


@dataclass
class Assembly:
    """A model under construction: MuJoCo's spec, and the surface of each geom by its name."""

    spec: Any
    surfaces: dict[str, Surface] = field(default_factory=dict)

    def geom(
        self,
        body: Any,
        shape: str,
        size: Sequence[float],
        surface: Surface | None,
        at: Sequence[float] = (0.0, 0.0, 0.0),
        quat: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
        mass: float = 0.0,
        bits: int = 0,
        mesh: str | None = None,
        name: str | None = None,
    ) -> Any:
        """Add a geom; without a surface it only collides, without bits it is only seen.

        Args:
            shape: 'plane', 'sphere', 'capsule', 'ellipsoid', 'cylinder', 'box' or 'mesh'.
            size: MuJoCo's half sizes in metres, one to three of them (ignored for a mesh).
            quat: orientation in the body's frame, (w, x, y, z).
            bits: collision bits, both what it is and what it meets; 0 for none.
        """
        import mujoco

        name = name or f"geom{len(self.surfaces)}"
        geom = body.add_geom(
            name=name,
            type=getattr(mujoco.mjtGeom, f"mjGEOM_{shape.upper()}"),
            size=[*size, 0.0, 0.0][:3],
            pos=list(at),
            quat=list(quat),
            mass=mass,
            contype=bits,
            conaffinity=bits,
            group=HIDDEN_GROUP if surface is None else 0,
        )
        if mesh is not None:
            geom.meshname = mesh
        self.surfaces[name] = NOWHERE if surface is None else surface
        return geom

    def in_order(self, model: Any) -> tuple[Surface, ...]:
        """The surfaces in the order of the compiled model's geoms."""
        return tuple(self.surfaces[model.geom(i).name] for i in range(model.ngeom))
