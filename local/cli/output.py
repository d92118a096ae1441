"""What the command line prints: tables for people, JSON for programs, one sentence for what went wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

EXIT_DATA = 1
EXIT_USE = 2
EXIT_UNREACHABLE = 3
SAY_EVERY = 3.0  # seconds

console = Console(highlight=False)
if not console.is_terminal:
    console.width = 200  # into a pipe or a file, a row stays a line
error_console = Console(stderr=True, highlight=False)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]


class CommandError(Exception):
    """A command cannot go on: one sentence for the user, and the exit code."""

    def __init__(self, sentence: str, code: int = EXIT_USE) -> None:
        super().__init__(sentence)
        self.code = code


def error(sentence: str) -> None:
    """Say on standard error what is wrong."""
    error_console.print(f"[bold red]vongtay:[/] {escape(sentence)}", soft_wrap=True)


@contextmanager
def progress(sentence: str) -> Iterator[Callable[[str], None]]:
    """How far something long is: in place on a terminal; elsewhere a line on standard error every few seconds, so that
    a file with the output holds the output alone. Out: what takes the next sentence."""
    if console.is_terminal:
        with console.status(sentence) as status:
            yield status.update
        return
    said_at = time.monotonic()

    def say(sentence: str) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= SAY_EVERY:
            said_at = time.monotonic()
            error_console.print(escape(sentence), soft_wrap=True)

    yield say


def print_json(value: object) -> None:
    """Print one JSON document."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print rows as a table, or what their absence means."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")  # an id cut short is of no use
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    if table.row_count:
        console.print(table)
    else:
        console.print(empty)
