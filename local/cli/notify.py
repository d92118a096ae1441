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
    """Say who would be told of an event, over which of their endpoints, and why nobody and nothing else. Nothing is
    kept and nobody is told.

    Example: `vongtay notify explain overdue.json`
    """
    run = Client("operator").post("/notify/api/dry-run", _read(file))
    if json:
        print_json(run)
        return
    event = run["event"]
    due = f"due {event['due']}" if event["due"] else "no deadline"
    console.print(f"{event['type']}, commune {event['unit'] or 'unknown'}, {due}")
    print_table("Rules", ["rule", "urgency", "tells", "why not"], map(_rule, run["rules"]), "No rule is about it.")
    columns = ["account", "role", "by rule", "instead of", "inbox", "called"]
    print_table("People", columns, map(_person, run["people"]), "Nobody is told.")
    ways = [_way(one["person"], way) for one in run["people"] for way in one["endpoints"]]
    print_table(
        "Their endpoints", ["account", "channel", "endpoint", "told", "why not"], ways, "None of them has an endpoint."
    )
    partners = ["organisation", "name", "channel", "endpoint", "told", "why not", "sealed fields"]
    print_table("Partners' endpoints", partners, map(_partner, run["partners"]), "No organisation subscribes.")
    if run["ladder"]:
        steps = ["after minutes", "audience", "accounts", "channels", "wakes"]
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
    rule = row["rule"] or "none: their own subscription"
    inbox = "yes" if row["inbox"] else "no"
    return [row["person"], row["role"], rule, row["instead_of"] or "", inbox, calls or "no way to reach"]


def _way(person: str, row: dict[str, Any]) -> list[str]:
    return [person, row["channel"], row["id"], row["at"] or "no", row["why_not"] or ""]


def _partner(row: dict[str, Any]) -> list[str]:
    return [
        row["org"],
        row["name"],
        row["channel"],
        row["endpoint_id"],
        _told(row),
        row["why_not"] or "",
        ", ".join(row["sealed_fields"]),
    ]


def _told(row: dict[str, Any]) -> str:
    if not row["told"]:
        return "no"
    return f"waits: {row['waits']}" if row["waits"] else "yes"


def _step(row: dict[str, Any]) -> list[str]:
    wakes = "yes" if row["wakes"] else "nobody: the next is called soon"
    return [str(row["after_minutes"]), row["audience"], ", ".join(row["people"]), ", ".join(row["channels"]), wakes]
