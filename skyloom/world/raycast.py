"""Rays through MuJoCo's geoms, cast only where something may be hit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Int

if TYPE_CHECKING:
    import mujoco

_FAR = 1e4
_MOVING, _NEAR, _SCENERY, _HIDDEN, _BACKDROP, _GROUND = range(6)
"""Geom groups as the renderer uses them."""
_FAR_BACK = 3.8
"""Metres from the middle of the scene beyond which what never moves is scenery."""
_TOO_LARGE = 2.5
"""Radius in metres of what throws no shadow: walls around a room, houses."""


@dataclass(frozen=True)
class Parts:
    """The geoms of a model by what becomes of them in a picture, with the numbers of their groups.

    Attributes:
        moving: they may be elsewhere in the next frame.
        things: moving geoms and those that stand near the middle.
        scenery: those that never move and stand far back.
        still: those that never move and throw a shadow.
        shading: groups of `still`.
    """

    moving: "Bounds"
    things: "Bounds"
    things_groups: tuple[int, ...]
    scenery: "Bounds"
    scenery_groups: tuple[int, ...]
    still: "Bounds"
    shading: tuple[int, ...]


def cast_groups(model: "mujoco.MjModel") -> Parts:
    """Sort the geoms into groups that rays can choose; group 3 and above stay hidden.

    The model's groups are written anew; doing so twice changes nothing more.
    """
    group = model.geom_group
    seen = (group != _HIDDEN) & (np.arange(model.ngeom) > 0)
    root = model.body_rootid[model.geom_bodyid]
    still = (model.body_weldid[model.geom_bodyid] == 0) & (model.body_mocapid[root] < 0)
    large = (model.geom_rbound > _TOO_LARGE) | (model.geom_rbound == 0)
    # World geoms: their place in the body is their place in the world.
    away = np.hypot(model.geom_pos[:, 0], model.geom_pos[:, 1]) > _FAR_BACK
    group[seen] = _MOVING
    group[seen & still] = _NEAR
    group[seen & still & away] = _SCENERY
    group[seen & still & large] = _BACKDROP
    group[0] = _GROUND
    return Parts(
        moving=Bounds(model, np.flatnonzero(group == _MOVING)),
        things=Bounds(model, np.flatnonzero(group <= _NEAR)),
        things_groups=(_MOVING, _NEAR),
        scenery=Bounds(model, np.flatnonzero((group == _SCENERY) | (group == _BACKDROP))),
        scenery_groups=(_SCENERY, _BACKDROP),
        still=Bounds(model, np.flatnonzero((group == _NEAR) | (group == _SCENERY))),
        shading=(_NEAR, _SCENERY),
    )


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
    groups: Int[np.ndarray, "6"],
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


def groups_of(*groups: int) -> Int[np.ndarray, "6"]:
    """The geom groups to hit, as MuJoCo takes them."""
    chosen = np.zeros(6, np.uint8)
    chosen[list(groups)] = 1
    return chosen


class Bounds:
    """Boxes and spheres around some geoms, to find the rays that may meet them."""

    def __init__(self, model: "mujoco.MjModel", geoms: Int[np.ndarray, "g"]):
        self._geoms = geoms
        self._radii = model.geom_rbound[geoms]
        self.endless = bool((self._radii == 0).any())
        """Whether one of them is a plane, which has no bounds."""
        box = model.geom_aabb.reshape(-1, 2, 3)[geoms]
        signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], float)
        self._corners = box[:, :1] + signs * box[:, 1:]

    def of(self, data: "mujoco.MjData") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Corners (g, 8, 3), middles (g, 3) and radii (g,) in the world of those above ground."""
        middles = data.geom_xpos[self._geoms]
        turns = data.geom_xmat[self._geoms].reshape(-1, 3, 3)
        corners = self._corners @ turns.transpose(0, 2, 1) + middles[:, None]
        above = middles[:, 2] + self._radii > 0
        if above.all():
            return corners, middles, self._radii
        return corners[above], middles[above], self._radii[above]


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
