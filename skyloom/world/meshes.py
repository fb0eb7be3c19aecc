"""The two shapes that MuJoCo has no primitive for, a cone and a torus, of unit size."""

from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int


@cache
def cone(sides: int = 24) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "G 3"]]:
    """Vertices and triangles of a cone of base radius 1 at z = 0 and apex at z = 1."""
    angle = np.arange(sides) * (2 * np.pi / sides)
    rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(sides)], axis=-1)
    vertices = np.concatenate([rim, [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]])
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    side = np.stack([i, j, np.full(sides, sides)], axis=-1)
    base = np.stack([j, i, np.full(sides, sides + 1)], axis=-1)
    return vertices, np.concatenate([side, base]).astype(np.int32)


@cache
def fin(width: float) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "G 3"]]:
    """A slab through the axis of the unit cone: its stripes run down two sides of the cone."""
    w = width / 2
    vertices = np.array(
        [
            [-1, -w, 0.002],
            [1, -w, 0.002],
            [0, -w, 1.02],
            [-1, w, 0.002],
            [1, w, 0.002],
            [0, w, 1.02],
        ]
    )
    faces = [[0, 1, 2], [3, 5, 4], [0, 3, 4], [0, 4, 1], [1, 4, 5], [1, 5, 2], [0, 2, 5], [0, 5, 3]]
    return vertices, np.array(faces, np.int32)


@cache
def torus(
    tube: float, around: int = 48, across: int = 16
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "G 3"]]:
    """Vertices and triangles of a torus about the y axis: outer radius 1, its tube's `tube`."""
    u, v = np.meshgrid(
        np.arange(around) * (2 * np.pi / around),
        np.arange(across) * (2 * np.pi / across),
        indexing="ij",
    )
    reach = 1 - tube + tube * np.cos(v)
    vertices = np.stack([reach * np.cos(u), tube * np.sin(v), reach * np.sin(u)], -1).reshape(-1, 3)
    a = np.arange(around * across).reshape(around, across)
    b, d = np.roll(a, -1, axis=0), np.roll(a, -1, axis=1)
    c = np.roll(b, -1, axis=1)
    faces = np.concatenate(
        [np.stack([a, c, b], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)]
    )
    return vertices, faces.astype(np.int32)


def add_mesh(spec: Any, name: str, vertices: np.ndarray, faces: np.ndarray, scale: tuple) -> str:
    """Add a mesh of these vertices, scaled per axis, to a MuJoCo spec and return its name."""
    spec.add_mesh(name=name, uservert=vertices.ravel(), userface=faces.ravel(), scale=list(scale))
    return name
