"""Reads the data files, and what a province lays over them. A file that breaks its own rules stops the program at
start, with the place named.

What a province writes is a folder of YAML files of the shipped ones' names. It is laid over them key by key, once,
before anything is read: no code of ours asks where a list came from.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

L = TypeVar("L", bound=Callable[..., Any])
_OVER: dict[str, Path] = {}
_FOLDER: list[Path] = []
_FORGET: list[Callable[[], None]] = []


class ReferenceDataError(Exception):
    """A reference file is wrong. The message names file, row and rule."""


def read_csv(name: str) -> list[dict[str, str]]:
    """Rows of `data/<name>` by column. Raises `ReferenceDataError` for a row with too few or too many cells."""
    rows = list(csv.DictReader(_text(name).splitlines()))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ReferenceDataError(f"{name}: line {number} has other columns than the header")
    return rows


def read_yaml(name: str) -> Any:
    """Content of `data/<name>` with the province's own over it.

    Raises `ReferenceDataError` where a key stands twice, it is no YAML, or the province's file has another shape.
    """
    shipped = _parsed(_text(name), name)
    over = _OVER.get(name)
    if over is None:
        return shipped
    try:
        own = _parsed(over.read_text("utf-8"), str(over))
    except (OSError, UnicodeDecodeError) as error:
        raise ReferenceDataError(f"{over}: {error}") from None
    return shipped if own is None else _laid_over(shipped, own, str(over))


def read_shipped(name: str) -> Any:
    """Content of `data/<name>` as it was shipped, whatever a province lays over it. Raises `ReferenceDataError`."""
    return _parsed(_text(name), name)


def lay_over(folder: Path | None) -> None:
    """Read the province's files over the shipped ones from now on; without a folder, the shipped ones alone.

    Raises `ReferenceDataError` where the folder is not there, or a file in it has no shipped one of its name.
    """
    wanted = [] if folder is None else [folder]
    if wanted == _FOLDER:
        return
    _OVER.clear()
    _FOLDER[:] = wanted
    for forget in _FORGET:
        forget()
    if folder is None:
        return
    if not folder.is_dir():
        raise ReferenceDataError(f"{folder}: there is no such folder")
    shipped = {file.name for file in resources.files("shared.reference").joinpath("data").iterdir()}
    known = sorted(name for name in shipped if name.endswith(".yaml"))
    for file in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        if file.name not in known:
            raise ReferenceDataError(f"{file}: no shipped file has this name; there are {', '.join(known)}")
        _OVER[file.name] = file


def laid_over() -> Path | None:
    """The folder laid over the shipped files, for another process that must read the same."""
    return _FOLDER[0] if _FOLDER else None


def kept(load: L) -> L:
    """A loader whose result is kept for the life of the process, or until other files are laid over."""
    cached = cache(load)
    _FORGET.append(cached.cache_clear)
    return cast(L, cached)


def _laid_over(shipped: Any, own: Any, where: str) -> Any:
    """Mappings are merged key by key, a list's rows are added, anything else is replaced; `null` takes away."""
    if isinstance(shipped, Mapping):
        if not isinstance(own, Mapping):
            raise ReferenceDataError(f"{where}: a mapping of names is expected here, not {own!r}")
        merged = dict(shipped)
        for key, value in own.items():
            known = shipped.get(key)
            merged[key] = value if known is None or value is None else _laid_over(known, value, f"{where}: {key}")
        return merged
    if isinstance(shipped, list):
        if not isinstance(own, list):
            raise ReferenceDataError(f"{where}: a list of rows is expected here")
        return [*shipped, *own]
    return own


def _parsed(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Strict)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ReferenceDataError(f"{where}: {error}") from None


def day_or_none(text: str, file: str, code: str) -> date | None:
    """An ISO date; None for an empty cell. Raises `ReferenceDataError`."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ReferenceDataError(f"{file}: {code}: {text} is no date") from None


def first_day(day: date | None) -> date:
    """When a period begins; the beginning of time where nobody wrote it down."""
    return day or date.min


def _text(name: str) -> str:
    return resources.files("shared.reference").joinpath("data", name).read_text("utf-8")


class _Strict(yaml.SafeLoader):
    """YAML in which a code that stands twice is an error, not the last one's win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)
