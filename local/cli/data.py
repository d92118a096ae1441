"""Commands that send events and compare figures: publish, simulate, verify."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from local.cli.client import Client
from local.cli.compare import differences
from local.cli.operate import all_status
from local.cli.output import EXIT_DATA, EXIT_UNREACHABLE, CommandError, Json, print_json, print_table, progress

if TYPE_CHECKING:
    from agency.publisher import FileReport

_POLL_SECONDS = 0.3
SPOOL = Path("spool.db")
# What `stats` counts; other parts of a truth file say what `publish` should have printed.
_COUNTED = ("children", "concerns", "incidents", "cases")


class Via(StrEnum):
    """How events travel."""

    HTTP = "http"
    KAFKA = "kafka"


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("publish")(publish)
    app.command("simulate")(simulate)
    app.command("verify")(verify)


def publish(
    files: Annotated[list[Path], typer.Argument(help="CSV, XLSX or JSON Lines; - reads JSON Lines from a pipe.")],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="A YAML mapping, where the header is not known.")
    ] = None,
    via: Annotated[
        Via, typer.Option("--via", help="kafka needs VONGTAY_KAFKA_* (data/agencies/SECTOR.env).")
    ] = Via.HTTP,
    spool: Annotated[
        Path, typer.Option("--spool", envvar="VONGTAY_SPOOL", help="Where unanswered events wait.")
    ] = SPOOL,
    patience: Annotated[float, typer.Option(help="Seconds to wait for a platform that does not answer.")] = 30,
    json: Json = False,
) -> None:
    """Publish files as an agency. Nothing is lost: what is not answered waits in the spool for the next time.

    Exits 1 when rows were rejected, 3 when the platform is away.

    Examples: `vongtay publish calls.csv roster.xlsx` · `vongtay publish - < events.jsonl`
    """
    from local.publishing import publish_files  # noqa: PLC0415 - other commands need none of this

    with progress("Publishing…") as say:
        reports = publish_files(files, mapping=mapping, via=via.value, spool=spool, patience=patience, say=say)
    if json:
        print_json([report.as_dict() for report in reports])
    else:
        _print_reports(reports)
    if any(report.waiting for report in reports):
        raise CommandError("The platform does not answer; what is left waits in the spool.", EXIT_UNREACHABLE)
    if any(report.rejected for report in reports):
        raise typer.Exit(EXIT_DATA)


def _print_reports(reports: Sequence[FileReport]) -> None:
    columns = ["file", "rows", "accepted", "duplicates", "corrections", "rejected", "sent", "waiting"]
    cells = (
        [r.file, r.rows, r.accepted, r.duplicates, r.corrections, len(r.rejected), r.sent or "", r.waiting or ""]
        for r in reports
    )
    print_table("Published", columns, cells, "Nothing to publish.")
    rejected = [
        [r.file, item["row"], item["field"], item["rule"], item["message_en"]] for r in reports for item in r.rejected
    ]
    if rejected:
        print_table(
            "Rejected: correct these rows and publish the file again",
            ["file", "row", "field", "rule", "reason"],
            rejected,
            "",
        )


def simulate(
    children: Annotated[int, typer.Option(help="How many children the province has.")] = 200,
    reports: Annotated[int, typer.Option(help="How many reports of concern.")] = 100,
    rate: Annotated[float, typer.Option(help="Events a second over all agencies; 0: as fast as it goes.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same province.")] = 1,
    dirty: Annotated[float, typer.Option(min=0, max=1, help="Share sent twice, late, corrected or malformed.")] = 0,
    expect: Annotated[Path | None, typer.Option(help="Where to write the true figures.")] = None,
    patience: Annotated[float, typer.Option(help="Seconds to wait for a platform that does not answer.")] = 120,
    json: Json = False,
) -> None:
    """All agencies at once, each with its own credentials, publishing a made-up province.

    Example: `vongtay simulate --children 500 --reports 200 --dirty 0.2 --expect truth.json`
    """
    from local.publishing import publish_traffic  # noqa: PLC0415
    from local.simulation.traffic import traffic  # noqa: PLC0415
    from local.simulation.world import World  # noqa: PLC0415

    made = traffic(World(children, seed, datetime.now(UTC)), reports, seed=seed, dirty=dirty)
    if expect is not None:
        expect.write_bytes(orjson.dumps(made.truth(), option=orjson.OPT_INDENT_2))
    with progress("Simulating…") as say:
        outcomes = publish_traffic(made.events, rate=rate, patience=patience, say=say)
    if json:
        print_json(dict(outcomes))
    else:
        print_table("Answers", ["outcome", "events"], sorted(outcomes.items()), "Nothing was sent.")
    if outcomes["waiting"]:
        raise CommandError("The platform does not answer; not everything was sent.", EXIT_UNREACHABLE)


def verify(
    expect: Annotated[Path, typer.Option("--expect", help="The true figures, as `simulate` writes them.", exists=True)],
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait until all is counted.")] = 120,
    json: Json = False,
) -> None:
    """Wait until everything published is counted, then compare every figure with the truth, and with what it is made
    of: facts, versions, and the other way of counting. Exits 1 on any difference.

    Example: `vongtay verify --expect expect.json`
    """
    truth = _truth(expect)
    _wait_until_counted(timeout)
    counted = Client("coordinator").get("/stats/api/expect")
    found = [
        difference
        for part in _COUNTED
        if part in truth
        for difference in differences(truth[part], counted.get(part), part)
    ]
    checked = Client("operator").post("/stats/ops/check")["differing"]
    found += differences(dict.fromkeys(checked, 0), checked, "check")
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
    all_status(client)  # where nothing answers at all, waiting would only hide it
    with progress("Waiting until everything is counted…") as say:
        while quiet < 3:
            try:
                states = all_status(client)
            except CommandError as problem:
                # A service that is just starting again answers soon.
                if problem.code != EXIT_UNREACHABLE or time.monotonic() > deadline:
                    raise
                quiet = 0
                time.sleep(_POLL_SECONDS)
                continue
            waiting = sum(state["lag"] + state["outbox"] for state in states)
            # A service that does not consume yet knows of no lag.
            flowing = all(state["healthy"] for state in states)
            handled = [state["handled"] for state in states]
            quiet = quiet + 1 if flowing and waiting == 0 and handled == before else 0
            before = handled
            say(f"Waiting until everything is counted: {waiting:,} events on their way…")
            if quiet == 0 and time.monotonic() > deadline:
                raise CommandError(
                    f"{waiting:,} events are still on their way after {timeout:.0f} s; `vongtay status` says where.",
                    EXIT_UNREACHABLE,
                )
            time.sleep(_POLL_SECONDS)
