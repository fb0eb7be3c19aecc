"""Checkpoints that are whole or absent: one folder a step, two kept, safetensors and JSON only."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

KEEP = 2


@dataclass(frozen=True)
class Checkpoint:
    """What was saved: the tensors by name, and the meta values (step, seconds, configuration)."""

    tensors: dict[str, Tensor]
    meta: dict


def save(folder: Path, tensors: dict[str, Tensor], meta: dict) -> Path:
    """Write checkpoint `meta["step"]` below `folder` and drop all but the newest two."""
    target = folder / f"step_{meta['step']:08d}"
    temporary = folder / f".{target.name}.{os.getpid()}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()},
                  temporary / "state.safetensors")  # fmt: skip
        (temporary / "meta.json").write_text(json.dumps(meta, indent=1))
        for file in temporary.iterdir():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())
        shutil.rmtree(target, ignore_errors=True)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in sorted(folder.glob("step_*"))[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load_newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read whole; a torn one is passed over. None if none."""
    for candidate in sorted(folder.glob("step_*"), reverse=True):
        try:
            meta = json.loads((candidate / "meta.json").read_text())
            return Checkpoint(load_file(candidate / "state.safetensors"), meta)
        except (OSError, ValueError, SafetensorError):
            continue
    return None
