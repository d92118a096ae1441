"""How good records are, in JSON: a commune's rules, communes compared, one rule's list of ids."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException

from services.registry.inspector import NOWHERE, CommuneBoard, Inspector, Province
from services.registry.seeing import NotThereError, Reader
from services.registry.store.quality import Measured


def routes(inspector: Inspector) -> APIRouter:
    """The routes `quality` and `quality/{rule}`."""
    router = APIRouter(tags=["registry"])

    @router.get("/quality")
    async def quality(principal: Reader, unit: str | None = None) -> dict[str, Any]:
        """A commune as it was measured last, and how many break each rule now (`none`: the records of no commune);
        without one, the caller's communes as they were measured last."""
        if unit is None:
            return _province(await inspector.province(principal))
        try:
            return _board(await inspector.board(principal, _unit(unit)))
        except NotThereError:
            raise HTTPException(404) from None

    @router.get("/quality/{rule}")
    async def work(
        principal: Reader, rule: str, unit: str, hamlet: str | None = None, after: str | None = None
    ) -> dict[str, Any]:
        """The children of a commune that break a rule, fifty at a time; `after`: the last one of the page before."""
        try:
            found = await inspector.work(principal, _unit(unit), rule, hamlet, after)
        except NotThereError:
            raise HTTPException(404) from None
        return {
            "rule": rule,
            "act": found.rule.act,
            "field": found.rule.field,
            "children": found.children,
            "hamlets": [{"key": one.key, "name": one.name, "children": one.children} for one in found.hamlets],
            "rows": [{"child_id": one.row.id, "since": one.since.isoformat()} for one in found.rows],
            "after": found.more,
        }

    return router


def _unit(unit: str) -> str | None:
    return None if unit == NOWHERE else unit


def _board(board: CommuneBoard) -> dict[str, Any]:
    return {
        "unit": board.unit,
        "measured": None if board.now is None else _measured(board.now),
        "rules": [
            {
                "rule": line.rule.code,
                "kind": line.rule.kind,
                "severity": line.rule.severity,
                "children": line.children,
                "minutes": line.effort.total_seconds() / 60,
            }
            for line in board.lines
        ],
        "trend": [{"day": day.isoformat(), "score": round(score, 2)} for day, score in board.trend],
        "doubts": [{"doubt": doubt.code, "share": share} for doubt, share in board.doubts],
    }


def _province(province: Province) -> dict[str, Any]:
    return {
        "measured_on": None if province.last is None else province.last.day.isoformat(),
        "score": province.score,
        "verified": province.verified,
        "nowhere": province.nowhere,
        "communes": [
            {
                **_measured(line.measured),
                "change": None if line.change is None else round(line.change, 2),
                "by_kind": dict(line.by_kind),
                "doubts": [doubt.code for doubt, _ in line.doubts],
            }
            for line in province.communes
        ],
    }


def _measured(measured: Measured) -> dict[str, Any]:
    return {
        "unit": measured.unit,
        "measured_on": measured.day.isoformat(),
        "measured_at": None if measured.at is None else measured.at.isoformat(),
        "children": measured.children,
        "verified": measured.verified,
        "due": measured.due,
        "score": measured.score,
        "broken": dict(measured.broken),
    }
