"""Commands about notifications: who would be told of an event, and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from local.cli.client import Client
from local.cli.output import EXIT_DATA, CommandError, Json, console, print_json, print_table

notify = typer.Typer(help="Notifications.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(notify, name="notify")


@notify.command("explain")
def explain(
    file: Annotated[
        str, typer.Argument(help="A JSON file with `type` and `data` of an event; `-` reads it from here.")
    ],
    json: Json = False,
) -> None:
    """Say who would be told of an event, and why nobody else. Nothing is kept and nobody is told.

    Example: `vongtay notify explain overdue.json`
    """
    run = Client("operator").post("/notify/api/dry-run", _read(file))
    if json:
        print_json(run)
        return
    event = run["event"]
    console.print(f"{event['type']}, commune {event['unit'] or 'unknown'}, due {event['due'] or 'never'}")
    print_table("Rules", ["rule", "urgency", "tells", "why not"], map(_rule, run["rules"]), "No rule is about it.")
    columns = ["account", "role", "by rule", "instead of", "inbox", "called"]
    print_table("People", columns, map(_person, run["people"]), "Nobody is told.")
    partners = ["organisation", "channel", "told", "why not", "sealed fields"]
    print_table("Partners", partners, map(_partner, run["partners"]), "No organisation subscribes.")
    if run["ladder"]:
        steps = ["after minutes", "audience", "accounts", "channels"]
        print_table("Ladder, until somebody acknowledges", steps, map(_step, run["ladder"]), "")


def _read(file: str) -> Any:
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        event = orjson.loads(text)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    except orjson.JSONDecodeError:
        raise CommandError(f"{file} is no JSON.", EXIT_DATA) from None
    if not isinstance(event, dict) or not {"type", "data"} <= event.keys():
        raise CommandError(f"{file} needs `type` and `data`.", EXIT_DATA)
    return {name: event[name] for name in ("type", "data", "time") if event.get(name) is not None}


def _rule(row: dict[str, Any]) -> list[str]:
    tells = ", ".join(told["audience"] for told in row["tells"])
    why = ", ".join(" ".join(filter(None, (one["why"], one["field"], one["found"]))) for one in row["why_not"])
    return [row["rule"], row["urgency"], tells, why]


def _person(row: dict[str, Any]) -> list[str]:
    calls = "; ".join(f"{', '.join(call['channels'])} {call['at']} ({call['why']})" for call in row["calls"])
    return [row["person"], row["role"], row["rule"], row["instead_of"] or "", "yes", calls or "no way to reach"]


def _partner(row: dict[str, Any]) -> list[str]:
    return [
        row["org"],
        row["channel"],
        "yes" if row["told"] else "no",
        row["why_not"] or "",
        ", ".join(row["sealed_fields"]),
    ]


def _step(row: dict[str, Any]) -> list[str]:
    return [str(row["after_minutes"]), row["audience"], ", ".join(row["people"]), ", ".join(row["channels"])]
