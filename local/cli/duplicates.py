"""Who is there twice: two lists against each other, without a platform; and the registry against itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from local.cli.client import Client
from local.cli.output import EXIT_DATA, CommandError, Json, console, print_json

_RUNNING = frozenset({"asked", "blocking", "judging"})
_POLL_SECONDS = 0.3


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("duplicates")(duplicates)
    app.command("sweep")(sweep)


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


def sweep(json: Json = False) -> None:
    """Look through the whole registry for records that may be one child: each pair waits for a person, none is merged.

    It runs in the background, by night too, and one at a time; stopping this command does not stop it.

    Example: `vongtay sweep`
    """
    client = Client("operator")
    state = client.post("/registry/ops/sweep")
    with console.status("Looking…") as line:
        while state["state"] in _RUNNING:
            line.update(
                f"Comparing… {state['judged']:,} of {state['proposed']:,} pairs"
                if state["state"] == "judging"
                else "Looking for pairs…"
            )
            time.sleep(_POLL_SECONDS)
            state = client.get("/registry/ops/sweep")
    if json:
        print_json(state)
    elif state["state"] == "done":
        console.print(
            f"{state['children']:,} children: {state['sure']:,} pairs that are surely one child and "
            f"{state['unsure']:,} that may be wait for a person."
        )
    if state["state"] == "failed":
        raise CommandError(f"The pass stopped: {state['reason']}.", EXIT_DATA)
