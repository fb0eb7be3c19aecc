"""Tensors read one by one, from whole files and from what hostile hands make of them."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from skyloom.data.shards import Shard

TENSORS = {
    "half": torch.randn(3, 2).half(),
    "wide": torch.randn(2, 3, 4, 5),
    "brain": torch.randn(7).bfloat16(),
    "none": torch.empty(0, 4),
    "one": torch.tensor(1.5),
}


def test_what_safetensors_writes_is_read(tmp_path):
    save_file(TENSORS, tmp_path / "a.safetensors", metadata={"made": "here"})
    shard = Shard(tmp_path / "a.safetensors")
    for key, tensor in TENSORS.items():
        assert key in shard
        read = shard.read(key)
        assert torch.equal(read, tensor) and read.dtype == tensor.dtype
    assert "__metadata__" not in shard
    with pytest.raises(KeyError):
        shard.read("other")


def test_a_file_that_is_cut_off_or_replaced_while_it_is_read(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(100), "b": torch.ones(100)}, path)
    shard = Shard(path)
    with open(path, "rb+") as file:
        file.truncate(path.stat().st_size - 8)
    assert torch.equal(shard.read("a"), torch.ones(100))
    with pytest.raises(ValueError, match="cut off"):
        shard.read("b")
    path.unlink()
    with pytest.raises(FileNotFoundError):
        shard.read("a")


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [4], "data_offsets": [0, 17]},
        {"dtype": "F32", "shape": [400], "data_offsets": [0, 1600]},
        {"dtype": "F32", "shape": [-4], "data_offsets": [0, -16]},
        {"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]},
        {"dtype": "F99", "shape": [4], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": "four", "data_offsets": [0, 16]},
        {"shape": [4]},
        "nonsense",
        None,
    ],
)
def test_headers_that_lie(tmp_path, entry):
    header = json.dumps({"a": entry}).encode() if entry else b"[" * 100_000
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with pytest.raises(ValueError):
        Shard(path)


@settings(max_examples=60)
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 200))
def test_bytes_at_random_never_get_further_than_an_error(tmp_path_factory, noise, at, cut):
    whole = bytearray(save({"a": torch.ones(10), "b": torch.ones(3)}))
    whole[at : at + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "noise.safetensors"
    path.write_bytes(whole[: len(whole) - cut] if cut < len(whole) else b"")
    try:
        shard = Shard(path)
        read = [shard.read(key) for key in ("a", "b") if key in shard]
    except ValueError:
        return
    assert all(tensor.numel() < 100 for tensor in read)
