"""The order of samples: a pure function of (seed, epoch), the same for all ranks and workers.

Nothing here iterates. Where training stands is three integers, so a resumed run sees exactly
the samples that an uninterrupted one would have seen.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64


def shuffled(seed: int, epoch: int, n: int, *part: int) -> Int64[np.ndarray, "N"]:
    """A permutation of 0 ... n-1.

    Args:
        part: counted from one, what of the epoch is shuffled, where it is not the whole.

    Sorted raw words of the bit generator, which NumPy promises never to change, unlike its
    `permutation`: a checkpoint resumes under a later NumPy.
    """
    words = np.random.PCG64(np.random.SeedSequence((seed, epoch, *part))).random_raw(n)
    return np.argsort(words, kind="stable").astype(np.int64)


@dataclass(frozen=True)
class OrderCursor:
    """A place in the endless order: epoch after epoch, each one a permutation of its own.

    Attributes:
        seed: of the whole order.
        size: samples in the dataset, at least one.
        epoch: permutations that are used up.
        position: samples of this epoch that are used up, 0 ... size - 1.
    """

    seed: int
    size: int
    epoch: int = 0
    position: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.position < self.size:
            raise ValueError(f"position {self.position} is not in 0 ... {self.size - 1}")

    def advanced(self, count: int) -> "OrderCursor":
        """The cursor `count` samples further on."""
        epochs, position = divmod(self.position + count, self.size)
        return replace(self, epoch=self.epoch + epochs, position=position)

    def take(self, count: int) -> tuple[list[int], "OrderCursor"]:
        """The next `count` samples, across the ends of epochs, and the cursor behind them."""
        taken: list[int] = []
        cursor = self
        while len(taken) < count:
            order = shuffled(cursor.seed, cursor.epoch, cursor.size)
            more = order[cursor.position :][: count - len(taken)].tolist()
            taken += more
            cursor = cursor.advanced(len(more))
        return taken, cursor
