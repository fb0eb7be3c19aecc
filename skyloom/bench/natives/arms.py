"""Two models by one recipe: one learns from native sizes, one from squares of the same clips.

Both go on from the same model. Fifteen minutes of a CPU teach a new one the light of a place and
little more; a model that can show a subject is what framing can be seen in.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skyloom.autoencoder.folder import load_autoencoder
from skyloom.bench.natives.data import ARMS
from skyloom.data.prepare import prepare
from skyloom.device import pick_device, pick_dtype
from skyloom.errors import UserError
from skyloom.files import atomic_path
from skyloom.world.dataset import one_thread_each

RECIPE = """\
# Written by skyloom bench native; the other model's differs in its paths alone.
out = "{out}"
data = "{data}"
autoencoder = "{start}"
start = "{start}"
views = [0, 1]
tokens = {tokens}
subject_weight = 4.0
held_out = 16

[optim]
lr = {rate}
muon = true
warmup = {warmup}
steps = {steps}
cooldown = 0.4
ema = 0.99
weight_decay = 0.02

[loop]
evaluate_minutes = 1000.0
"""


@dataclass(frozen=True)
class NativeModel:
    """The recipe that both models share.

    Attributes:
        tokens: of a batch.
        steps: of training; steps times tokens is what each model sees.
        rate: of learning, at its peak.
    """

    tokens: int = 3072
    steps: int = 400
    rate: float = 1.5e-3


def prepare_data(folder: Path, start: Path) -> None:
    """Latents of both raw datasets beside them; what is there is not made again."""
    device = pick_device("auto")
    network = load_autoencoder(start).to(device, pick_dtype(device))
    for arm in ARMS:
        prepare(folder / "data" / arm, folder / f"{arm}-latents", network, 8, device)


def train_arms(folder: Path, start: Path, model: NativeModel) -> None:
    """Train both side by side, one thread each, or go on with what an earlier call left.

    Raises:
        UserError: a training ended with an error; its log is named.
    """
    running: list[tuple[str, subprocess.Popen]] = []
    together = (os.cpu_count() or 1) > 1
    try:
        for arm in ARMS:
            running.append((arm, _begin(folder, arm, start, model)))
            if not together:
                running[-1][1].wait()
        for _, process in running:
            process.wait()
    except BaseException:
        for _, process in running:
            if process.poll() is None:  # it writes its checkpoint, as at Ctrl-C
                process.send_signal(signal.SIGINT)
        for _, process in running:
            process.wait()
        raise
    for arm, process in running:
        if process.returncode:
            log = folder / f"{arm}.log"
            last = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
            raise UserError(f"The training of '{arm}' ended: {' '.join(last)} ({log}).")


def _begin(folder: Path, arm: str, start: Path, model: NativeModel) -> subprocess.Popen:
    recipe = folder / f"{arm}.toml"
    with atomic_path(recipe) as temporary:
        temporary.write_text(_recipe(folder, arm, start, model), "utf-8")
    command: Sequence[str] = (
        sys.executable, "-m", "skyloom", "train", "transformer", str(recipe),
    )  # fmt: skip
    with one_thread_each(), (folder / f"{arm}.log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def _recipe(folder: Path, arm: str, start: Path, model: NativeModel) -> str:
    return RECIPE.format(
        out=folder / arm,
        data=folder / f"{arm}-latents",
        start=start,
        tokens=model.tokens,
        rate=model.rate,
        warmup=max(1, min(30, model.steps // 10)),
        steps=model.steps,
    )
