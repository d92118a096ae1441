"""`python -m bench [NAME…] [--quick]`: runs benches, prints a table, merges it into bench/results.json and .md."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import Result

_FOLDER = Path(__file__).parent
_RESULTS = _FOLDER / "results.json"


def names() -> list[str]:
    """The benches there are, as they are called on the command line."""
    return sorted(
        module.name.replace("_", "-")
        for module in iter_modules([str(_FOLDER)])
        if not module.ispkg and not module.name.startswith("_")
    )


def machine() -> str:
    """The machine in words, without its name."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def merge(fresh: Sequence[dict[str, Any]], known: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Known results with those of the benches that ran now in the place of their earlier ones."""
    ran = {row["name"] for row in fresh}
    return sorted(
        [*fresh, *(row for row in known if row["name"] not in ran)], key=lambda row: (row["name"], row["what"])
    )


def figure(value: float) -> str:
    """A figure with as many digits as it means something."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def show(results: Sequence[Result]) -> None:
    """Print a table."""
    table = Table(title=f"Vòng Tay: {machine()}")
    for column in ("bench", "what", "ours", "beside", "ratio", "aim", "met"):
        table.add_column(column, justify="right" if column == "ours" else "left")
    for result in results:
        table.add_row(
            result.name,
            result.what,
            f"{figure(result.ours)} {result.unit}",
            "\n".join(f"{name}: {figure(value)}" for name, value in result.beside.items()),
            "\n".join(f"{value:.2f} × {name}" for name, value in result.ratio.items()),
            result.aim,
            ("yes" if result.met else "NO") if result.aim else "",
        )
    console = Console()
    # Into a file or a log, too, a line stays a line.
    Console(width=max(console.width, 150)).print(table)


def as_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The newest result of every bench, for whoever reads the repository."""
    lines = [
        "# Measured",
        "",
        "Written by `make bench`; each line with what it is compared to comes from one run on one machine.",
        "",
        "| Bench | What | Ours | Beside it | Ours is | Aim | Met | Machine, day |",
        "|---|---|---:|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            row["name"],
            row["what"],
            f"{figure(row['ours'])} {row['unit']}",
            "<br>".join(f"{name}: {figure(value)}" for name, value in row["beside"].items()),
            "<br>".join(f"{value:.2f} × {name}" for name, value in row["ratio"].items()),
            row["aim"],
            ("yes" if row["met"] else "**no**") if row["aim"] else "",
            f"{row['machine']}, {row['at'][:10]}{' (quick run)' if row['quick'] else ''}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run what is asked for. Out: the exit code, 1 where an aim was missed or a bench broke."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; none: all")
    parser.add_argument("--quick", action="store_true", help="a small run: whether it works, not how fast it is")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name.replace("_", "-") not in names()]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(names())}")
    results: list[Result] = []
    broken = False
    for name in asked.names or names():
        try:
            results += asyncio.run(import_module(f"bench.{name.replace('-', '_')}").run(asked.quick))
        except Exception as error:  # one that breaks costs the others nothing
            broken = True
            Console(stderr=True).print(f"{name}: {type(error).__name__}: {error}")
    show(results)
    stamp = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "quick": asked.quick}
    known = json.loads(_RESULTS.read_text("utf-8")) if _RESULTS.exists() else []
    merged = merge([result.as_dict() | stamp for result in results], known)
    _RESULTS.write_text(json.dumps(merged, ensure_ascii=False, indent=1) + "\n", "utf-8")
    _RESULTS.with_suffix(".md").write_text(as_markdown(merged), "utf-8")
    return 1 if broken or not all(result.met for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
