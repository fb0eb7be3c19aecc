"""The loop, on the smallest task there is: a line through points."""

import json
import signal
import threading
from pathlib import Path

import pytest
import torch
from tiny import rows
from torch import Tensor, nn

from skyloom.errors import UserError
from skyloom.train import checkpoint, interrupts
from skyloom.train.loop import LoopConfig, run
from skyloom.train.optim import OptimConfig
from skyloom.train.task import Task

OPTIM = OptimConfig(lr=0.1, warmup=0, steps=12, ema=0.5)
LOOP = LoopConfig(log_every=4)


class Line:
    """y = 2 x - 1, from points drawn anew at every step."""

    def __init__(self, width: int = 1) -> None:
        torch.manual_seed(0)
        self.line = nn.Linear(1, width)
        self.modules: dict[str, nn.Module] = {"line": self.line}
        self.seen: list[int] = []
        self.evaluated: list[float] = []

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        self.seen.append(step)
        x = torch.randn(16, 1, generator=torch.Generator().manual_seed(step))
        loss = (self.line(x) - (2 * x - 1)).square().mean()
        return loss, {"twice": 2 * loss.item()}

    def evaluate(self) -> dict[str, float]:
        self.evaluated.append(self.line.weight[0, 0].item())
        return {"slope": self.evaluated[-1]}

    def export(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "line.json").write_text(json.dumps(self.evaluated[-1]))


class StoppedLine(Line):
    """Somebody presses Ctrl-C at step 5."""

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        if step == 5:
            raise KeyboardInterrupt
        return super().loss(step)


class BadLine(Line):
    """From step 3 on, nothing is finite."""

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        loss, figures = super().loss(step)
        return loss * (float("nan") if step >= 3 else 1.0), figures


def trained(task: Line, folder: Path, loop: LoopConfig = LOOP, minutes: float | None = None) -> int:
    assert isinstance(task, Task)
    return run(task, OPTIM, loop, folder, {"a": 1}, minutes)


def test_a_run_from_start_to_end(tmp_path: Path) -> None:
    task = Line()
    assert trained(task, tmp_path / "new" / "run") == 12
    assert task.seen == list(range(12))
    folder = tmp_path / "new" / "run"
    log = rows(folder / "metrics.jsonl")
    assert [row["step"] for row in log] == [4, 8, 12]
    assert all(row["twice"] == pytest.approx(2 * row["loss"]) for row in log)
    assert log[-1]["loss"] < log[0]["loss"]
    assert log[-1]["lr"] == 0.0 and log[0]["steps_per_second"] > 0
    found = checkpoint.load_newest(folder / "checkpoints")
    assert found is not None
    assert found.meta["step"] == 12 and found.meta["recipe"] == {"a": 1}
    # What is judged and exported is the average; what stays in the module goes on training.
    average = found.tensors["average/line.weight"].item()
    assert rows(folder / "evaluations.jsonl") == [
        {"step": 12, "seconds": pytest.approx(found.meta["seconds"], abs=5), "slope": average}
    ]
    assert json.loads((folder / "model" / "line.json").read_text()) == average
    assert task.line.weight.item() == found.tensors["master/line.weight"].item() != average


def test_a_finished_run_has_nothing_to_do(tmp_path: Path) -> None:
    trained(Line(), tmp_path)
    again = Line()
    assert trained(again, tmp_path) == 12
    assert again.seen == []


def test_ctrl_c_saves_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(StoppedLine(), tmp_path / "stopped")
    assert not (tmp_path / "stopped" / "model").exists()
    later = Line()
    assert trained(later, tmp_path / "stopped") == 12
    assert later.seen == list(range(5, 12))
    whole = Line()
    trained(whole, tmp_path / "whole")
    for name in ("weight", "bias"):
        assert torch.equal(getattr(later.line, name), getattr(whole.line, name))
    states = [
        (tmp_path / run / "checkpoints" / "step_00000012" / "state.safetensors").read_bytes()
        for run in ("stopped", "whole")
    ]
    assert states[0] == states[1]


def test_time_that_is_up(tmp_path: Path) -> None:
    task = Line()
    done = trained(task, tmp_path, minutes=1e-9)
    assert done == len(task.seen) < 12
    assert (tmp_path / "model" / "line.json").exists()
    assert trained(task, tmp_path) == 12
    assert task.seen == list(range(12))


def test_saving_and_judging_in_between_change_nothing(tmp_path: Path) -> None:
    plain, busy = Line(), Line()
    trained(plain, tmp_path / "plain")
    trained(busy, tmp_path / "busy", LoopConfig(save_minutes=0.0, evaluate_minutes=0.0))
    assert len(busy.evaluated) == 12 and len(plain.evaluated) == 1
    assert torch.equal(plain.line.weight, busy.line.weight)
    assert len(list((tmp_path / "busy" / "checkpoints").iterdir())) == checkpoint.KEEP


def test_a_few_bad_gradients_are_skipped_and_many_stop_the_run(tmp_path: Path) -> None:
    task = BadLine()
    with pytest.raises(
        UserError,
        match="5 batches in a row were skipped, the last because the loss",
    ):
        trained(task, tmp_path)
    assert task.seen == list(range(8))
    assert torch.isfinite(task.line.weight).all()


def test_a_checkpoint_of_another_network(tmp_path: Path) -> None:
    trained(Line(), tmp_path)
    with pytest.raises(UserError, match="of another network than the recipe's: name another fold"):
        trained(Line(width=2), tmp_path)


def test_a_torn_checkpoint_costs_what_came_after_the_one_before(tmp_path: Path) -> None:
    trained(Line(), tmp_path, LoopConfig(save_minutes=0.0))
    torn = tmp_path / "checkpoints" / "step_00000012" / "state.safetensors"
    whole = torn.read_bytes()
    torn.write_bytes(whole[:-1])
    later = Line()
    assert trained(later, tmp_path) == 12
    assert later.seen == [11]
    assert torn.read_bytes() == whole


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"Cannot make the folder '.*file/run': Not a directory"):
        trained(Line(), tmp_path / "file" / "run")


def test_ctrl_c_waits_for_the_end_of_a_step() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts.held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of the step")
        done.append("never")
    assert done == ["the rest of the step"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_loop_may_run_in_a_thread(tmp_path: Path) -> None:
    done = []
    thread = threading.Thread(target=lambda: done.append(trained(Line(), tmp_path)))
    thread.start()
    thread.join(timeout=60)
    assert done == [12]
