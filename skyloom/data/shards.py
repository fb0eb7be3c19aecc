"""Single tensors out of safetensors files, by reading and not by mapping.

A map keeps every page that was ever touched in the memory of the process, so that a long run
over a large dataset would seem to grow to its size; and a file that is cut off under a map kills
the process instead of raising an error. The format: https://github.com/huggingface/safetensors.
"""

import json
import math
import os
from pathlib import Path

import torch
from torch import Tensor

DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}
LONGEST_HEADER = 100_000_000
"""Bytes, the format's own limit."""


class Shard:
    """Where each tensor of a safetensors file lies.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no safetensors file, or not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(LONGEST_HEADER, size - 8):
                raise ValueError(f"{path} has no header")
            header = file.read(length)
        self._start, self._room = 8 + length, size - 8 - length
        try:
            entries = json.loads(header).items()
            self._places = {
                key: self._place(entry) for key, entry in entries if key != "__metadata__"
            }
        except (AttributeError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} has a damaged header") from error

    def _place(self, entry: dict) -> tuple[str, tuple[int, ...], int, int]:
        """(dtype, shape, first byte, bytes) of a tensor, inside the file."""
        shape = tuple(int(extent) for extent in entry["shape"])
        begin, end = (int(offset) for offset in entry["data_offsets"])
        bytes_ = math.prod(shape) * DTYPES[entry["dtype"]].itemsize
        if min(shape, default=0) < 0 or begin < 0 or end > self._room or end - begin != bytes_:
            raise ValueError(f"{self.path} is not whole")
        return entry["dtype"], shape, self._start + begin, bytes_

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def read(self, key: str) -> Tensor:
        """A copy of one tensor.

        Raises:
            KeyError: the file has none of this name.
            OSError, ValueError: the file has gone, or was cut off.
        """
        dtype, shape, begin, bytes_ = self._places[key]
        if not bytes_:
            return torch.empty(shape, dtype=DTYPES[dtype])
        with open(self.path, "rb", buffering=0) as file:
            file.seek(begin)
            data = bytearray(bytes_)
            if file.readinto(data) != bytes_:
                raise ValueError(f"{self.path} was cut off")
        return torch.frombuffer(data, dtype=DTYPES[dtype]).view(shape)
