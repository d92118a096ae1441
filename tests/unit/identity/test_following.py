"""The users file is read again while services run: who comes, moves and leaves counts; what cannot be used does not."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.identity import Directory, following, hash_password
from shared.identity.following import UsersFile
from shared.settings import Settings
from shared.web.app import create_app
from shared.web.pages import Pages
from tests.support.visitor import Visitor

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
PASSWORD = hash_password("mot mat khau dai va la")


def person(identifier: str = "lan", **changes: Any) -> dict[str, Any]:
    known = {"id": identifier, "name": "Nguyễn Thị Lan", "role": "worker", "units": ["05443"], "password": PASSWORD}
    return known | changes


def write(path: Path, *people: dict[str, Any]) -> None:
    """Another file in its place, as `vongtay users` puts it there."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"people": people}), encoding="utf-8")
    fresh.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "users.json"
    write(found, person())
    return found


async def test_who_comes_moves_and_leaves_is_known_to_everybody_who_has_the_directory(path: Path) -> None:
    directory = Directory.load(path)
    file = UsersFile(path, directory)
    await file.look()
    assert directory.version == 0, "the same people are nothing new"
    stamp = directory.stamp("lan")
    write(path, person(units=["05446"]), person("binh", role="chair"))
    await file.look()
    moved = directory.person("lan")
    assert moved is not None
    assert moved.units == {"05446"}
    assert directory.stamp("lan") == stamp, "who keeps the password stays signed in"
    assert directory.person("binh") is not None
    write(path, person("binh", role="chair"))
    await file.look()
    assert (directory.person("lan"), directory.stamp("lan")) == (None, None)
    assert directory.version == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text('{"people": [{"id": "lan", '),
        lambda path: path.write_text(""),
        lambda path: path.write_text('{"people": []}'),
        lambda path: write(path, person(role="king")),
        lambda path: write(path, person(), person()),
        lambda path: path.unlink(),
    ],
    ids=["cut off", "empty", "nobody", "unknown role", "twice", "gone"],
)
async def test_a_file_that_cannot_be_used_leaves_everybody_as_they_were_and_is_said_once(
    path: Path, spoil: Callable[[Path], object]
) -> None:
    directory = Directory.load(path)
    file = UsersFile(path, directory, lambda: NOW)
    await file.look()
    before = directory.person("lan")
    spoil(path)
    with capture_logs() as logs:
        await file.look()
        await file.look()
    assert [(line["event"], line["log_level"], line["kept"]) for line in logs] == [("users.refused", "error", 1)]
    assert PASSWORD not in str(logs)
    assert (directory.person("lan"), directory.refused_at) == (before, NOW)
    write(path, person(), person("binh", role="chair"))
    await file.look()
    assert directory.refused_at is None
    assert directory.person("binh") is not None


async def test_a_file_that_can_be_read_only_later_counts_then_though_nothing_was_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Directory.load(path)
    file = UsersFile(path, directory, lambda: NOW)
    await file.look()
    write(path, person("binh", role="chair"))

    def too_many_open(_self: Path) -> bytes:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(Path, "read_bytes", too_many_open)
        await file.look()
        await file.look()
    assert [line["event"] for line in logs] == ["users.refused"]
    assert directory.person("lan") is not None
    await file.look()
    assert (directory.person("lan"), directory.refused_at) == (None, None)


async def test_what_is_written_into_the_same_file_in_the_same_length_is_seen_too(path: Path) -> None:
    directory = Directory.load(path)
    file = UsersFile(path, directory)
    await file.look()
    path.write_text(path.read_text("utf-8").replace("05443", "05446"), encoding="utf-8")
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))
    await file.look()
    found = directory.person("lan")
    assert found is not None
    assert found.units == {"05446"}


async def test_an_application_that_runs_follows_its_file_and_its_health_says_what_is_wrong(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOKS_SECONDS", 0.02)
    directory = Directory.load(path)
    app = create_app("t", [], Pages(), directory, Settings(environment="test", users_file=path))
    visitor = Visitor(app)
    async with app.router.lifespan_context(app):
        write(path, person(), person("binh", role="chair"))
        await _until(lambda: directory.person("binh") is not None)
        assert json.loads((await visitor.ask("/healthz")).body) == {"status": "ok", "parts": {}}
        path.write_text("{")
        await _until(lambda: directory.refused_at is not None)
        answer = await visitor.ask("/healthz")
        assert (answer.status, json.loads(answer.body)["parts"]) == (200, {"people": "last good file"})
    write(path, person())
    await asyncio.sleep(0.1)
    assert directory.refused_at is not None, "one that has stopped reads nothing"


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)
