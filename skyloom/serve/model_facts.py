"""What a model's folder says of the sizes that it makes, read without loading the model."""

import json
from pathlib import Path
from typing import Any

from skyloom.autoencoder.config import AutoencoderConfig
from skyloom.config import from_dict
from skyloom.errors import UserError
from skyloom.modelfolder import BUNDLED
from skyloom.storage import CONFIG, read_model_index
from skyloom.transformer.config import TransformerConfig


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
