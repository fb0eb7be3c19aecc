"""Weights that come with the package, or are taught anew in their place: read, or refused."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from skyloom.errors import UserError

WEIGHTS = Path(__file__).parent / "weights"

T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """What a file of weights holds.

    Attributes:
        tensors: by name.
        facts: what its metadata says under `facts`, as JSON.
        version: the first letters of the file's hash.
    """

    tensors: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]
    version: str


def read_stored(path: Path, what: str, teaching: str, build: Callable[[Stored], T]) -> T:
    """What `build` makes of a file of weights.

    Args:
        what: the file is of, for the sentence that refuses it.
        teaching: the module that writes such a file.

    Raises:
        UserError: the file is missing or damaged, or lacks what `build` asks for.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load_file

    try:
        with safe_open(path, "np") as file:
            facts = json.loads((file.metadata() or {})["facts"])
        version = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        return build(Stored(load_file(path), facts, version))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise UserError(
            f"{what} in '{path}' is missing or damaged: install skyloom again, or teach it anew "
            f"with python -m {teaching}."
        ) from error
