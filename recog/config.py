"""Settings: TOML and `a.b=value` overrides -> frozen dataclasses. An unknown key is an error that names the nearest key."""

import dataclasses
import difflib
import json
import math
import tomllib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from recog.errors import ConfigError

T = TypeVar("T")


def load(path: str | Path | None, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A TOML file (None: an empty one) as nested dicts, with overrides like "network.layers=5" (values as in TOML) laid
    over it.
    """
    try:
        settings = tomllib.loads(Path(path).read_text(encoding="utf-8")) if path is not None else {}
    except OSError as error:
        raise ConfigError(f"settings file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"settings file {path} is not TOML: {error}") from error
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"override {override!r} has no '='; write a.b=value")
        if not all(key.strip().split(".")):
            raise ConfigError(f"override {override!r} names no setting before its '='; write a.b=value")
        _set(settings, key.strip(), _value(value.strip()), override)
    return settings


def _value(written: str) -> Any:
    try:
        return tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return written  # a bare word is a string


def _set(settings: dict[str, Any], key: str, value: Any, override: str) -> None:
    *groups, last = key.split(".")
    for group in groups:
        settings = settings.setdefault(group, {})
        if not isinstance(settings, dict):
            raise ConfigError(f"override {override!r}: {group!r} is a value, not a group of settings")
    settings[last] = value


def build(kind: type[T], settings: dict[str, Any], where: str) -> T:
    """Settings -> an instance of the dataclass `kind`, nested ones included; keys and types are checked."""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    types_of = typing.get_type_hints(kind)
    values = {}
    for key, value in settings.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(fields)}"
            raise ConfigError(f"unknown setting {where}.{key}; {hint}")
        values[key] = _convert(types_of[key], value, f"{where}.{key}")
    return kind(**values)


def _convert(expected: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(kind for kind in arguments if kind is not type(None)), value, where)
    if dataclasses.is_dataclass(expected) and isinstance(value, dict):
        return build(typing.cast(type, expected), value, where)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_convert(arguments[0], item, where) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: _convert(arguments[1], item, where) for key, item in value.items()}
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if expected is float and isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"setting {where} is {json.dumps(value)}; expected a finite number")
    if origin is None and isinstance(expected, type) and type(value) is expected:
        return value
    raise ConfigError(
        f"setting {where} is {json.dumps(value, default=str)}; expected {getattr(expected, '__name__', expected)}"
    )
