"""An example of a webhook receiver: `python -m agency.receiver --port 9000 --secret whsec_…`.

It prints each genuine message's type once and nothing of its contents. What it prints stands for what a real system
would do; the order (check, act, remember, answer) is what a real one should copy.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from agency.webhooks import MAX_BODY_BYTES, NotGenuine, Receiver


def application(receiver: Receiver) -> web.Application:
    """In: the check. Out: an application that takes webhooks at any path."""

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            message = receiver.check(body, request.headers)
        except NotGenuine:
            return web.Response(status=401)
        if not message.again:
            sys.stdout.write(f"{message.type}\n")
            sys.stdout.flush()
            receiver.handled(message)
        return web.Response(status=204)

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/{path:.*}", take)
    return app


async def serve(receiver: Receiver, host: str, port: int) -> None:
    """Take webhooks until cancelled."""
    runner = web.AppRunner(application(receiver), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        sys.stderr.write(f"Listening on http://{host}:{runner.addresses[0][1]}/\n")
        sys.stderr.flush()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main(
    secret: Annotated[
        list[str],
        typer.Option("--secret", envvar="VONGTAY_WEBHOOK_SECRET", help="whsec_… or whpk_…; twice while it changes."),
    ],
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 9000,
    host: Annotated[str, typer.Option(help="Put a TLS proxy before it rather than opening it to the network.")] = (
        "127.0.0.1"
    ),
    seen: Annotated[Path | None, typer.Option(help="File that remembers handled ids over a restart.")] = None,
) -> None:
    """Receive the platform's webhooks and print their types.

    Example: `python -m agency.receiver --port 9000 --secret whsec_…`
    """
    try:
        receiver = Receiver(secret, seen)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--secret") from None
    try:
        asyncio.run(serve(receiver, host, port))
    except OSError as error:
        sys.stderr.write(f"Port {port} cannot be used: {os.strerror(error.errno or 0)}.\n")
        raise typer.Exit(2) from None
    finally:
        receiver.close()


if __name__ == "__main__":
    typer.run(main)
