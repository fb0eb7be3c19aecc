"""A whole model on disk: autoencoder, transformer and text encoder, Hugging Face-style."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from skyloom.autoencoder.folder import load_autoencoder
from skyloom.autoencoder.model import Autoencoder
from skyloom.config import from_dict, to_dict
from skyloom.errors import UserError
from skyloom.storage import (
    CONFIG,
    fill,
    load_component,
    read_model_index,
    save_component,
    write_model_index,
)
from skyloom.text.bundled import BundledTextEncoder
from skyloom.text.folder import load_text_encoder, save_text_encoder
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.model import Transformer

BUNDLED = Path(__file__).parent / "weights"
COMPONENTS = {
    "autoencoder": "Autoencoder",
    "transformer": "Transformer",
    "text_encoder": "BundledTextEncoder",
}


@dataclass(frozen=True)
class Model:
    """The three networks, and what the model card says of them for machines to read."""

    autoencoder: Autoencoder
    transformer: Transformer
    text: BundledTextEncoder
    extra: dict


def load_model(folder: Path | None = None) -> Model:
    """Load a model folder, the bundled one if none is named, in the precision it was saved in.

    Raises:
        UserError: the folder is missing, incomplete, of another format, a checksum is wrong, or
            its components do not belong together.
    """
    root = BUNDLED if folder is None else Path(folder)
    index = read_model_index(root)
    transformer, text = load_transformer(root)
    autoencoder = load_autoencoder(root)
    widths = transformer.config.channels, transformer.config.text_width
    if widths != (autoencoder.config.channels, text.width):
        raise UserError(
            f"The parts of the model in '{root}' are of different models, their widths do not "
            "fit: get a whole copy of it."
        )
    return Model(autoencoder, transformer, text, index.extra)


def load_transformer(folder: Path) -> tuple[Transformer, BundledTextEncoder]:
    """The transformer and the text encoder that was trained with it.

    Raises:
        UserError: one of them is missing, broken or of another shape.
    """
    config, state = load_component(folder, "transformer")
    path = Path(folder) / "transformer"
    transformer = Transformer(from_dict(TransformerConfig, config, str(path / CONFIG)))
    fill(transformer, state, path)
    text = load_text_encoder(folder)
    return transformer.requires_grad_(False).eval(), text.requires_grad_(False).eval()


def save_transformer(
    folder: Path,
    transformer: Transformer,
    text: BundledTextEncoder,
    autoencoder_folder: Path,
    extra: dict | None = None,
) -> None:
    """Write a whole model folder, its autoencoder copied from `autoencoder_folder`."""
    save_component(
        folder, "transformer", to_dict(transformer.config), transformer.state_dict(), "Transformer"
    )
    save_text_encoder(folder, text)
    shutil.copytree(
        Path(autoencoder_folder) / "autoencoder", folder / "autoencoder", dirs_exist_ok=True
    )
    write_model_index(folder, COMPONENTS, extra or {})
