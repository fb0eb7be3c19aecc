"""Checkpoints are whole or absent."""

from pathlib import Path

import pytest
import torch

from skyloom.train import checkpoint


def write(folder: Path, step: int) -> Path:
    tensors = {"w": torch.full((3, 2), float(step)), "step": torch.tensor(step)}
    return checkpoint.save(folder, tensors, {"step": step, "seconds": 1.5, "recipe": {"a": [1]}})


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    assert checkpoint.load_newest(tmp_path) is None
    assert checkpoint.load_newest(tmp_path / "nowhere") is None
    write(tmp_path, 7)
    found = checkpoint.load_newest(tmp_path)
    assert found is not None
    assert found.meta == {"step": 7, "seconds": 1.5, "recipe": {"a": [1]}}
    assert torch.equal(found.tensors["w"], torch.full((3, 2), 7.0))
    assert found.tensors["step"].item() == 7


def test_two_are_kept(tmp_path: Path) -> None:
    for step in (9, 10, 100, 100):
        write(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000010", "step_00000100"]


@pytest.mark.parametrize("tear", ["short", "empty", "no weights", "no meta", "broken meta"])
def test_a_torn_one_is_passed_over(tmp_path: Path, tear: str) -> None:
    write(tmp_path, 1)
    newest = write(tmp_path, 2)
    weights, meta = newest / "state.safetensors", newest / "meta.json"
    match tear:
        case "short":
            weights.write_bytes(weights.read_bytes()[:-4])
        case "empty":
            weights.write_bytes(b"")
        case "no weights":
            weights.unlink()
        case "no meta":
            meta.unlink()
        case "broken meta":
            meta.write_text(meta.read_text()[:20])
    found = checkpoint.load_newest(tmp_path)
    assert found is not None and found.meta["step"] == 1
    write(tmp_path, 2)  # training goes on from there and writes it again
    found = checkpoint.load_newest(tmp_path)
    assert found is not None and found.meta["step"] == 2


def test_a_save_that_fails_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with pytest.raises(TypeError):
        checkpoint.save(tmp_path, {"w": torch.ones(2)}, {"step": 2, "bad": object()})
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000001"]
