"""Commands that send events and compare figures: publish, simulate, verify."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from local.cli.client import Client
from local.cli.compare import differences
from local.cli.operate import all_status
from local.cli.output import EXIT_DATA, EXIT_UNREACHABLE, CommandError, Json, console, print_json, print_table

_POLL_SECONDS = 0.3
# What `stats` counts; other parts of a truth file say what `publish` should have printed.
_COUNTED = ("children", "concerns", "incidents", "cases")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("verify")(verify)


def verify(
    expect: Annotated[Path, typer.Option("--expect", help="The true figures, as `simulate` writes them.", exists=True)],
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait until all is counted.")] = 120,
    json: Json = False,
) -> None:
    """Wait until everything published is counted, then compare every figure with the truth. Exits 1 on any difference.

    Example: `vongtay verify --expect expect.json`
    """
    truth = _truth(expect)
    _wait_until_counted(timeout)
    counted = Client("statistician").get("/stats/api/expect")
    found = [
        difference
        for part in _COUNTED
        if part in truth
        for difference in differences(truth[part], counted.get(part), part)
    ]
    if json:
        print_json({"differences": [difference.as_dict() for difference in found]})
    else:
        rows = ([row.figure, row.expected, row.counted] for row in found)
        print_table("Differences", ["figure", "expected", "counted"], rows, "Every figure is equal.")
    if found:
        raise typer.Exit(EXIT_DATA)


def _truth(path: Path) -> dict[str, Any]:
    try:
        truth = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        raise CommandError(f"{path} is no JSON file.") from None
    if not isinstance(truth, dict) or not any(part in truth for part in _COUNTED):
        raise CommandError(f"{path} holds none of {', '.join(_COUNTED)}.")
    return truth


def _wait_until_counted(timeout: float) -> None:
    """Until nothing waits in any service, twice in a row: an answer of one service may be another's next event."""
    client = Client("operator")
    deadline = time.monotonic() + timeout
    quiet = 0
    before: object = None
    with console.status("Waiting until everything is counted…") as line:
        while quiet < 3:
            states = all_status(client)
            waiting = sum(state["lag"] + state["outbox"] for state in states)
            handled = [state["handled"] for state in states]
            quiet = quiet + 1 if waiting == 0 and handled == before else 0
            before = handled
            line.update(f"Waiting until everything is counted: {waiting:,} events on their way…")
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{waiting:,} events are still on their way after {timeout:.0f} s; `vongtay status` says where.",
                    EXIT_UNREACHABLE,
                )
            time.sleep(_POLL_SECONDS)
