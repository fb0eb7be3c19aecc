"""Planar arrays: one row a channel, one column a point; their columns picked and placed.

`array[:, where]` would give an array that is stored column by column, and everything after it
three times as slow; these keep rows together.
"""

import numpy as np
from jaxtyping import Float32, Int


def pick(
    array: Float32[np.ndarray, "c n"], where: Int[np.ndarray, "m"]
) -> Float32[np.ndarray, "c m"]:
    """Some columns, in the order of `where`."""
    return array.take(where, axis=1)


def place(
    array: Float32[np.ndarray, "c n"],
    where: Int[np.ndarray, "m"],
    values: Float32[np.ndarray, "c m"],
) -> None:
    """Overwrite some columns."""
    for row, value in zip(array, values, strict=True):
        row[where] = value
