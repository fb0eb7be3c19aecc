"""What a run survives, and what it says: damage, spikes, changed recipes, figures that look bad."""

from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from skyloom.errors import UserError
from skyloom.train import checkpoint
from skyloom.train.diskfull import disk_is_full
from skyloom.train.health import LINES, Health
from skyloom.train.journal import Journal
from skyloom.train.runfolder import check_unchanged
from skyloom.train.spikes import WINDOW, Spikes


def test_a_flipped_bit_is_found_by_its_checksum(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, {"w": torch.full((9,), float(step))}, {"step": step})
    file = tmp_path / "step_00000002" / "state.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    found = checkpoint.load_newest(tmp_path)
    assert found is not None and found.meta["step"] == 1
    assert "is passed over: 'state.safetensors' is not what its" in capsys.readouterr().err


@pytest.mark.parametrize("said", ["I/O error: full (os error 28)", "Io error, code: 28, full"])
def test_a_full_disk_is_known_by_what_safetensors_says(said: str) -> None:
    assert disk_is_full(SafetensorError(said))
    assert not disk_is_full(SafetensorError("I/O error: gone (os error 5)"))
    assert not disk_is_full(SafetensorError("broken"))


def test_spikes() -> None:
    spikes = Spikes(20.0, [], [])
    assert spikes.why_not(1e9, 1.0) is None  # nothing to compare with yet
    for _ in range(WINDOW):
        assert spikes.why_not(1.0, 2.0) is None
    assert spikes.largest_norm(1.0) == 40.0 and spikes.largest_norm(21.0) < 0
    assert spikes.why_not(1.0, 50.0) == "the gradient of 50 was 25 times the median"
    assert spikes.why_not(float("nan"), 1.0) == "the loss was not finite"


def test_health_speaks_once() -> None:
    health = Health()
    said = [health.of_line(1.0, 1.0, 0.5, False) for _ in range(LINES)]
    assert "waits for data 50% of the time" in said[0][0]
    assert [len(each) for each in said] == [1, *[0] * (LINES - 2), 1]
    assert "the loss is flat" in said[-1][0]
    assert "far from the trained ones" in health.of_averages(0.5)[0]
    assert health.of_averages(0.5) == []


def test_a_changed_recipe_is_shown() -> None:
    before = {"out": "a", "optim": {"lr": 0.1, "betas": [0.9, 0.95]}}
    check_unchanged(before, {"out": "b", "optim": {"lr": 0.1, "betas": (0.9, 0.95)}}, Path("run"))
    with pytest.raises(UserError, match=r"optim.lr: 0.1 -> 0.2\): undo that"):
        check_unchanged(before, {"out": "a", "optim": {"lr": 0.2, "betas": (0.9, 0.95)}}, Path("x"))


def test_a_journal_ends_where_the_checkpoint_does(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "rows.jsonl")
    for step in (1, 2, 3):
        journal.add({"step": step})
    with open(tmp_path / "rows.jsonl", "a") as file:
        file.write('{"step": 4')
    journal.cut(2)
    assert (tmp_path / "rows.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n'
