"""What makes a whole file unreadable, and a row of it: said once and clearly, never repeating what stands in a cell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final, Literal, Protocol

Cell = str | int | float | datetime | None


class NotComputed(str):
    """A cell that holds a formula and not what comes of it: a text that says nothing."""

    __slots__ = ()


NOT_COMPUTED: Final = NotComputed()


class Source(Protocol):
    """Where a file's bytes come from: a path, or anything that has a name and can be opened more than once."""

    @property
    def name(self) -> str:
        """As people call the file."""

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """The bytes, from any place."""


class FileProblem(Exception):  # noqa: N818 - about the file, not about us
    """A file that cannot be read, or not further. `row` as a person sees it, None: the file as a whole."""

    def __init__(self, path: Source, rule: str, message_vi: str, message_en: str, row: int | None = None) -> None:
        where = f", row {row}" if row else ""
        super().__init__(f"{path.name}{where}: {message_en}")
        self.rule = rule
        self.message_vi = message_vi
        self.message_en = message_en
        self.row = row


def not_computed(path: Source, row: int) -> FileProblem:
    """A formula stands without its result where something is needed."""
    return FileProblem(
        path,
        "formula-not-computed",
        "có công thức chưa được tính; hãy mở và lưu lại bằng Excel.",
        "has a formula without its result; open and save the file in Excel.",
        row,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One row and its number in the file: the line on which it begins, or the sheet's own row number."""

    number: int
    cells: tuple[Cell, ...]
