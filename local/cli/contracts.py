"""`vongtay contracts`: the events as documents, their compatibility, and a file checked against them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from local.cli.output import EXIT_DATA, Json, console, print_json, print_table
from shared.contracts.base import contract_of, parse
from shared.contracts.envelope import from_structured
from shared.contracts.errors import Rejected, Violation
from shared.contracts.schemas import breaking_changes, export

app = typer.Typer(help="The events' schemas: write them, guard them, check a file against them.", no_args_is_help=True)
_FOLDER = Path("docs/contracts")
Folder = Annotated[Path, typer.Option("--folder", help="Where the generated documents live.")]


@app.command("export")
def export_documents(folder: Folder = _FOLDER) -> None:
    """Write the AsyncAPI document and the JSON Schemas.

    Example: `vongtay contracts export`
    """
    export(folder)
    console.print(f"Written to {folder}.")


@app.command("check")
def check(folder: Folder = _FOLDER, json: Json = False) -> None:
    """Compare the code's contracts with the committed ones; a breaking change exits 1.

    Example: `vongtay contracts check --json`
    """
    problems = breaking_changes(folder)
    if json:
        print_json(problems)
    else:
        print_table("Breaking changes", ["what"], ([problem] for problem in problems), "No breaking change.")
    if problems:
        raise typer.Exit(EXIT_DATA)


@app.command("validate")
def validate(
    file: Annotated[Path, typer.Argument(help="Structured CloudEvents as JSON Lines.", exists=True, dir_okay=False)],
    json: Json = False,
) -> None:
    """Check every event of a file as the platform would, without sending anything.

    Example: `vongtay contracts validate events.jsonl`
    """
    rows: list[dict[str, int | str]] = []
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                rows += [{"row": number, **violation.as_dict()} for violation in _violations(line)]
    if json:
        print_json(rows)
    else:
        cells = ([row["row"], row["field"], row["rule"], row["message_vi"]] for row in rows)
        print_table(file.name, ["row", "field", "rule", "message"], cells, "Every event keeps its contract.")
    if rows:
        raise typer.Exit(EXIT_DATA)


def _violations(line: bytes) -> tuple[Violation, ...]:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return (Violation("event", "json", "Không phải JSON hợp lệ.", "No valid JSON."),)
    if not isinstance(document, dict):
        return (Violation("event", "json-object", "Phải là một đối tượng JSON.", "Must be a JSON object."),)
    try:
        event = from_structured(document)
        parse(contract_of(event.type), orjson.loads(event.data))
    except Rejected as rejected:
        return tuple(rejected.violations)
    return ()
