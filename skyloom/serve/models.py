"""Which models are served, by which names: nothing that a client says becomes a path."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from skyloom.errors import UserError

BUNDLED_NAME = "skyloom"


def served_models(folders: Sequence[Path]) -> Mapping[str, Path | None]:
    """Names of the served models, the default first; the bundled model where none is given.

    A model has the name of its folder.

    Raises:
        UserError: two folders have the same name.
    """
    if not folders:
        return {BUNDLED_NAME: None}
    found: dict[str, Path | None] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in found:
            raise UserError(f"Two models are called '{name}': rename the folder '{folder}'.")
        found[name] = folder
    return found
