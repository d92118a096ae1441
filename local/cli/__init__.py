"""The command line `vongtay`. No traceback ever reaches a user: one sentence says what is wrong and what to do."""

from __future__ import annotations

import os
import sys

import typer

from local.cli import contracts, data, duplicates, notify, operate, run, tracing, users
from local.cli.output import EXIT_UNREACHABLE, EXIT_USE, CommandError, error

app = typer.Typer(
    name="vongtay",
    help="Vòng Tay: a province protects its children together. Start with `vongtay up --demo`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
run.register(app)
data.register(app)
duplicates.register(app)
operate.register(app)
notify.register(app)
tracing.register(app)
app.add_typer(contracts.app, name="contracts")
app.add_typer(users.app, name="users")


def main() -> None:
    """Entry point of the console script. Exit codes: 0 done, 1 data wrong, 2 wrong use, 3 a part is unreachable."""
    try:
        app()
    except CommandError as problem:
        error(str(problem))
        sys.exit(problem.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os._exit(0)  # whoever read us has seen enough
    except OSError as problem:
        error(f"{problem.strerror or type(problem).__name__}: {problem.filename or ''}".rstrip(": "))
        sys.exit(EXIT_UNREACHABLE if isinstance(problem, ConnectionError | TimeoutError) else EXIT_USE)
