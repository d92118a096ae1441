"""What an operator is warned by: a service that refuses requests is not called healthy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.routing import APIRoute

from shared.runtime import _metrics_route
from shared.telemetry.metrics import STATUS


@pytest.mark.parametrize(("flows", "hears", "shown"), [(True, True, 1.0), (True, False, 0.0), (False, True, 0.0)])
async def test_healthy_is_where_events_flow_and_ended_sessions_are_known(
    flows: bool, hears: bool, shown: float
) -> None:
    async def status() -> dict[str, Any]:
        return {"service": "notify", **dict.fromkeys(STATUS, 0), "healthy": flows}

    process: Any = SimpleNamespace(service=SimpleNamespace(status=status), hears_endings=hears)
    (route,) = _metrics_route(process).routes
    assert isinstance(route, APIRoute)
    page = (await route.endpoint()).body.decode()
    assert f'vongtay_healthy{{service="notify"}} {shown}' in page
