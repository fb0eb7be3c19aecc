"""Model folders on disk, in the style of Hugging Face: read strictly, written whole.

    folder/model_index.json                 what is in it: class names, and sha256 of every file
    folder/transformer/config.json          how the component is built
    folder/transformer/model.safetensors    its weights; above 16 MiB in shards with an index:
    folder/transformer/model-00001-of-00003.safetensors, ..., model.safetensors.index.json

Weights are safetensors and nothing else: a pickle in the folder (.bin, .pt, .pkl) is never opened.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from skyloom.errors import UserError
from skyloom.files import atomic_path, whole_folder

FORMAT_VERSION = 1
"""Raised when a folder is written that older code would misread."""

MAX_SHARD_BYTES = 16 * 2**20
INDEX = "model_index.json"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
CLASS_NAME = "Skyloom"  # diffusers' key for the pipeline that a folder belongs to
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


@dataclass(frozen=True)
class ModelIndex:
    """What model_index.json says.

    Attributes:
        version: of the format.
        components: class name of each component, by the name of its folder.
        extra: whatever the writer added for its reader, such as sizes the model was trained on.
        files: sha256 of every file of the components, by its path in the folder.
    """

    version: int
    components: dict[str, str]
    extra: dict[str, Any]
    files: dict[str, str]


# -------------------------------------------------------------------------------------- writing


def save_component(
    folder: str | os.PathLike[str],
    name: str,
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    class_name: str,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Write folder/name with config.json and the weights, in place of what was there.

    Every tensor keeps its dtype and its shape; tensors that share memory are written apart. A
    file stays below `max_shard_bytes` unless a single tensor is larger.

    Raises:
        UserError: the folder cannot be made.
    """
    with whole_folder(Path(folder) / name) as temporary:
        _write_json(temporary / CONFIG, {"_class_name": class_name, **config})
        shards = _split(state, max_shard_bytes)
        if len(shards) == 1:
            _write_weights(temporary / WEIGHTS, shards[0])
            return
        where: dict[str, str] = {}
        for number, shard in enumerate(shards, start=1):
            file = f"model-{number:05}-of-{len(shards):05}.safetensors"
            _write_weights(temporary / file, shard)
            where |= dict.fromkeys(shard, file)
        total = sum(tensor.nbytes for tensor in state.values())
        index = {"metadata": {"total_size": total}, "weight_map": where}
        _write_json(temporary / SHARDS, index)


def write_model_index(
    folder: str | os.PathLike[str],
    components: Mapping[str, str],
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write model_index.json over the components that lie in `folder`: the last step of saving.

    Args:
        components: class name of each component, by the name of its folder.
        extra: anything else that JSON holds.
    """
    root = Path(folder)
    files = {
        path.relative_to(root).as_posix(): _sha256(path)
        for name in sorted(components)
        for path in sorted((root / name).rglob("*"))
        if path.is_file() and path.suffix not in PICKLES and not path.name.startswith(".")
    }
    index = {
        "_class_name": CLASS_NAME,
        "format_version": FORMAT_VERSION,
        "components": dict(components),
        "extra": dict(extra or {}),
        "files": files,
    }
    with atomic_path(root / INDEX) as temporary:
        _write_json(temporary, index)


def _split(state: Mapping[str, Tensor], max_bytes: int) -> list[dict[str, Tensor]]:
    """The tensors in their order, cut into shards whose files stay below `max_bytes`."""
    shards: list[dict[str, Tensor]] = [{}]
    used = 0
    for name, tensor in state.items():
        size = tensor.nbytes + len(name.encode()) + 160  # the header's entry for it
        if shards[-1] and used + size > max_bytes:
            shards.append({})
            used = 0
        shards[-1][name] = tensor
        used += size
    return shards


def _write_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    # Tied weights share memory, which safetensors refuses: each gets bytes of its own.
    apart = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    with open(path, "wb") as file:  # save_file would make it unreadable for others
        file.write(save(apart, metadata={"format": "pt"}))
        file.flush()
        os.fsync(file.fileno())


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -------------------------------------------------------------------------------------- reading


def read_model_index(folder: str | os.PathLike[str], verify: bool = True) -> ModelIndex:
    """Read and check model_index.json.

    Args:
        verify: also check that every file it lists is there and has the sha256 it should have.

    Raises:
        UserError: the folder or its index is missing or broken, belongs to another program, was
            written by a newer skyloom, or a file is missing or changed.
    """
    root = Path(folder)
    if not root.is_dir():
        raise _no_folder(root)
    if not (root / INDEX).is_file():
        raise UserError(
            f"'{root}' is no model folder, it has no {INDEX}: such a folder holds {INDEX} and, "
            f"for each component, a folder with {CONFIG} and {WEIGHTS}."
        )
    values = _read_json(root / INDEX)
    pipeline, version = values.get("_class_name"), values.get("format_version")
    if pipeline != CLASS_NAME:
        owner = f"a '{pipeline}' of diffusers" if "_diffusers_version" in values else "another one"
        raise UserError(
            f"The model in '{root}' is not skyloom's but {owner}: "
            "name a folder that skyloom's training wrote."
        )
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise UserError(
            f"The model in '{root}' has format version {version} and this skyloom reads up to "
            f"{FORMAT_VERSION}: install a newer skyloom."
        )
    components, files = values.get("components"), values.get("files")
    if not (version == FORMAT_VERSION and _is_table(components) and _is_table(files)):
        raise UserError(f"'{root / INDEX}' is damaged: get a whole copy of the model.")
    index = ModelIndex(version, components, dict(values.get("extra") or {}), files)
    if verify:
        _verify(root, index)
    return index


def load_component(
    folder: str | os.PathLike[str], name: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read folder/name: its configuration, without the class name, and its weights on the CPU.

    Raises:
        UserError: the component or one of its files is missing, or a file is broken.
    """
    path = Path(folder) / name
    if not Path(folder).is_dir():
        raise _no_folder(Path(folder))
    if not path.is_dir():
        raise UserError(f"The model in '{folder}' is incomplete: the folder '{name}' is missing.")
    config = _read_json(_there(path, CONFIG))
    config.pop("_class_name", None)
    if not (path / SHARDS).is_file():
        return config, _read_weights(_there(path, WEIGHTS))
    where = _read_json(path / SHARDS).get("weight_map")
    if not _is_table(where):
        raise UserError(f"'{path / SHARDS}' is damaged: get a whole copy of the model.")
    state: dict[str, Tensor] = {}
    for file in sorted(set(where.values())):
        state |= _read_weights(_there(path, file))
    if lost := sorted(where.keys() - state.keys()):
        raise UserError(
            f"The weights in '{path}' are incomplete, '{lost[0]}' is missing: "
            "get a whole copy of the model."
        )
    return config, {key: state[key] for key in where}


def fill(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Give a network the weights that `load_component` read from `path`, in their precision.

    Raises:
        UserError: they are not the weights of such a network.
    """
    try:
        network.to(next(iter(state.values())).dtype)
        network.load_state_dict(state)
    except (StopIteration, TypeError, RuntimeError) as error:
        raise UserError(
            f"The weights in '{path}' do not fit its {CONFIG}: get a whole copy of the model."
        ) from error


def _verify(root: Path, index: ModelIndex) -> None:
    for name in index.components:
        if f"{name}/{CONFIG}" not in index.files:
            raise UserError(
                f"'{root / INDEX}' does not list the files of '{name}': get a whole copy."
            )
    for file, expected in index.files.items():
        if _sha256(_there(root, file)) != expected:
            raise UserError(
                f"'{root / file}' is not the file that {INDEX} describes, its checksum is wrong: "
                "get a whole copy of the model."
            )


def _no_folder(root: Path) -> UserError:
    what = "is a file" if root.exists() else "does not exist"
    return UserError(f"The model folder '{root}' {what}: name a folder with a {INDEX} in it.")


def _there(folder: Path, file: str) -> Path:
    """The path of a file that an index names, if it lies in `folder` and exists."""
    parts = Path(file).parts
    if Path(file).is_absolute() or ".." in parts:
        raise UserError(
            f"The model in '{folder}' names a file outside of it, '{file}': distrust it."
        )
    path = folder / file
    if path.is_file():
        return path
    pickles = [other.name for other in folder.glob("*") if other.suffix in PICKLES]
    if file == WEIGHTS and pickles:
        raise UserError(
            f"'{path}' is missing, and '{pickles[0]}' is a pickle, which is never read: "
            "convert it to safetensors."
        )
    raise UserError(f"The model is incomplete, '{path}' is missing: get a whole copy of it.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"'{path}' is broken JSON: get a whole copy of the model.") from error
    if not isinstance(values, dict):
        raise UserError(f"'{path}' is no table of settings: get a whole copy of the model.")
    return values


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"'{path}' is broken or no safetensors file: get a whole copy of the model."
        ) from error


def _is_table(value: Any) -> TypeGuard[dict[str, str]]:
    """Whether a value from JSON maps names to strings."""
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
