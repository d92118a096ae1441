"""A file on its way out as HTTP: saved under a name without identity, kept by no cache, run by no browser."""

from __future__ import annotations

from starlette.responses import StreamingResponse

from services.registry.exchange.exporting import Outgoing


def sending(outgoing: Outgoing) -> StreamingResponse:
    """The answer that carries an export, piece by piece."""
    return StreamingResponse(
        outgoing.pieces,
        media_type=outgoing.media,
        headers={
            "Content-Disposition": f'attachment; filename="{outgoing.name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Vongtay-Export": outgoing.export_id,
        },
    )
