"""The bundled text encoder as a component of a model folder."""

from pathlib import Path

from skyloom.config import from_dict, to_dict
from skyloom.storage import CONFIG, fill, load_component, save_component
from skyloom.text.bundled import BundledTextConfig, BundledTextEncoder
from skyloom.text.tokenizer import Tokenizer

NAME = "text_encoder"
CLASS_NAME = "BundledTextEncoder"
TOKENIZER = "tokenizer.json"


def save_text_encoder(folder: Path, encoder: BundledTextEncoder) -> None:
    """Write config, weights and tokenizer.json to folder/text_encoder."""
    save_component(folder, NAME, to_dict(encoder.config), encoder.state_dict(), CLASS_NAME)
    encoder.tokenizer.save(folder / NAME / TOKENIZER)


def load_text_encoder(folder: Path) -> BundledTextEncoder:
    """Read what `save_text_encoder` wrote, in the precision it was saved in, ready to use.

    Raises:
        UserError: the component is missing, broken or of another shape.
    """
    values, state = load_component(folder, NAME)
    config = from_dict(BundledTextConfig, values, str(folder / NAME / CONFIG))
    tokenizer = Tokenizer.load(folder / NAME / TOKENIZER, config.max_tokens)
    encoder = BundledTextEncoder(config, tokenizer)
    fill(encoder, state, folder / NAME)
    return encoder.requires_grad_(False).eval()
