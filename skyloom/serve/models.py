"""Which models are served, by which names, and what their folders say without being loaded.

Nothing that a client says becomes a path.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skyloom.autoencoder.config import AutoencoderConfig
from skyloom.config import from_dict
from skyloom.errors import UserError
from skyloom.modelfolder import BUNDLED
from skyloom.storage import CONFIG, read_model_index
from skyloom.transformer.config import TransformerConfig

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


def multiple_of(folder: Path | None) -> int:
    """Pixels that both sides of a frame are multiples of.

    Raises:
        UserError: the folder is missing, or holds no model.
    """
    root = BUNDLED if folder is None else folder
    read_model_index(root, verify=False)
    autoencoder = from_dict(AutoencoderConfig, _config(root, "autoencoder"), "the autoencoder")
    transformer = from_dict(TransformerConfig, _config(root, "transformer"), "the transformer")
    return autoencoder.space_stride * max(transformer.patch[1:])


def _config(root: Path, component: str) -> dict[str, Any]:
    file = root / component / CONFIG
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"'{file}' cannot be read: get a whole copy of the model.") from error
    values.pop("_class_name", None)
    return values
