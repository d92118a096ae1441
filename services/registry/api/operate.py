"""What operators do with the registry: the pass over all records that looks for those that are one child."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from services.registry.bulk.sweeping import Sweeps
from shared.identity import Operator


def routes(sweeps: Sweeps) -> APIRouter:
    """Routes below `/registry/ops`."""
    router = APIRouter(prefix="/ops", tags=["registry"])

    @router.post("/sweep")
    async def start(operator: Operator) -> dict[str, Any]:
        """Begin a pass over all records; the state of the one that runs where one does."""
        return await sweeps.start(f"person:{operator.id}")

    @router.get("/sweep")
    async def state(_operator: Operator) -> dict[str, Any]:
        """How far the pass is, or what the last one found."""
        return await sweeps.state()

    return router
