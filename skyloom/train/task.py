"""What the training loop trains, and what else a task may tell it."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Task(Protocol):
    """What the loop trains."""

    modules: dict[str, nn.Module]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """The scalar loss of batch number `step` and figures to log.

        The figure "weight", 1 where there is none, says how much this batch counts beside the
        others of its step, such as the tokens in its mean.
        """
        ...

    def evaluate(self) -> dict[str, float]:
        """Figures on held-out data, of the weights that are in the modules."""
        ...

    def export(self, folder: Path) -> None:
        """Write the weights that are in the modules as a model folder."""
        ...


@runtime_checkable
class NamesSamples(Protocol):
    """A task that can say what a batch was made of."""

    def samples(self, step: int) -> tuple[str, ...]:
        """The names of the samples in batch number `step`."""
        ...


@runtime_checkable
class MakesClips(Protocol):
    """A task that shows what it has learnt."""

    def sample(self, step: int) -> dict[str, float]:
        """Make clips after so many steps, if it is time for them; figures of what they show."""
        ...


@runtime_checkable
class Waits(Protocol):
    """A task that knows how long training has waited for data."""

    def waited(self) -> float:
        """Seconds, in all."""
        ...
