"""The autoencoder as a component of a model folder."""

from pathlib import Path

from skyloom.autoencoder.config import AutoencoderConfig
from skyloom.autoencoder.model import Autoencoder
from skyloom.config import from_dict, to_dict
from skyloom.storage import CONFIG, fill, load_component, save_component

NAME = "autoencoder"


def save_autoencoder(folder: Path, model: Autoencoder) -> None:
    """Write config and weights to folder/autoencoder."""
    save_component(folder, NAME, to_dict(model.config), model.state_dict(), "Autoencoder")


def load_autoencoder(folder: Path) -> Autoencoder:
    """Read what `save_autoencoder` wrote, in the precision it was saved in, ready to use.

    Raises:
        UserError: the component is missing, broken or of another shape.
    """
    config, state = load_component(folder, NAME)
    path = Path(folder) / NAME
    model = Autoencoder(from_dict(AutoencoderConfig, config, str(path / CONFIG)))
    fill(model, state, path)
    return model.requires_grad_(False).eval()
