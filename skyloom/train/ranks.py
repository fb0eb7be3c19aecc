"""Where a process stands among those that train together. One alone is the plain case.

The step's batches are numbered over all processes: replica r of R takes every R-th, from the r-th
on. Which process takes which batch changes nothing but rounding, so a run may go on with another
number of processes than it was started with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from skyloom.errors import UserError
from skyloom.transformer.context import Context


@dataclass(frozen=True)
class Ranks:
    """A process among `ranks` that train together, by default the only one.

    Attributes:
        rank: number of this process, from 0.
        ranks: processes in all.
        context: processes that share each batch, every one with rows of its own.
        everyone: the process group of all, None for one alone.
        sharing: the process group of those that share batches with this one.
        note: takes down what this process does, see train/watch.py; None for one alone.
    """

    rank: int = 0
    ranks: int = 1
    context: int = 1
    everyone: Any = None
    sharing: Any = None
    note: Callable[[str], None] | None = None

    @property
    def first(self) -> bool:
        """Whether this one writes what is written once."""
        return self.rank == 0

    @property
    def replica(self) -> int:
        """Which of the batches drawn together this process works on."""
        return self.rank // self.context

    @property
    def shared(self) -> Context:
        """This process among those that share its batches, as the network takes it."""
        return Context(self.rank % self.context, self.context, self.sharing)

    @property
    def replicas(self) -> int:
        """Batches that are worked on at the same time."""
        return self.ranks // self.context

    def batches(self, step: int, batches: int) -> range:
        """The numbers of the batches of `step` that this process takes, of `batches` a step.

        Raises:
            UserError: they cannot be shared out evenly.
        """
        if batches % self.replicas:
            raise UserError(
                f"loop.batches is {batches} and cannot be shared by {self.replicas} replicas: "
                f"it must be a multiple of {self.replicas}."
            )
        return range(step * batches + self.replica, (step + 1) * batches, self.replicas)

    def does(self, what: str) -> None:
        """Let the others know what this process does from now on, a word of train/watch.py."""
        if self.note is not None:
            self.note(what)

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each value added up over all processes; every one of them must call this."""
        if self.everyone is None:
            return list(values)
        from torch import distributed

        total = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(total, group=self.everyone)
        return total.tolist()

    def gather_figures(self, row: dict[str, float], share: float) -> list[tuple[dict, float]]:
        """The figures and the share of every process, in their order."""
        if self.everyone is None:
            return [(row, share)]
        import json

        from torch import distributed

        text = json.dumps([row, share]).encode()
        longest = torch.tensor(len(text))
        distributed.all_reduce(longest, distributed.ReduceOp.MAX, group=self.everyone)
        mine = torch.zeros(int(longest), dtype=torch.uint8)
        mine[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        every = [torch.empty_like(mine) for _ in range(self.ranks)]
        distributed.all_gather(every, mine, group=self.everyone)
        return [tuple(json.loads(bytes(each.tolist()).rstrip(b"\0"))) for each in every]

    def any(self, here: bool) -> bool:
        """Whether it is so in any process."""
        return self.sum([float(here)])[0] > 0

    def as_first(self, value: float) -> float:
        """The value that the first process has, such as what its clock says."""
        return self.sum([value if self.first else 0.0])[0]

    def meet(self) -> None:
        """Wait for all."""
        self.sum([0.0])


ALONE = Ranks()
