"""Commands for whoever keeps the platform up: its state, what failed, and how it is repaired."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import typer

from local.cli.client import Client
from local.cli.output import EXIT_DATA, EXIT_UNREACHABLE, CommandError, Json, console, print_json, print_table
from local.services import SERVICES

deadletters = typer.Typer(help="Events that could not be taken over.", no_args_is_help=True)
parked = typer.Typer(help="Keys whose events wait for a repair.", no_args_is_help=True)
stats = typer.Typer(help="The figures.", no_args_is_help=True)
Service = Annotated[str, typer.Argument(help="registry, cases, stats or notify.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("status")(status)
    app.add_typer(deadletters, name="deadletters")
    app.add_typer(parked, name="parked")
    app.add_typer(stats, name="stats")


def all_status(client: Client) -> list[dict[str, Any]]:
    """Every service's state. Raises `CommandError` where one does not answer."""
    client.token  # noqa: B018 - fetched once, before all ask at the same time
    with ThreadPoolExecutor(len(SERVICES)) as threads:
        return list(threads.map(lambda service: client.get(f"/{service}/ops/status"), SERVICES))


def status(json: Json = False) -> None:
    """Health, lag, outbox, parked keys and dead letters of every service. Exits 3 when one is not healthy.

    Example: `vongtay status --json`
    """
    states = all_status(Client("operator"))
    if json:
        print_json(states)
    else:
        columns = ["service", "healthy", "waiting for", "lag", "outbox", "parked keys", "dead letters"]
        rows = (
            [
                state["service"],
                "yes" if state["healthy"] else "NO",
                state["waiting_for"] or "",
                state["lag"],
                f"{state['outbox']} ({state['outbox_seconds']:.0f} s)" if state["outbox"] else 0,
                state["parked_keys"],
                state["dead_letters"],
            ]
            for state in states
        )
        print_table("Vòng Tay", columns, rows, "No service answers.")
        for state in states:
            if state["users_refused"]:
                since = state["users_refused_at"]
                console.print(f"{state['service']}: the users file is wrong, the last good one holds (since {since}).")
    if not all(state["healthy"] for state in states):
        raise typer.Exit(EXIT_UNREACHABLE)


@deadletters.command("list")
def list_dead_letters(
    service: Annotated[str | None, typer.Argument(help="One service only.")] = None, json: Json = False
) -> None:
    """Dead letters nobody has settled, newest first.

    Example: `vongtay deadletters list cases`
    """
    client = Client("operator")
    rows = [{"service": name} | row for name in _services(service) for row in client.get(f"/{name}/ops/deadletters")]
    if json:
        print_json(rows)
        return
    columns = ["service", "id", "event type", "place", "field: rule"]
    cells = ([row["service"], row["id"], row.get("event_type"), _place(row), _rules(row)] for row in rows)
    print_table("Dead letters", columns, cells, "No dead letters.")


@deadletters.command("show")
def show_dead_letter(service: Service, identifier: int) -> None:
    """One dead letter as JSON; its content stays sealed.

    Example: `vongtay deadletters show cases 17`
    """
    _known(service)
    for row in Client("operator").get(f"/{service}/ops/deadletters"):
        if row["id"] == identifier:
            print_json(row)
            return
    raise CommandError(f"{service} has no unsettled dead letter {identifier}.", EXIT_DATA)


@deadletters.command("replay")
def replay_dead_letter(service: Service, identifier: int) -> None:
    """Handle a dead letter again, after what made it fail was mended.

    Example: `vongtay deadletters replay cases 17`
    """
    _known(service)
    outcome = Client("operator").post(f"/{service}/ops/deadletters/{identifier}/replay")["outcome"]
    if outcome == "forgotten":
        raise CommandError("What it said is not kept any more: its sender sends it again.", EXIT_DATA)
    if outcome in {"failed-again", "skipped"}:
        raise CommandError(f"It stays a dead letter: {outcome}.", EXIT_DATA)
    console.print(outcome)


@deadletters.command("discard")
def discard_dead_letter(
    service: Service, identifier: int, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Settle a dead letter without handling it: it stays in the log of what was discarded, without what it said.

    Example: `vongtay deadletters discard cases 17`
    """
    _known(service)
    if not yes:
        typer.confirm("It will not be handled any more. Discard it?", abort=True)
    console.print(Client("operator").post(f"/{service}/ops/deadletters/{identifier}/discard")["outcome"])


@parked.command("list")
def list_parked(
    service: Annotated[str | None, typer.Argument(help="One service only.")] = None, json: Json = False
) -> None:
    """Parked keys, and how many events wait behind each.

    Example: `vongtay parked list`
    """
    client = Client("operator")
    rows = [{"service": name} | row for name in _services(service) for row in client.get(f"/{name}/ops/parked")]
    if json:
        print_json(rows)
        return
    columns = ["service", "topic", "key", "waiting", "reason"]
    cells = ([row["service"], row["topic"], row["key"], row["records"], row["reason"]] for row in rows)
    print_table("Parked keys", columns, cells, "Nothing is parked.")


@parked.command("release")
def release_parked(service: Service, topic: str, key: str) -> None:
    """Try a key's waiting events now, in their order.

    The key as `vongtay parked list` names it. Example: `vongtay parked release cases agency.health.v1 "#1f0c9a7e22d4"`
    """
    _known(service)
    if not Client("operator").post(f"/{service}/ops/parked/release", {"topic": topic, "key": key})["released"]:
        raise CommandError("It failed again, for the same reason or another: `vongtay parked list`.", EXIT_DATA)
    console.print("Released.")


@stats.command("rebuild")
def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Swap whatever differs, without asking.")] = False,
    json: Json = False,
) -> None:
    """Count everything again from Kafka beside the live figures, say what differs, then swap.

    Where figures differ it asks first; without a terminal and without --yes it then leaves them as they are.
    Example: `vongtay stats rebuild`
    """
    client = Client("operator")
    state = _counted(client, client.post(f"/stats/ops/rebuild?ask={'false' if yes else 'true'}"))
    if not json:
        _print_differences(state)
    if state["state"] == "waiting":
        swaps = sys.stdin.isatty() and not json and typer.confirm("Swap them?")
        state = _counted(client, client.post(f"/stats/ops/rebuild/{'swap' if swaps else 'drop'}"), "waiting")
    if json:
        print_json(state)
    if state["state"] != "done":
        raise CommandError(f"The live figures are as they were: {state.get('reason', 'unknown')}.", EXIT_DATA)


def _counted(client: Client, state: dict[str, Any], *more: str) -> dict[str, Any]:
    """Wait until a rebuild no longer runs."""
    with console.status("Counting…") as line:
        while state["state"] in {"running", *more}:
            done, total = state.get("done", 0), state.get("total", 0)
            line.update(f"Counting… {done:,} of {total:,}, each event in two ways" if total else "Getting ready…")
            time.sleep(0.3)
            state = client.get("/stats/ops/rebuild")
    return state


def _print_differences(state: dict[str, Any]) -> None:
    if state["state"] not in {"done", "waiting"}:
        return
    shown = state.get("differences", [])
    rows = ([row["figure"], row["counted"], row["rebuilt"], row["rebuilt"] - row["counted"]] for row in shown)
    columns = ["figure", "counted", "rebuilt", "change"]
    print_table(f"Figures that differ: {state['differing']:,}", columns, rows, "Every figure is the same.")


@stats.command("history")
def history(json: Json = False) -> None:
    """How finely the past of figures is kept, and how far compacting what is older is.

    Example: `vongtay stats history`
    """
    state = Client("operator").get("/stats/ops/history")
    if json:
        print_json(state)
        return
    rows = [[name.replace("_", " "), value] for name, value in state.items()]
    print_table("History of figures", ["what", "value"], rows, "")


def _services(service: str | None) -> tuple[str, ...]:
    return (_known(service),) if service else tuple(SERVICES)


def _known(service: str) -> str:
    if service not in SERVICES:
        raise CommandError(f"There is no service {service}; there are {', '.join(SERVICES)}.")
    return service


def _place(row: dict[str, Any]) -> str:
    return f"{row.get('topic')}/{row.get('partition')}/{row.get('offset')}"


def _rules(row: dict[str, Any]) -> str:
    return ", ".join(f"{violation['field']}: {violation['rule']}" for violation in row.get("violations", []))
