"""Model folders: what is written comes back, and what is wrong is said in one sentence."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from skyloom.errors import UserError
from skyloom.storage import (
    FORMAT_VERSION,
    load_component,
    read_model_index,
    save_component,
    write_model_index,
)

CONFIG = {"width": 8, "patch": [2, 4, 4]}


def weights() -> dict[str, torch.Tensor]:
    """Tensors of several dtypes and shapes, one of them no contiguous one, two of them tied."""
    table = torch.randn(16, 8)
    return {
        "enter.weight": torch.randn(8, 4, dtype=torch.bfloat16),
        "enter.bias": torch.zeros(8, dtype=torch.float16),
        "embedding": table,
        "head.weight": table,
        "turned": torch.arange(12.0).reshape(3, 4).T,
        "steps": torch.tensor(7),
        "none": torch.zeros(0, 3),
    }


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return list(left) == list(right) and all(
        left[key].dtype == right[key].dtype and torch.equal(left[key], right[key]) for key in left
    )


def model(folder: Path, max_shard_bytes: int = 2**20) -> Path:
    """A model folder of two components."""
    save_component(folder, "transformer", CONFIG, weights(), "Transformer", max_shard_bytes)
    save_component(folder, "autoencoder", {}, {"w": torch.ones(3)}, "Autoencoder")
    (folder / "transformer" / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("the model card may change")
    write_model_index(
        folder, {"transformer": "Transformer", "autoencoder": "Autoencoder"}, {"fps": 12.0}
    )
    return folder


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_round_trip_in_one_file(tmp_path: Path) -> None:
    state = weights()
    save_component(tmp_path, "transformer", CONFIG, state, "Transformer")
    assert files(tmp_path) == ["transformer/config.json", "transformer/model.safetensors"]
    config, back = load_component(tmp_path, "transformer")
    assert config == CONFIG
    assert {key: value.dtype for key, value in back.items()} == {
        key: value.dtype for key, value in state.items()
    }
    assert all(torch.equal(back[key], state[key]) for key in state)
    written = json.loads((tmp_path / "transformer" / "config.json").read_text())
    assert written["_class_name"] == "Transformer"


def test_round_trip_in_shards(tmp_path: Path) -> None:
    state = {f"block.{index}": torch.randn(32, 32) for index in range(20)}
    limit = 3 * 32 * 32 * 4 + 1000
    save_component(tmp_path, "transformer", CONFIG, state, "Transformer", limit)
    shards = sorted((tmp_path / "transformer").glob("*.safetensors"))
    assert [shard.name for shard in shards[:2]] == [
        "model-00001-of-00007.safetensors",
        "model-00002-of-00007.safetensors",
    ]
    assert len(shards) == 7
    assert max(shard.stat().st_size for shard in shards) <= limit
    index = json.loads((tmp_path / "transformer" / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 20 * 32 * 32 * 4
    assert set(index["weight_map"]) == set(state)
    assert same(load_component(tmp_path, "transformer")[1], state)


def test_saving_again_replaces_all_of_it(tmp_path: Path) -> None:
    many = {f"block.{index}": torch.randn(32, 32) for index in range(4)}
    save_component(tmp_path, "transformer", CONFIG, many, "Transformer", 5000)
    save_component(tmp_path, "transformer", {"width": 9}, {"w": torch.ones(2)}, "Transformer")
    config, state = load_component(tmp_path, "transformer")
    assert config == {"width": 9} and same(state, {"w": torch.ones(2)})
    assert files(tmp_path) == ["transformer/config.json", "transformer/model.safetensors"]


def test_a_failed_save_leaves_the_old_one(tmp_path: Path) -> None:
    model(tmp_path)
    before = files(tmp_path)
    with pytest.raises(TypeError):
        save_component(tmp_path, "transformer", {"bad": object()}, weights(), "Transformer")
    assert files(tmp_path) == before
    assert os.listdir(tmp_path).count("transformer") == 1
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    read_model_index(tmp_path)


def test_saving_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write '.*transformer': Not a directory"):
        save_component(tmp_path / "file", "transformer", CONFIG, weights(), "Transformer")


def test_index_round_trip(tmp_path: Path) -> None:
    index = read_model_index(model(tmp_path))
    assert index.version == FORMAT_VERSION
    assert index.components == {"transformer": "Transformer", "autoencoder": "Autoencoder"}
    assert index.extra == {"fps": 12.0}
    assert set(index.files) == {
        "autoencoder/config.json",
        "autoencoder/model.safetensors",
        "transformer/config.json",
        "transformer/model.safetensors",
        "transformer/tokenizer.json",
    }
    (tmp_path / "README.md").write_text("another card")  # not a part of the model
    assert read_model_index(tmp_path) == index


def edit_index(folder: Path, key: str, value: object) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))


def flip_a_byte(folder: Path) -> None:
    path = folder / "transformer" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (
        lambda folder: (folder / "model_index.json").unlink(),
        "it has no model_index.json: such a folder holds .*config.json and model.safetensors",
    ),
    "index is no JSON": (
        lambda folder: (folder / "model_index.json").write_text("{"),
        "model_index.json' is broken JSON",
    ),
    "index is a list": (
        lambda folder: (folder / "model_index.json").write_text("[]"),
        "no table of settings",
    ),
    "diffusers": (
        lambda folder: (folder / "model_index.json").write_text(
            '{"_class_name": "CogVideoXPipeline", "_diffusers_version": "0.42.1"}'
        ),
        "not skyloom's but a 'CogVideoXPipeline' of diffusers",
    ),
    "somebody else's": (
        lambda folder: (folder / "model_index.json").write_text('{"model": "x"}'),
        "not skyloom's but another one",
    ),
    "newer": (
        lambda folder: edit_index(folder, "format_version", FORMAT_VERSION + 1),
        f"has format version {FORMAT_VERSION + 1} and this skyloom reads up to {FORMAT_VERSION}",
    ),
    "no version": (lambda folder: edit_index(folder, "format_version", None), "is damaged"),
    "no components": (lambda folder: edit_index(folder, "components", 3), "is damaged"),
    "files of no component": (
        lambda folder: edit_index(folder, "files", {}),
        "does not list the files of 'transformer'",
    ),
    "a file outside": (
        lambda folder: edit_index(
            folder,
            "files",
            {"transformer/config.json": "0", "autoencoder/config.json": "0", "../x": "0"}
            | json.loads((folder / "model_index.json").read_text())["files"],
        ),
        "names a file outside of it, '../x'",
    ),
    "a file is missing": (
        lambda folder: (folder / "transformer" / "model.safetensors").unlink(),
        "incomplete, '.*model.safetensors' is missing",
    ),
    "a byte is wrong": (flip_a_byte, "'.*transformer/model.safetensors' .* checksum is wrong"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_indices(tmp_path: Path, what: str) -> None:
    spoil, sentence = BROKEN[what]
    model(tmp_path)
    spoil(tmp_path)
    with pytest.raises(UserError, match=sentence) as caught:
        read_model_index(tmp_path)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")


def test_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist: name a folder"):
        read_model_index(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file: name a folder"):
        read_model_index(tmp_path / "file")
    with pytest.raises(UserError, match="nowhere' does not exist: name a folder"):
        load_component(tmp_path / "nowhere", "vae")
    with pytest.raises(UserError, match="the folder 'vae' is missing"):
        load_component(tmp_path, "vae")


def test_unverified_reading_looks_at_the_index_alone(tmp_path: Path) -> None:
    model(tmp_path)
    flip_a_byte(tmp_path)
    assert read_model_index(tmp_path, verify=False).components["transformer"] == "Transformer"


@pytest.mark.parametrize("shard_bytes", [2**20, 700])
def test_broken_weights(tmp_path: Path, shard_bytes: int) -> None:
    model(tmp_path, shard_bytes)
    path = min((tmp_path / "transformer").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match=f"{path.name}' is broken or no safetensors file"):
        load_component(tmp_path, "transformer")
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(UserError, match="is broken"):
        load_component(tmp_path, "transformer")
    path.unlink()
    with pytest.raises(UserError, match=f"{path.name}' is missing"):
        load_component(tmp_path, "transformer")


def test_incomplete_shards(tmp_path: Path) -> None:
    path = model(tmp_path, 700) / "transformer" / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    first = next(iter(index["weight_map"].values()))
    path.write_text(json.dumps({"weight_map": {**index["weight_map"], "lost": first}}))
    with pytest.raises(UserError, match="incomplete, 'lost' is missing"):
        load_component(tmp_path, "transformer")
    path.write_text(json.dumps({"weight_map": {"w": "../../secret.safetensors"}}))
    with pytest.raises(UserError, match="names a file outside"):
        load_component(tmp_path, "transformer")
    path.write_text('{"weight_map": [1]}')
    with pytest.raises(UserError, match="is damaged"):
        load_component(tmp_path, "transformer")


class Trap:
    """A pickle that does harm to whoever opens it."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pkl"])
def test_pickles_are_never_read(tmp_path: Path, suffix: str) -> None:
    folder, victim = tmp_path / "model", tmp_path / "harm"
    folder.mkdir()
    model(folder)
    for place in (folder, folder / "transformer"):
        (place / f"model{suffix}").write_bytes(pickle.dumps(Trap(victim)))
    write_model_index(folder, {"transformer": "Transformer", "autoencoder": "Autoencoder"})
    index = read_model_index(folder)
    assert not [file for file in index.files if file.endswith(suffix)]
    assert len(load_component(folder, "transformer")[1]) == len(weights())
    (folder / "transformer" / "model.safetensors").unlink()
    with pytest.raises(UserError, match=f"'model{suffix}' is a pickle, which is never read"):
        load_component(folder, "transformer")
    assert not victim.exists()
