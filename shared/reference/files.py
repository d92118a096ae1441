"""Reads the data files. A file that breaks its own rules stops the program at start, with the place named."""

from __future__ import annotations

import csv
from importlib import resources
from typing import Any

import yaml


class ReferenceDataError(Exception):
    """A reference file is wrong. The message names file, row and rule."""


def read_csv(name: str) -> list[dict[str, str]]:
    """Rows of `data/<name>` by column."""
    text = resources.files("shared.reference").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def read_yaml(name: str) -> Any:
    """Content of `data/<name>`."""
    return yaml.safe_load(resources.files("shared.reference").joinpath("data", name).read_text("utf-8"))
