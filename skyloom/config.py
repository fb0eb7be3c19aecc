"""Configuration: frozen dataclasses, read strictly from TOML and JSON, and written back.

What a file may say is exactly what the dataclass declares: an unknown key, a wrong type or a
missing value is one sentence that names the key and the file. Fields are numbers, strings, bools,
`Path`, `Literal`, tuples, string-keyed dicts, other dataclasses, and unions of these with None.
"""

import difflib
import json
import math
import os
import re
import sys
import tomllib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from skyloom.errors import UserError
from skyloom.files import atomic_path

T = TypeVar("T")

NONE_WORD = "none"
"""How TOML, which has no null, and the command line say None."""


@dataclass(frozen=True)
class _Source:
    """Where values come from, for the sentence that refuses one.

    Attributes:
        name: what to call the source, such as a file's path.
        overridden: dotted paths that the command line has set over it.
        none_word: whether the word "none" may stand for None, as in TOML.
    """

    name: str
    overridden: tuple[str, ...] = ()
    none_word: bool = False

    def of(self, path: str) -> str:
        """The source of the value at the dotted `path`."""
        line = any(_inside(path, key) or _inside(key, path) for key in self.overridden)
        return "the command line" if line else self.name


def _inside(path: str, key: str) -> bool:
    return path == key or path.startswith((f"{key}.", f"{key}["))


def from_dict(cls: type[T], mapping: Mapping[str, Any], source: str = "the configuration") -> T:
    """Build the dataclass `cls` from plain values, such as a JSON file holds.

    Keys that are left out keep their defaults, those of a nested dataclass the values of the
    default that stands in the enclosing one. An integer is taken where a float is declared.

    Args:
        source: what to call the origin of the values in an error.

    Raises:
        UserError: a key is unknown (the nearest known one is named), a value is of another type
            than declared, a key without a default is missing, or the dataclass refuses a value.
    """
    return _build(cls, mapping, None, "", _Source(source))


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as plain values: the inverse of `from_dict`, fit for JSON."""
    return {field.name: _plain(getattr(config, field.name)) for field in fields(config)}


def load_toml(
    cls: type[T],
    path: str | os.PathLike[str] | None,
    overrides: Sequence[str] = (),
    expand: Callable[[dict[str, Any], Sequence[str]], dict[str, Any]] | None = None,
) -> T:
    """Read a configuration from a TOML file (or a .json one that `save` wrote).

    Args:
        path: None is a file that says nothing, for a recipe whose every key has a default.
        overrides: "dotted.key=value" each, set over the file. The value is read as TOML, what is
            no TOML as a string: "optim.lr=3e-4", "size=[128, 128]", "out=runs/first", "start=none".
        expand: adds to the plain values what some of them stand for, before they are checked; it
            also gets the dotted keys that the overrides set.

    Raises:
        UserError: the file is missing or broken (with the line), an override is no key=value, or
            what `from_dict` refuses.
    """
    values = {} if path is None else _read(Path(path))
    set_keys: list[str] = []
    for override in overrides:
        key, separator, text = override.partition("=")
        key = key.strip()
        if not separator or not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", key):
            raise UserError(f"'{override}' is no setting: write key=value, as in optim.lr=3e-4.")
        _set(values, key, _parse(text.strip()))
        set_keys.append(key)
    values = values if expand is None else expand(values, set_keys)
    name = "the recipe" if path is None else f"'{path}'"
    from_toml = path is None or Path(path).suffix.lower() != ".json"
    return _build(cls, values, None, "", _Source(name, tuple(set_keys), from_toml))


def save(config: Any, path: str | os.PathLike[str]) -> None:
    """Write a configuration whole: JSON for a .json path, else TOML; `load_toml` reads both.

    Raises:
        ValueError: TOML is asked for and a string is "none", which would come back as None.
    """
    values = to_dict(config)
    json_wanted = Path(path).suffix.lower() == ".json"
    text = json.dumps(values, indent=2) + "\n" if json_wanted else _toml(values, "")
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


# ------------------------------------------------------------------------------ files and words


def _read(path: Path) -> dict[str, Any]:
    kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
    text = ""
    try:
        text = path.read_bytes().decode("utf-8")
        values = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise UserError(f"The file '{path}' {reason}: name a {kind} file.") from error
    except ValueError as error:  # broken TOML, JSON or UTF-8; the first two say where
        last = text.rstrip().count("\n") + 1
        where = str(error).replace("at end of document", f"at line {last}, the last one")
        raise UserError(f"'{path}' is not valid {kind}: {where}.") from error
    if not isinstance(values, dict):
        raise UserError(f"'{path}' is no configuration: it holds a {type(values).__name__}.")
    return values


def _parse(text: str) -> Any:
    """The TOML value that `text` writes, or `text` itself."""
    try:
        values = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = values["value"]
    plain = isinstance(value, bool | int | float | str | list | dict)
    return value if plain and len(values) == 1 else text  # dates and times are words here


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for depth, parent in enumerate(parents):
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            above = ".".join(parents[: depth + 1])
            raise UserError(f"'{key}' on the command line cannot be set: '{above}' has no parts.")
    values[last] = value


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def _toml(values: Mapping[str, Any], prefix: str) -> str:
    """Tables of a TOML file: plain keys first, then a [table] for each nested mapping."""
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    lines = [
        f"{_toml_key(key)} = {_toml_value(value)}\n"
        for key, value in values.items()
        if key not in tables
    ]
    for key, table in tables.items():
        name = f"{prefix}{_toml_key(key)}"
        lines.append(f"\n[{name}]\n{_toml(table, f'{name}.')}")
    return "".join(lines)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    match value:
        case None:
            return f'"{NONE_WORD}"'
        case bool():
            return str(value).lower()
        case float() if not math.isfinite(value):
            return str(value)  # inf, -inf, nan: TOML's own words
        case str():
            if value == NONE_WORD:
                raise ValueError(f'the string "{value}" stands for None in TOML: write JSON')
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(_toml_value, value))}]"
        case Mapping():
            inner = (f"{_toml_key(key)} = {_toml_value(item)}" for key, item in value.items())
            return f"{{{', '.join(inner)}}}"
    return repr(value)


# -------------------------------------------------------------------------- values of each type


def _build(cls: type[T], mapping: Any, base: T | None, path: str, source: _Source) -> T:
    """The dataclass `cls` with `mapping`'s values over those of `base`."""
    if not isinstance(mapping, Mapping):
        raise _wrong(mapping, f"a table of {cls.__name__}'s settings", path, source)
    hints = get_type_hints(cls)
    known = {field.name: field for field in fields(cls) if field.init}  # type: ignore[arg-type]
    for key in mapping:
        if key not in known:
            raise _unknown(cls, key, known, path, source)
    values = {}
    for name, field in known.items():
        where = f"{path}.{name}" if path else name
        if name in mapping:
            default = getattr(base, name) if base is not None else _default(field)
            values[name] = _convert(hints[name], mapping[name], default, where, source)
        elif base is None and _default(field) is MISSING:
            raise UserError(f"'{where}' is missing in {source.of(path)}: it has no default.")
    try:
        return cls(**values) if base is None else replace(base, **values)  # type: ignore[type-var]
    except ValueError as error:
        part = f"'{path}' in " if path else ""
        raise UserError(f"{part}{source.of(path)} does not work: {error}.") from error


def _default(field: Field) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _convert(hint: Any, value: Any, default: Any, path: str, source: _Source) -> Any:
    """`value` as the declared type `hint`, or a UserError that names the dotted `path`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(hint, value, default, path, source)
    if origin is tuple:
        return _convert_tuple(hint, value, path, source)
    if is_dataclass(hint):
        if type(value) is hint:
            return value  # built already
        base = default if type(default) is hint else None
        return _build(hint, value, base, path, source)  # type: ignore[arg-type]
    if origin is Literal:
        fits = any(value == option and type(value) is type(option) for option in arguments)
    elif origin is dict:
        fits = isinstance(value, Mapping)
    elif hint is float:
        fits = isinstance(value, float) or (type(value) is int and abs(value) <= sys.float_info.max)
    elif hint is Path:
        fits = isinstance(value, str | Path)
    else:
        fits = hint is Any or type(value) is hint or (hint is types.NoneType and value is None)
    if not fits:
        raise _wrong(value, _describe(hint), path, source)
    if origin is dict:
        return {
            key: _convert(arguments[1], item, MISSING, f"{path}.{key}", source)
            for key, item in value.items()
        }
    return hint(value) if hint in (float, Path) else value


def _convert_union(hint: Any, value: Any, default: Any, path: str, source: _Source) -> Any:
    options = [option for option in get_args(hint) if option is not types.NoneType]
    spells_none = source.none_word or source.of(path) != source.name
    says_none = value is None or (value == NONE_WORD and spells_none)
    if says_none and len(options) < len(get_args(hint)):
        return None
    if len(options) == 1:  # its own complaint is the most exact one
        return _convert(options[0], value, default, path, source)
    # An exact type wins over one that converts, so that 1 in `float | int` stays an int.
    for option in sorted(options, key=lambda option: type(value) is not option):
        try:
            return _convert(option, value, default, path, source)
        except UserError:
            continue
    raise _wrong(value, _describe(hint), path, source)


def _convert_tuple(hint: Any, value: Any, path: str, source: _Source) -> tuple:
    arguments = get_args(hint)
    variable = len(arguments) == 2 and arguments[1] is Ellipsis
    if not isinstance(value, list | tuple) or (not variable and len(value) != len(arguments)):
        raise _wrong(value, _describe(hint), path, source)
    kinds = arguments[:1] * len(value) if variable else arguments
    return tuple(
        _convert(kind, item, MISSING, f"{path}[{index}]", source)
        for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


# ---------------------------------------------------------------------------------- the sentences


def _wrong(value: Any, expected: str, path: str, source: _Source) -> UserError:
    shown = json.dumps(_plain(value), default=str, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    where = source.of(path)
    if not path:
        return UserError(f"{where} is {shown} where {expected} is expected.")
    return UserError(f"'{path}' in {where} is {shown}: {expected} is expected.")


def _unknown(
    cls: type, key: str, known: Mapping[str, Field], path: str, source: _Source
) -> UserError:
    where = f"{path}.{key}" if path else key
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    below = [] if near else [dotted for dotted in _dotted(cls) if dotted.split(".")[-1] == key]
    near = near or below[:1] or difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    nearest = ".".join(filter(None, [path, *near]))
    hint = f"the nearest setting is '{nearest}'" if near else f"{cls.__name__} has no settings"
    return UserError(f"There is no setting '{where}', found in {source.of(where)}: {hint}.")


def _dotted(cls: type) -> list[str]:
    """Every setting of `cls` and of the dataclasses in it, by its dotted path."""
    found = []
    for name, hint in get_type_hints(cls).items():
        found.append(name)
        if is_dataclass(hint):
            found.extend(f"{name}.{inner}" for inner in _dotted(hint))  # type: ignore[arg-type]
    return found


def _describe(hint: Any) -> str:
    """A declared type in words."""
    words = {int: "an integer", float: "a number", str: "a string", bool: "true or false",
             Path: "a path", types.NoneType: "none"}  # fmt: skip
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in words:
        return words[hint]
    if origin is Literal:
        return f"one of {', '.join(json.dumps(option) for option in arguments)}"
    if origin in (Union, types.UnionType):
        return " or ".join(map(_describe, arguments))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return f"a list, each item {_describe(arguments[0])},"
    if origin is tuple:
        return f"a list of {len(arguments)} ({', '.join(map(_describe, arguments))})"
    return "a table" if origin is dict or is_dataclass(hint) else str(hint)
