"""Commands that run things: the whole platform on this machine, or one service with its stores elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from local.cli.output import EXIT_UNREACHABLE, CommandError
from local.services import SERVICES


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("up")(up)
    app.command("serve")(serve)


def up(
    data: Annotated[Path, typer.Option("--data", help="Where everything is kept.")] = Path("data"),
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of the pages.")] = 8600,
    demo_users: Annotated[bool, typer.Option("--demo-users", help="A one-click sign-in for each role.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Demo users, and a believable province.")] = False,
) -> None:
    """Run Kafka, PostgreSQL and all four services on this machine, until Ctrl-C. A second start resumes.

    Examples: `vongtay up --demo` · `vongtay up --data /srv/vongtay --port 8080`
    """
    from local.folder import PlatformError  # noqa: PLC0415 - other commands need none of this
    from local.platform import Platform  # noqa: PLC0415
    from shared.runtime import ConfigurationError  # noqa: PLC0415

    try:
        Platform(data, port, demo_users=demo_users or demo, demo=demo).run()
    except PlatformError as problem:
        raise CommandError(str(problem), EXIT_UNREACHABLE) from None
    except ConfigurationError as problem:
        raise CommandError(str(problem)) from None


def serve(
    service: Annotated[str, typer.Argument(help="registry, cases, stats or notify.")],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8600,
) -> None:
    """Run one service, configured by VONGTAY_* variables (docs/reference/configuration.md).

    Example: `VONGTAY_DATABASE_URL=… VONGTAY_KAFKA_BOOTSTRAP=… vongtay serve cases --port 8601`
    """
    if service not in SERVICES:
        raise CommandError(f"There is no service {service}; there are {', '.join(SERVICES)}.")
    from local.server import serve_one  # noqa: PLC0415
    from shared.identity import DirectoryError  # noqa: PLC0415
    from shared.runtime import ConfigurationError  # noqa: PLC0415

    try:
        serve_one(service, host, port)
    except ValidationError as problem:
        words = "; ".join(f"VONGTAY_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in problem.errors())
        raise CommandError(f"The configuration is wrong: {words}") from None
    except (ConfigurationError, DirectoryError) as problem:
        raise CommandError(str(problem)) from None
