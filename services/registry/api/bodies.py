"""Bodies that other systems send: read up to a bound, as JSON, each fault said before anything is believed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson
from fastapi import Request

from services.registry.exchange.incoming import refused
from shared.contracts.errors import Rejected, Violation

_STATUSES = {"too-large": 413, "media-type": 415, "version": 415, "json": 400}


def status_of(violations: Collection[Violation]) -> int:
    """The HTTP status of a body's fault; 422 for faults in what it says."""
    return next((_STATUSES[one.rule] for one in violations if one.rule in _STATUSES), 422)


async def read_json(request: Request, most: int, media: Collection[str], version: str | None = None) -> Any:
    """The body as JSON.

    Args:
        most: bytes. media: types taken. version: FHIR's, where the sender's type names one (`fhirVersion=4.0`).
    Raises: `Rejected` (too-large, media-type, version, json).
    """
    kind, *parameters = request.headers.get("content-type", "").lower().split(";")
    if kind.strip() not in media:
        wanted = ", ".join(sorted(media))
        raise Rejected([refused("Content-Type", "media-type", f"phải là {wanted}", f"must be {wanted}")])
    said = {name.strip(): value.strip(' "') for name, _, value in (one.partition("=") for one in parameters)}
    if said.get("charset", "utf-8") not in {"utf-8", "utf8"}:
        raise Rejected([refused("Content-Type", "media-type", "phải là UTF-8", "must be UTF-8")])
    if version is not None and not version.startswith(said.get("fhirversion", version)):
        raise Rejected([refused("Content-Type", "version", f"phải là FHIR {version}", f"must be FHIR {version}")])
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Rejected([refused("body", "too-large", f"lớn hơn {most} byte", f"is larger than {most} bytes")])
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        vi = f"không phải JSON hợp lệ ở dòng {error.lineno}, cột {error.colno}: bị cắt ngang, hoặc không phải UTF-8"
        en = f"is no valid JSON at line {error.lineno}, column {error.colno}: cut off, or not UTF-8"
        raise Rejected([refused("body", "json", vi, en)]) from None
