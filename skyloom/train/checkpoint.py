"""Checkpoints that are whole or absent: one folder a step, two kept, safetensors and JSON only.

Each process writes a file with the rows that it holds; laid end to end in the order of the files,
they are the whole tensor, so any number of processes can read what any other number has written.
SHA256SUMS has the checksum of every file, as `sha256sum` writes it.

`torch.distributed.checkpoint` would do the same from tensors that know how they are sharded, but
it keeps its index as a pickle, and no pickle is ever read here; its writer for safetensors leaves
out checksums, renaming as a whole, and what happens when a disk is full.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from skyloom.train.diskfull import as_os_error
from skyloom.train.ranks import ALONE, Ranks

KEEP = 2
SUMS = "SHA256SUMS"
FORMAT = 2
"""Since 2 there are checksums; what is older has none and is read all the same."""


@dataclass(frozen=True)
class Checkpoint:
    """What was saved: the tensors by name, and the meta values (step, seconds, configuration)."""

    tensors: Mapping[str, Tensor]
    meta: dict
    folder: Path


class Stored(Mapping[str, Tensor]):
    """The tensors in some files, read when they are asked for."""

    def __init__(self, files: list[Path]) -> None:
        self._files: dict[str, list[Path]] = {}
        for file in files:
            with safe_open(file, "pt") as handle:
                for name in handle.keys():  # noqa: SIM118 - a handle is no mapping
                    self._files.setdefault(name, []).append(file)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, name: str) -> Tensor:
        """The whole tensor."""
        with ExitStack() as stack:
            parts = [
                stack.enter_context(safe_open(file, "pt")).get_tensor(name)
                for file in self._files[name]
            ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def rows(self, name: str, first: int, count: int, whole: int) -> Tensor:
        """Rows `first` to `first + count` of a tensor of `whole` rows.

        Raises:
            RuntimeError: it has another number of rows.
        """
        parts: list[Tensor] = []
        start = 0
        for file in self._files[name]:
            with safe_open(file, "pt") as handle:
                part = handle.get_slice(name)
                rows = part.get_shape()[0]
                low, high = max(first - start, 0), min(first + count - start, rows)
                if low < high or not parts:
                    parts.append(part[low:high] if low < high else part[:1][:0])
                start += rows
        if start != whole:
            raise RuntimeError(f"{name} has {start} rows, not {whole}")
        return torch.cat(parts)


# ------------------------------------------------------------------------------------- writing


def part_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint of `step` grows; all processes write into the same."""
    return folder / f".step_{step:08d}.part"


def begin(folder: Path, step: int) -> Path:
    """Make an empty part folder, and remove what killed runs have left of theirs."""
    for left in folder.glob(".step_*.part"):
        shutil.rmtree(left, ignore_errors=True)
    part = part_folder(folder, step)
    part.mkdir(parents=True)
    return part


def write_tensors(part: Path, tensors: Mapping[str, Tensor], ranks: Ranks = ALONE) -> None:
    """Write the file of this process into `part`, on the disk for good, its checksum beside it.

    Raises:
        OSError: the disk is full, or gone.
    """
    many = ranks.ranks > 1
    name = f"state-{ranks.rank + 1:05d}-of-{ranks.ranks:05d}" if many else "state"
    file = part / f"{name}.safetensors"
    try:
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file)
    except SafetensorError as error:
        found = as_os_error(error)
        raise found from (None if found is error else error)
    _to_disk(file)
    (part / f"{file.name}.sha256").write_text(f"{_digest(file)}  {file.name}\n")


def finish(part: Path, meta: Mapping) -> Path:
    """Make a checkpoint of a part folder in which all have written; drop all but the newest two.

    A later one than this is dropped as well: it was damaged, or the run would not be here again.
    """
    target = part.parent / part.name.removeprefix(".").removesuffix(".part")
    (part / "meta.json").write_text(json.dumps({"format": FORMAT, **meta}, indent=1))
    sums = [file.read_text() for file in sorted(part.glob("*.sha256"))]
    sums.append(f"{_digest(part / 'meta.json')}  meta.json\n")
    (part / SUMS).write_text("".join(sums))
    for file in part.glob("*.sha256"):
        file.unlink()
    for name in ("meta.json", SUMS):
        _to_disk(part / name)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(part, target)
    _to_disk(part.parent)
    kept = [each for each in sorted(part.parent.glob("step_*")) if each.name <= target.name]
    for other in set(part.parent.glob("step_*")) - set(kept[-KEEP:]):
        shutil.rmtree(other, ignore_errors=True)
    return target


def save(folder: Path, tensors: Mapping[str, Tensor], meta: Mapping) -> Path:
    """Write checkpoint `meta["step"]` below `folder`, of one process, and wait for it."""
    part = begin(folder, meta["step"])
    try:
        write_tensors(part, {key: tensor.detach().cpu() for key, tensor in tensors.items()})
        return finish(part, meta)
    finally:
        shutil.rmtree(part, ignore_errors=True)


# ------------------------------------------------------------------------------------- reading


def load_newest(folder: Path, ranks: Ranks = ALONE) -> Checkpoint | None:
    """The newest checkpoint that is what was written; None if there is none.

    One that is damaged is passed over, and the user is told. The processes share the work of
    checking, and agree.
    """
    for candidate in sorted(folder.glob("step_*"), reverse=True):
        found = _damage(candidate, ranks)
        if ranks.any(found is not None):
            found = found or "another process found it damaged"
            print(f"skyloom: checkpoint '{candidate}' is passed over: {found}.", file=sys.stderr)
            continue
        meta = json.loads((candidate / "meta.json").read_text())
        meta.pop("format", None)
        return Checkpoint(Stored(sorted(candidate.glob("*.safetensors"))), meta, candidate)
    return None


def _damage(candidate: Path, ranks: Ranks) -> str | None:
    """What is wrong with a checkpoint, as far as this process's share of its files tells."""
    try:
        meta = json.loads((candidate / "meta.json").read_text())
        if "format" not in meta:
            return _old_damage(candidate)
        lines = (candidate / SUMS).read_text().splitlines()
        for line in lines[ranks.rank :: ranks.ranks]:
            digest, _, name = line.partition("  ")
            if _digest(candidate / name) != digest:
                return f"'{name}' is not what its checksum says"
    except (OSError, ValueError, TypeError) as error:
        return f"it is not whole ({error})"
    return None


def _old_damage(candidate: Path) -> str | None:
    """The same for one of before there were checksums."""
    try:
        with safe_open(candidate / "state.safetensors", "pt"):
            return None
    except (OSError, SafetensorError) as error:
        return f"it is not whole ({error})"


def _digest(file: Path) -> str:
    with open(file, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    """Wait until a file's contents, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
