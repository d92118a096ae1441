"""`vongtay duplicates`: two lists of children against each other, with the registry's own matcher and no platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from local.cli.output import EXIT_DATA, CommandError, Json, console, print_json


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("duplicates")(duplicates)


def duplicates(
    a: Annotated[Path, typer.Argument(help="A list of children: id, name, birth_date, mother, father, unit, …")],
    b: Annotated[Path, typer.Argument(help="Another list of the same form.")],
    out: Annotated[Path, typer.Option("--out", help="Where the pairs go (CSV: a, b, probability, decision).")],
    json: Json = False,
) -> None:
    """Say which children of two lists are the same: `same`, or `unsure` where a person must look.

    Pairs that are not written are different children. No platform needs to run.

    Example: `vongtay duplicates register.csv school.csv --out pairs.csv`
    """
    from services.registry.bulk.comparing import compare_files  # noqa: PLC0415 - other commands need none of this
    from shared.files.problems import FileProblem  # noqa: PLC0415

    try:
        with console.status("Comparing…"):
            found = compare_files(a, b, out)
    except FileProblem as problem:
        raise CommandError(str(problem), EXIT_DATA) from None
    if json:
        print_json({"a": found.a, "b": found.b, "same": found.same, "unsure": found.unsure})
    else:
        console.print(
            f"{found.a:,} and {found.b:,} children: {found.same:,} the same, {found.unsure:,} for a person to look at."
        )
