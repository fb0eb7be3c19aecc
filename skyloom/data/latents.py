"""The prepared dataset: latents of any shape in safetensors shards, with an index.

    folder/meta.json             what made the latents; a folder of another autoencoder is refused
    folder/shard_00000.safetensors   key -> float16 latents "C T H W"; whole or absent
    folder/index.jsonl           a line a clip, appended only after its shard is on the disk

A crash therefore loses at most the shard being filled, and a second run goes on from there.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from skyloom.data.shards import Shard
from skyloom.errors import UserError
from skyloom.files import atomic_path

META, INDEX = "meta.json", "index.jsonl"
SHARD = re.compile(r"shard_(\d{5,})\.safetensors")
FORMAT = 1
SHARD_BYTES = 64 * 2**20
STORED = torch.float16  # latents have unit variance: its 10 bits of mantissa serve them best


@dataclass(frozen=True)
class LatentRow:
    """What the index says about a clip, without its truth, which is long and read when asked for.

    Attributes:
        key: name of the tensor, unique in the dataset.
        shard: file that holds it.
        shape: (C, T, H, W) of the latents.
        fps: frames a second of the video.
        captions: captions of the clip.
        offset: byte of index.jsonl where its line starts.
    """

    key: str
    shard: str
    shape: tuple[int, int, int, int]
    fps: float
    captions: tuple[str, ...]
    offset: int

    @property
    def positions(self) -> int:
        """T * H * W: latents in the clip, each a token where patches are 1x1x1."""
        return self.shape[1] * self.shape[2] * self.shape[3]


@dataclass(frozen=True)
class LatentSample:
    """One clip as latents (float16, about zero mean and unit variance) and what is known of it."""

    latents: Float[Tensor, "C T H W"]
    fps: float
    captions: tuple[str, ...]
    truth: dict | None
    key: str


class LatentWriter:
    """Writes a prepared dataset, or goes on with an unfinished one. A context manager.

    Args:
        folder: made if it does not exist.
        meta: what the latents are, compared with what the folder says already; "clips", the
            number of clips of the whole dataset, may have grown.
        shard_bytes: a shard is written once it holds so many bytes.

    Raises:
        UserError: the folder cannot be written, holds something else, or was begun with
            another `meta`.
    """

    def __init__(
        self, folder: Path | str, meta: Mapping[str, Any], shard_bytes: int = SHARD_BYTES
    ) -> None:
        self.folder = Path(folder)
        self.shard_bytes = shard_bytes
        self._waiting: dict[str, tuple[Tensor, dict]] = {}
        self._bytes = 0
        self._failed = False
        wanted = json.loads(json.dumps({"format": FORMAT, **meta}))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _begin(self.folder, wanted)
            self.rows = {row.key: row for row in _read_index(self.folder, mend=True)}
        except OSError as error:
            raise UserError(f"Cannot write to '{self.folder}': {error.strerror}.") from error
        shards = {row.shard for row in self.rows.values()}
        for shard in sorted(shards):
            if not (self.folder / shard).is_file():
                raise UserError(_broken(self.folder, shard))
        numbers = [int(name[6:].removesuffix(".safetensors")) for name in shards]
        self._next = max(numbers, default=-1) + 1

    def __contains__(self, key: str) -> bool:
        return key in self.rows or key in self._waiting

    def add(
        self,
        key: str,
        latents: Float[Tensor, "C T H W"],
        fps: float,
        captions: tuple[str, ...],
        truth: dict | None,
    ) -> None:
        """Keep a clip for the next shard; a key that is there already is left as it is."""
        if key in self:
            return
        stored = latents.detach().to("cpu", STORED).contiguous()
        line = {"shape": list(stored.shape), "fps": fps, "captions": captions, "truth": truth}
        self._waiting[key] = (stored, line)
        self._bytes += stored.nbytes
        if self._bytes >= self.shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the clips that wait as one shard, then their lines of the index.

        Raises:
            UserError: the disk refuses.
        """
        if not self._waiting:
            return
        shard = f"shard_{self._next:05d}.safetensors"
        try:
            with atomic_path(self.folder / shard) as path:
                save_file({key: latents for key, (latents, _) in self._waiting.items()}, path)
                with open(path, "rb") as handle:
                    os.fsync(handle.fileno())
            self._append(shard)
        except (OSError, SafetensorError) as error:
            self._failed = True
            raise UserError(
                f"Cannot write '{self.folder / shard}' ({error}): with room on the disk, the "
                "same command goes on from the shards that are there."
            ) from error
        self._waiting, self._bytes, self._next = {}, 0, self._next + 1

    def _append(self, shard: str) -> None:
        """The index's lines for the clips that wait; each `LatentRow` knows where its line is."""
        offset = _size(self.folder / INDEX)
        lines, rows = [], {}
        for key, (_, fields) in self._waiting.items():
            line = (json.dumps({"key": key, "shard": shard, **fields}) + "\n").encode()
            rows[key] = _row(json.loads(line), offset)
            lines.append(line)
            offset += len(line)
        with open(self.folder / INDEX, "ab") as handle:
            handle.write(b"".join(lines))
            handle.flush()
            os.fsync(handle.fileno())
        self.rows.update(rows)

    def __enter__(self) -> "LatentWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What waits is whole, so an interrupt or a bad clip need not cost its neighbours;
        # where the disk itself failed, another try would only hide the cause.
        if not self._failed:
            self.flush()


class LatentDataset:
    """A prepared dataset to read, in the order of the keys. It holds headers and no latents.

    Attributes:
        meta: what meta.json says ("autoencoder", "channels", "stride", ...).
        rows: a `LatentRow` for each clip.

    Raises:
        UserError: the folder is missing, unfinished, damaged, or something else.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        meta = _read_meta(self.folder)
        if meta is None:
            raise UserError(
                f"'{self.folder}' is no prepared dataset (it has no {META}): "
                "`skyloom prepare` makes one from a folder of videos."
            )
        if meta["format"] != FORMAT:
            raise UserError(
                f"'{self.folder}' is a prepared dataset of format {meta['format']}, "
                f"this version reads format {FORMAT}: prepare it again."
            )
        self.meta = meta
        self.rows = sorted(_read_index(self.folder), key=lambda row: row.key)
        wanted = self.meta.get("clips", 1)
        if len(self.rows) < wanted:
            raise UserError(
                f"'{self.folder}' is unfinished, it holds {len(self.rows)} of {wanted} clips: "
                "run the same `skyloom prepare` again, it goes on where it stopped."
            )
        self._shards: dict[str, Shard] = {}
        self._check()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> LatentSample:
        row = self.rows[index]
        try:
            latents = self._open(row.shard).read(row.key)
        except (OSError, ValueError) as error:
            raise UserError(
                f"Clip {row.key} of '{self.folder}' cannot be read from '{row.shard}' ({error}): "
                "prepare the dataset again."
            ) from error
        if latents.shape != row.shape:
            raise UserError(
                f"'{self.folder}' is damaged: clip {row.key} has shape {tuple(latents.shape)}, "
                f"its index says {row.shape}: prepare it again."
            )
        return LatentSample(latents, row.fps, row.captions, self.truth(index), row.key)

    def truth(self, index: int) -> dict | None:
        """What is known exactly about a clip, without reading its latents."""
        row = self.rows[index]
        try:
            with open(self.folder / INDEX, "rb") as handle:
                handle.seek(row.offset)
                line = json.loads(handle.readline())
            if line["key"] != row.key:
                raise ValueError(f"it names {line['key']}")
            return line["truth"]
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"The line of clip {row.key} in '{self.folder / INDEX}' has changed since it was "
                f"opened ({error}): start again."
            ) from error

    def _open(self, shard: str) -> Shard:
        if shard not in self._shards:
            try:
                self._shards[shard] = Shard(self.folder / shard)
            except (OSError, ValueError) as error:
                raise UserError(_broken(self.folder, shard)) from error
        return self._shards[shard]

    def _check(self) -> None:
        """Every clip of the index is in its shard, by the shards' headers alone."""
        for row in self.rows:
            if row.key not in self._open(row.shard):
                raise UserError(
                    f"The shard '{self.folder / row.shard}' lacks clip {row.key}: "
                    f"remove '{self.folder}' and prepare it again."
                )


def _begin(folder: Path, wanted: dict) -> None:
    """Write meta.json, or compare it with what a former run wrote."""
    found = _read_meta(folder)
    if found is None:
        if any(folder.iterdir()):
            raise UserError(
                f"The folder '{folder}' holds something else than a prepared dataset: "
                "name a new or an empty one."
            )
    elif {**found, "clips": 0} != {**wanted, "clips": 0}:
        keys = sorted({*found, *wanted} - {"clips"})
        differing = [key for key in keys if found.get(key) != wanted.get(key)]
        raise UserError(
            f"'{folder}' was prepared otherwise ({', '.join(differing)} differs): "
            "name a new folder or remove this one."
        )
    if found != wanted:
        with atomic_path(folder / META) as path:
            path.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")


def _read_meta(folder: Path) -> dict | None:
    """What meta.json says, None if there is none."""
    path = folder / META
    if not path.is_file():
        return None
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"'{path}' is damaged ({error}): prepare the dataset again.") from error
    if not isinstance(meta, dict) or "format" not in meta or "autoencoder" not in meta:
        raise UserError(f"'{path}' does not belong to a prepared dataset: name another folder.")
    return meta


def _read_index(folder: Path, mend: bool = False) -> list[LatentRow]:
    """The rows of index.jsonl; `mend` cuts off a last line that a crash left torn."""
    path = folder / INDEX
    rows: list[LatentRow] = []
    if not path.is_file():
        return rows
    offset = 0
    with open(path, "rb") as handle:
        for number, line in enumerate(handle, 1):
            if not line.endswith(b"\n"):
                break
            try:
                rows.append(_row(json.loads(line), offset))
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"Line {number} of '{path}' is damaged: remove '{folder}' and prepare it again."
                ) from error
            offset += len(line)
    if mend and offset < _size(path):
        os.truncate(path, offset)
    return rows


def _row(line: dict, offset: int) -> LatentRow:
    channels, time, height, width = line["shape"]
    shard = line["shard"]
    if not SHARD.fullmatch(shard):  # a dataset from elsewhere must not reach out of its folder
        raise ValueError(f"{shard!r} is no shard")
    return LatentRow(
        line["key"],
        shard,
        (channels, time, height, width),
        float(line["fps"]),
        tuple(line["captions"]),
        offset,
    )


def _broken(folder: Path, shard: str) -> str:
    state = "damaged" if (folder / shard).exists() else "missing"
    return f"The shard '{folder / shard}' is {state}: remove '{folder}' and prepare it again."


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
