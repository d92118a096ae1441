"""An application as benches meet it: behind a real port, with somebody of the demo signed in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Response

from local.folder import free_port


def signed_in(app: Any, person: str) -> str:
    """The cookie of one of the demo's people."""
    identity = app.state.identity
    answer = Response()
    identity.sign_in(answer, identity.directory.person(person))
    return answer.headers["set-cookie"].split(";")[0]


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The application behind a port of its own. Out: its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
