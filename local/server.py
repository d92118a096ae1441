"""Runs web applications under uvicorn: one service alone, or all behind one port. Ends within seconds of a SIGTERM."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp

from local.services import build_of
from shared.collecting import collect_seldom
from shared.descriptors import allow_many
from shared.runtime import ServiceProcess
from shared.settings import Settings
from shared.telemetry import setup_logs, setup_traces

# Watchers of live pages hold their connections open: they are cut, and come back by themselves.
_GRACE_SECONDS = 2


def server(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    """A server that has not started yet."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="h11",  # whose heads are bounded by what is said below
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        proxy_headers=True,
        h11_max_incomplete_event_size=32_768,
    )
    return uvicorn.Server(config)


def serve_one(name: str, host: str, port: int) -> None:
    """Run one service until a signal. Raises `ConfigurationError`, `DirectoryError`, pydantic's `ValidationError`."""
    settings = Settings()
    setup_logs(settings.log_level)
    setup_traces(name, settings.otlp_endpoint)
    process = ServiceProcess(build_of(name), settings)
    collect_seldom()
    allow_many()
    server(process.app, host, port).run()
