"""A whole model on disk: what is saved is what comes back, and nothing else is taken for it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny import Tiny, shaken

from skyloom.errors import UserError
from skyloom.modelfolder import load_model, load_transformer, save_transformer
from skyloom.storage import write_model_index
from skyloom.transformer.patches import pack

COMPONENTS = {"autoencoder": "A", "transformer": "B", "text_encoder": "C"}


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(tiny.model, tmp_path / "model"))


def test_a_saved_model_gives_the_same_outputs(tiny: Tiny, tmp_path: Path) -> None:
    model = load_model(tiny.model)
    transformer, text = shaken(model.transformer), shaken(model.text)
    save_transformer(tmp_path, transformer, text, tiny.model, {"seconds": 4.0})
    back = load_model(tmp_path)
    assert back.extra == {"seconds": 4.0}
    for network in (back.autoencoder, back.transformer, back.text):
        assert not network.training
        assert not any(weight.requires_grad for weight in network.parameters())
    packed = pack([torch.randn(8, 2, 4, 4)], [12.0], back.transformer.config.patch)
    sigma = torch.linspace(0, 1, 8)
    prompts = ["a red ball"]
    with torch.inference_mode():
        wanted = transformer(packed, sigma, text.encode(prompts)).prediction
        assert wanted.abs().max() > 0.01
        found = back.transformer(packed, sigma, back.text.encode(prompts)).prediction
        assert torch.equal(found, wanted)
        pixels = torch.rand(1, 3, 5, 32, 32)
        assert torch.equal(back.autoencoder.encode(pixels), model.autoencoder.encode(pixels))
    assert back.text.truncated("word " * 40) == text.truncated("word " * 40) is not None


def test_folders_that_are_no_model(tiny: Tiny, tmp_path: Path, folder: Path) -> None:
    def complaint(path: Path) -> str:
        with pytest.raises(UserError) as caught:
            load_model(path)
        return str(caught.value)

    assert "does not exist" in complaint(tmp_path / "nowhere")
    assert "has no model_index.json" in complaint(tmp_path)
    weights = folder / "transformer" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8] + bytes(8))
    assert "checksum is wrong" in complaint(folder)
    weights.unlink()
    assert f"'{weights}' is missing" in complaint(folder)
    index = folder / "model_index.json"
    values = json.loads(index.read_text())
    index.write_text(json.dumps({**values, "_class_name": "Other", "_diffusers_version": "0.30"}))
    assert "is not skyloom's but a 'Other' of diffusers" in complaint(folder)
    index.write_text(json.dumps({**values, "format_version": 99}))
    assert "format version 99" in complaint(folder)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_that_is_missing_or_of_another_shape(folder: Path, component: str) -> None:
    config = folder / component / "config.json"
    values = json.loads(config.read_text())
    wider = {"autoencoder": {"channels": 16}, "transformer": {"width": 64},
             "text_encoder": {"width": 32}}[component]  # fmt: skip
    config.write_text(json.dumps({**values, **wider}))
    write_model_index(folder, COMPONENTS)  # a careless hand keeps the checksums right
    with pytest.raises(UserError, match=f"weights in '.*{component}' do not fit its config.json"):
        load_model(folder)
    shutil.rmtree(folder / component)
    write_model_index(folder, {name: "" for name in COMPONENTS if name != component})
    with pytest.raises(UserError, match=f"incomplete: the folder '{component}' is missing"):
        load_model(folder)


def test_parts_of_different_models(folder: Path, tmp_path: Path) -> None:
    from skyloom.autoencoder.config import AutoencoderConfig
    from skyloom.autoencoder.folder import save_autoencoder
    from skyloom.autoencoder.model import Autoencoder

    other = AutoencoderConfig(channels=4, widths=(8, 8, 8))
    save_autoencoder(folder, Autoencoder(other))
    write_model_index(folder, COMPONENTS)
    with pytest.raises(UserError, match="are of different models, their widths do not fit"):
        load_model(folder)
    assert load_transformer(folder)[0].config.channels == 8
