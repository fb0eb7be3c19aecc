"""A real Ctrl-C to a real process: it saves, says so in one line, and the next run goes on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import Tiny, rows

from skyloom.errors import UserError
from skyloom.train import autoencoder, checkpoint


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_to_a_process(tiny: Tiny, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "skyloom.cli", "train", "autoencoder"]
    settings = [f"out={out}", "optim.steps=100000", "loop.log_every=1"]
    with subprocess.Popen(
        [*command, str(tiny.autoencoder_recipe), *settings], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 300
        while not (out / "metrics.jsonl").exists() or len(rows(out / "metrics.jsonl")) < 3:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "skyloom: interrupted.\n"
    found = checkpoint.load_newest(out / "checkpoints")
    assert found is not None
    stopped = found.meta["step"]
    assert stopped >= 3 and not (out / "model").exists()
    assert [path.name for path in (out / "checkpoints").iterdir()] == [f"step_{stopped:08d}"]
    shorter = [f"out={out}", f"optim.steps={stopped + 2}"]
    with pytest.raises(UserError, match=r"optim.steps: 100000 -> \d+.*--allow-changes"):
        autoencoder.main(tiny.autoencoder_recipe, shorter)
    done = autoencoder.main(tiny.autoencoder_recipe, shorter, allow_changes=True)
    assert done == stopped + 2
    assert (out / "model" / "autoencoder" / "config.json").exists()
    assert rows(out / "metrics.jsonl")[-1]["step"] >= stopped
