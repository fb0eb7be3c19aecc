"""How a recipe becomes a run: meet the other processes, make the task, train."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from skyloom.config import to_dict
from skyloom.train.kernels import bound_kernel_caches
from skyloom.train.loop import LoopConfig, run
from skyloom.train.optim import OptimConfig
from skyloom.train.parallel import ParallelConfig, apply, together
from skyloom.train.ranks import Ranks
from skyloom.train.task import Task


@runtime_checkable
class Recipe(Protocol):
    """What every recipe has."""

    @property
    def out(self) -> str:
        """Folder of the run."""
        ...

    @property
    def loop(self) -> LoopConfig:
        """How the run is driven."""
        ...

    @property
    def optim(self) -> OptimConfig:
        """How weights move."""
        ...


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def train(
    recipe: AnyRecipe,
    make: Callable[[AnyRecipe, Ranks], Task],
    name: str,
    minutes: float | None,
    allow_changes: bool,
    optim: OptimConfig | None = None,
    parallel: ParallelConfig | None = None,
) -> int:
    """Train what `make` makes of a recipe, with the other processes if torchrun started some.

    Args:
        name: of the network, for the progress bar.
        optim: where it is not the recipe's own.

    See `loop.run` for the others, the result and the errors.
    """
    bound_kernel_caches()
    parallel = parallel or ParallelConfig()
    values: dict[str, Any] = to_dict(recipe)
    with together(parallel) as ranks:
        task = make(recipe, ranks)
        apply(parallel, task.modules, ranks)
        folder, loop = Path(recipe.out), recipe.loop
        moved = optim or recipe.optim
        return run(task, moved, loop, folder, values, minutes, name, allow_changes, ranks)
