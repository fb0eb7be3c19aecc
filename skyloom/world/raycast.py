"""Rays through MuJoCo's geoms, cast only where something may be hit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

if TYPE_CHECKING:
    import mujoco

_FAR = 1e4
_MOVING, _NEAR, _SCENERY, _HIDDEN, BACKDROP, _GROUND = range(6)
"""Geom groups as the renderer uses them."""
_FAR_BACK = 3.8
"""Metres from the middle of the scene beyond which what never moves is scenery."""
_TOO_LARGE = 2.5
"""Radius in metres of what throws no shadow and is backdrop: walls around a room, houses."""
_BROAD = 0.9
"""Half of the second longest edge in metres that a box of the backdrop has at least."""


@dataclass(frozen=True)
class Part:
    """Some of a model's geoms, which rays can choose.

    Attributes:
        groups: the geom groups that they make up.
        bounds: of these geoms, but for the backdrop's.
        backdrop: whether there is a backdrop among them: geoms so large that bounds are no help.
    """

    groups: tuple[int, ...]
    bounds: "Bounds"
    backdrop: bool


def sort_geoms(model: "mujoco.MjModel") -> dict[str, Part]:
    """Sort the geoms into groups: 'moving', 'things', 'scenery', 'still' and 'all'.

    Moving geoms may be elsewhere in the next frame; things are these and what stands near the
    middle; scenery never moves and stands far back; still is what never moves and throws a shadow.
    Group 3 stays hidden. The model's groups are written anew; doing so twice changes nothing more.
    """
    import mujoco

    group = model.geom_group
    seen = (group != _HIDDEN) & (np.arange(model.ngeom) > 0)
    root = model.body_rootid[model.geom_bodyid]
    still = seen & (model.body_weldid[model.geom_bodyid] == 0) & (model.body_mocapid[root] < 0)
    box = model.geom_type == mujoco.mjtGeom.mjGEOM_BOX
    thin = box & (np.sort(model.geom_size, axis=1)[:, 1] < _BROAD)
    large = ((model.geom_rbound > _TOO_LARGE) & ~thin) | (model.geom_rbound == 0)
    # Geoms of the world's body: their place in the body is their place in the world.
    away = np.hypot(model.geom_pos[:, 0], model.geom_pos[:, 1]) > _FAR_BACK
    group[seen] = _MOVING
    group[still] = _NEAR
    group[still & away] = _SCENERY
    group[still & large] = BACKDROP
    group[0] = _GROUND
    backdrop = bool((group == BACKDROP).any())

    def part(*groups: int) -> Part:
        bounded = np.flatnonzero(np.isin(group, [g for g in groups if g != BACKDROP]))
        return Part(groups, Bounds(model, bounded), backdrop and BACKDROP in groups)

    return {
        "moving": part(_MOVING),
        "things": part(_MOVING, _NEAR),
        "scenery": part(_SCENERY, BACKDROP),
        "still": part(_NEAR, _SCENERY),
        "all": part(_MOVING, _NEAR, _SCENERY, BACKDROP),
    }


@dataclass(frozen=True)
class Hits:
    """What rays met, one entry a ray: geom is -1 where nothing was met.

    Normals are of unit length; distances in lengths of the ray's direction.
    """

    geom: Int[np.ndarray, "n"]
    distance: Float32[np.ndarray, "n"]
    normal: Float32[np.ndarray, "3 n"]


def cast(
    model: "mujoco.MjModel",
    data: "mujoco.MjData",
    origin: Float[np.ndarray, "3"],
    directions: Float[np.ndarray, "n 3"],
    groups: UInt8[np.ndarray, "6"],
) -> Hits:
    """Cast rays from one point at the geoms of the groups that are 1."""
    import mujoco

    count = len(directions)
    geom = np.empty(count, np.int32)
    distance = np.empty(count)
    normal = np.empty(3 * count)
    if count:
        mujoco.mj_multiRay(
            model, data, np.asarray(origin, float), directions.reshape(-1),
            groups, True, -1, geom, distance, normal, count, _FAR,
        )  # fmt: skip
    normals = np.ascontiguousarray(normal.reshape(-1, 3).T, np.float32)
    return Hits(geom, distance.astype(np.float32), normals)


def groups_of(*groups: int) -> UInt8[np.ndarray, "6"]:
    """The geom groups to hit, as MuJoCo takes them."""
    chosen = np.zeros(6, np.uint8)
    chosen[list(groups)] = 1
    return chosen


class Bounds:
    """Boxes around some geoms, to find the rays that may meet them."""

    def __init__(self, model: "mujoco.MjModel", geoms: Int[np.ndarray, "g"]):
        import mujoco

        self._geoms = geoms
        self._radii = model.geom_rbound[geoms]
        box = model.geom_aabb.reshape(-1, 2, 3)[geoms]
        # A sphere's box need not turn with it.
        self._upright = model.geom_type[geoms] == mujoco.mjtGeom.mjGEOM_SPHERE
        signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], float)
        self._corners = box[:, :1] + signs * box[:, 1:]

    def corners(self, data: "mujoco.MjData") -> Float[np.ndarray, "g 8 3"]:
        """Corners in the world of the boxes around those geoms that are not below the ground."""
        middles = data.geom_xpos[self._geoms]
        turns = data.geom_xmat[self._geoms].reshape(-1, 3, 3)
        turns[self._upright] = np.eye(3)
        corners = self._corners @ turns.transpose(0, 2, 1) + middles[:, None]
        above = middles[:, 2] + self._radii > 0
        return corners if above.all() else corners[above]


def rays_within(
    low: Float[np.ndarray, "g 2"], high: Float[np.ndarray, "g 2"], shape: tuple[int, int]
) -> Int[np.ndarray, "n"]:
    """Flat indices of a grid's points within any of the rectangles.

    Args:
        low, high: corners of the rectangles, (row, column) in steps of the grid.
        shape: rows and columns of the grid.
    """
    first = np.clip(np.floor(low), 0, 1 << 14).astype(int).tolist()
    last = np.clip(np.ceil(high) + 1, 0, 1 << 14).astype(int).tolist()
    mask = np.zeros(shape, bool)
    for (top, left), (bottom, right) in zip(first, last, strict=True):
        mask[top:bottom, left:right] = True
    return np.flatnonzero(mask)
