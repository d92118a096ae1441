"""Closed periods for programs: the list, an edition's files and its signature, closing and revising."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from services.stats.api.figures import Reader
from services.stats.desk.period_reader import PeriodReader, Wanted
from services.stats.desk.periods import Periods, Standing
from services.stats.exporting import FILES
from services.stats.store.closings import Listed
from shared.identity import SignedIn
from shared.privacy.signing import as_pem
from shared.web.downloads import headers_for
from shared.web.pages import language_of

Code = Annotated[str, Path(max_length=12)]
Revision = Annotated[int | None, Query(ge=0, le=9_999)]
EditionName = Annotated[Wanted, Query()]


class Revising(BaseModel):
    """Why a closed period is told anew: a code of `revision-reasons`, and an official letter's number."""

    reason: str = Field(max_length=40)
    reference: str = Field("", max_length=60)


def period_routes(periods: Periods, reader: PeriodReader) -> APIRouter:
    """Routes below `/stats/api/periods`."""
    router = APIRouter(prefix="/api/periods")

    @router.get("")
    async def listed(principal: Reader) -> list[dict[str, Any]]:
        """All closed periods, the latest first; who sees published figures only hears of those."""
        own, whole = periods.sees_own(principal), periods.sees_exact(principal)
        return [_period(one, own=own, whole=whole) for one in await periods.standings() if own or one.published_at]

    @router.get("/key")
    async def key(_principal: Reader) -> Response:
        """The public key that checks signatures made now, as PEM."""
        return Response(as_pem(periods.key.public), media_type="application/x-pem-file")

    @router.get("/{code}")
    async def one(principal: Reader, code: Code) -> dict[str, Any]:
        """One period and its editions."""
        own = periods.sees_own(principal)
        standing = await periods.standing(code)
        if standing is None or not (own or standing.published_at):
            raise HTTPException(404)
        return _period(standing, own=own, whole=periods.sees_exact(principal))

    @router.get("/{code}/signature")
    async def signature(
        principal: SignedIn, code: Code, edition: EditionName = "", revision: Revision = None
    ) -> dict[str, str]:
        """The Ed25519 signature of `signed.json`, byte by byte, and the key that checks it."""
        signed, _ = await reader.signed(principal, code, edition, revision)
        return {
            "algorithm": "Ed25519",
            "sha256": signed.digest.hex(),
            "signature": base64.b64encode(signed.signature).decode(),
            "public_key": as_pem(signed.public_key).decode(),
        }

    @router.get("/{code}/{file}")
    async def file(
        request: Request,
        principal: SignedIn,
        code: Code,
        file: Annotated[str, Path(max_length=40)],
        edition: EditionName = "",
        revision: Revision = None,
    ) -> Response:
        """An edition as a file: what is published, unless `edition=exact`."""
        kind = FILES.get(file)
        if kind is None:
            raise HTTPException(404)
        body = await reader.file(principal, code, file, edition, revision, language_of(request))
        name = f"vongtay-{code}-{'exact-' if edition == 'exact' else ''}{file}"
        return Response(body, headers=headers_for(name, name), media_type=kind.media)

    @router.post("/{code}/close", status_code=202)
    async def close(principal: SignedIn, code: Code) -> dict[str, str]:
        """Ask for a period's closing; it is frozen within minutes."""
        return {"period": (await periods.close(principal, code)).code}

    @router.post("/{code}/revise", status_code=202)
    async def revise(principal: SignedIn, code: Code, revising: Revising) -> dict[str, str]:
        """Ask for a revision of a closed period; it is frozen within minutes."""
        return {"period": (await periods.revise(principal, code, revising.reason, revising.reference)).code}

    return router


def _period(standing: Standing, *, own: bool, whole: bool) -> dict[str, Any]:
    """Of revisions only whoever sees the `whole` province as it is is told: to others, those of single communes too,
    how often and how much it changed would tell of few elsewhere. `own`: they have figures of their own of it."""
    period, first = standing.period, standing.editions[0] if standing.editions else None
    said: dict[str, Any] = {
        "period": period.code,
        "first": period.first.isoformat(),
        "last": period.last.isoformat(),
        "number": first.number if first else None,
        "published_at": standing.published_at and standing.published_at.isoformat(),
        "public_from": standing.public_from.isoformat(),
        "files": list(FILES),
    }
    if own:
        said["asked"] = standing.asked is not None
    if whole:
        said["editions"] = [_edition(one) for one in standing.editions]
        said["differs_now"] = standing.drift.changed if standing.drift else None
    return said


def _edition(listed: Listed) -> dict[str, Any]:
    return {
        "edition": listed.edition,
        "number": listed.number,
        "as_of": listed.as_of.isoformat(),
        "at": listed.at.isoformat(),
        "reason": listed.reason,
        "reference": listed.reference,
        "changed": listed.changed,
        "sha256": listed.digest.hex(),
    }
