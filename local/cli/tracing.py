"""`vongtay trace`: the way of one report through the services, as the platform on this machine has kept it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.tree import Tree

from local.cli.output import EXIT_DATA, CommandError, Json, console, print_json, print_table

Span = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("trace")(trace)


def trace(
    identifier: Annotated[str | None, typer.Argument(metavar="TRACE", help="Its id, or the beginning of it.")] = None,
    data: Annotated[
        Path, typer.Option("--data", envvar="VONGTAY_DATA_DIR", help="The data folder of `vongtay up`.")
    ] = Path("data"),
    json: Json = False,
) -> None:
    """Show one trace as a tree, or those of the latest that went through most steps, the latest first.

    Examples: `vongtay trace` · `vongtay trace 4bf92f`
    """
    by_trace: dict[str, list[Span]] = defaultdict(list)
    for span in _spans(data):
        by_trace[span["trace"]].append(span)
    if identifier is None:
        _list(by_trace, data, json)
        return
    found = [key for key in by_trace if key.startswith(identifier)]
    if len(found) != 1:
        raise CommandError(f"{len(found)} traces begin with {identifier}.", EXIT_DATA)
    spans = sorted(by_trace[found[0]], key=lambda span: span["start"])
    if json:
        print_json(spans)
    else:
        console.print(_tree(found[0], spans))


def _list(by_trace: dict[str, list[Span]], data: Path, json: bool) -> None:
    latest = sorted(by_trace.items(), key=lambda item: max(span["end"] for span in item[1]))[-500:]
    longest = sorted(latest, key=lambda item: len(item[1]), reverse=True)[:20]
    began = {key: min(span["start"] for span in spans) for key, spans in longest}
    rows = [
        {
            "trace": key,
            "began": datetime.fromtimestamp(began[key] / 1e9, UTC).isoformat(timespec="seconds"),
            "first": min(spans, key=lambda span: span["start"])["name"],
            "spans": len(spans),
            "ms": round((max(s["end"] for s in spans) - min(s["start"] for s in spans)) / 1e6, 1),
        }
        for key, spans in sorted(longest, key=lambda item: began[item[0]], reverse=True)
    ]
    if json:
        print_json(rows)
    else:
        cells = ([row["trace"], row["began"], row["first"], row["spans"], row["ms"]] for row in rows)
        print_table(f"Traces in {data}", ["trace", "began", "first step", "steps", "ms"], cells, "No traces yet.")


def _tree(identifier: str, spans: list[Span]) -> Tree:
    began = spans[0]["start"]
    root = Tree(f"trace {identifier}")
    nodes: dict[str, Tree] = {}
    for span in spans:
        took = (span["end"] - span["start"]) / 1e6
        words = f"+{(span['start'] - began) / 1e6:.1f} ms  {escape(span['name'])}  ({took:.1f} ms)"
        nodes[span["span"]] = nodes.get(span["parent"] or "", root).add(words)
    return root


def _spans(data: Path) -> Iterator[Span]:
    file = data / "traces.jsonl"
    older = data / "traces.jsonl.1"
    if not file.exists():
        raise CommandError(f"{data} holds no traces; `--data` names another folder.")
    for path in (older, file):
        if path.exists():
            with path.open("rb") as lines:
                for line in lines:
                    try:
                        yield orjson.loads(line)
                    except orjson.JSONDecodeError:
                        continue  # the last line of a process that was killed
