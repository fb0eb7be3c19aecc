"""Optional packages: imported where they are used, and named by the extra that installs them."""

import importlib
from types import ModuleType

from skyloom.errors import UserError


def need(module: str, extra: str) -> ModuleType:
    """Import an optional module, or say which extra of skyloom installs it.

    Raises:
        UserError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # the module is there and something that it needs itself is broken: say so
        raise UserError(
            f"This needs the package '{module}', which is not installed: "
            f"pip install 'skyloom[{extra}]' installs it."
        ) from error
