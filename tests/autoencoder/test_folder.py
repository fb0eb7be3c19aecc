"""The autoencoder on disk."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny import Tiny, shaken

from skyloom.autoencoder.config import AutoencoderConfig
from skyloom.autoencoder.folder import load_autoencoder, save_autoencoder
from skyloom.autoencoder.model import Autoencoder
from skyloom.errors import UserError

TINY = AutoencoderConfig(channels=4, widths=(8, 8, 8), encoder_depths=(1, 0, 0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_saved_gives_the_same_latents(tmp_path: Path, dtype: torch.dtype) -> None:
    model = shaken(Autoencoder(TINY)).to(dtype)
    save_autoencoder(tmp_path, model)
    back = load_autoencoder(tmp_path)
    assert back.config == TINY and not back.training
    assert not any(weight.requires_grad for weight in back.parameters())
    pixels = torch.rand(1, 3, 5, 32, 32) * 2 - 1
    assert torch.equal(back.encode(pixels), model.encode(pixels))
    assert torch.equal(back.decode(back.encode(pixels)), model.decode(model.encode(pixels)))
    assert back.fingerprint == model.fingerprint


def test_a_damaged_folder(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the folder 'autoencoder' is missing"):
        load_autoencoder(tmp_path)
    folder = tmp_path / "model"
    shutil.copytree(tiny.root / "autoencoder" / "model", folder)
    config = folder / "autoencoder" / "config.json"
    values = json.loads(config.read_text())
    config.write_text(json.dumps({**values, "channels": 5}))
    with pytest.raises(UserError, match=r"weights in '.*autoencoder' do not fit its config.json"):
        load_autoencoder(folder)
    config.write_text(json.dumps({**values, "colour": 5}))
    with pytest.raises(UserError, match=r"colour.*config.json"):
        load_autoencoder(folder)
    config.write_text(json.dumps({**values, "widths": [16]}))
    with pytest.raises(UserError, match="must have equal length"):
        load_autoencoder(folder)
