"""Reads the data files. A file that breaks its own rules stops the program at start, with the place named."""

from __future__ import annotations

import csv
from datetime import date
from importlib import resources
from typing import Any

import yaml


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
    """Content of `data/<name>`. Raises `ReferenceDataError` where a key stands twice or it is no YAML."""
    try:
        return yaml.load(_text(name), _Strict)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ReferenceDataError(f"{name}: {error}") from None


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
