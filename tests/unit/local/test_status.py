"""`vongtay status` says in a terminal what operators see on their page."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from local.cli import app, operate

_WELL: dict[str, Any] = {
    "service": "cases", "healthy": True, "waiting_for": None, "lag": 0, "outbox": 0, "outbox_seconds": 0.0,
    "parked_keys": 0, "dead_letters": 0, "users_refused": False, "users_refused_at": None,
}  # fmt: skip


def test_it_says_of_which_services_the_users_file_is_wrong_and_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"service": "notify", "users_refused": True, "users_refused_at": "2026-03-02T08:00:00Z"}
    monkeypatch.setattr(operate, "all_status", lambda _client: [_WELL, _WELL | wrong])
    told = CliRunner().invoke(app, ["status"], env={"VONGTAY_TOKEN": "t"})
    [line] = [line for line in told.output.splitlines() if "users file" in line]
    assert line.startswith("notify: ")
    assert line.endswith("(since 2026-03-02T08:00:00Z).")
    assert told.exit_code == 0, "people work as before"
