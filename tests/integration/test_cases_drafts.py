"""Drafts: kept while somebody types, seen by nobody else, gone for good when sent or thrown away."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote_plus

from services.cases.desk import Desk
from services.cases.store import DraftRow, save_draft
from services.cases.upkeep import drop_drafts
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units
from tests.integration.cases_house import NAME, START, Browser, House, house, token_of
from tests.support.visitor import Answer

__all__ = ["house"]
KEY = "/cases/drafts/report/r-1"


async def put(client: Browser, version: int, body: str, token: str, path: str = KEY) -> Answer:
    headers = {
        "x-form-token": token,
        "if-match": f'"{version}"',
        "content-type": "application/x-www-form-urlencoded",
    }
    return await client.ask(path, headers=headers, method="PUT", body=body.encode())


async def test_a_draft_is_kept_sealed_counts_its_saves_and_refuses_the_slower_window(house: House) -> None:
    client = await house.as_person("mai.hotline")
    token, _ = await token_of(client, "/cases/report")
    first = await put(client, 0, f"child_name={quote_plus(NAME)}&kinds=neglect&kinds=violence&form_token=x", token)
    assert (first.status, first.json()) == (200, {"version": 1, "saved_at": "08:00"})
    house.now = START + timedelta(minutes=3)
    second = await put(client, 1, "child_name=An", token)
    assert second.json() == {"version": 2, "saved_at": "08:03"}
    slower = await put(client, 1, "child_name=B", token)
    assert slower.status == 409
    assert slower.json()["violations"][0]["rule"] == "draft-changed"
    line = str(await house.rows("SELECT draft::text FROM draft"))
    assert NAME not in line
    assert "child_name" not in line, "not even which fields were filled in"
    assert await house.rows("SELECT 1 FROM outbox WHERE aggregatetype = 'privacy.keys.v1'") == [], "its key is nobody's"


async def test_a_draft_needs_the_form_of_the_session_and_a_key_of_a_form(house: House) -> None:
    client = await house.as_person("mai.hotline")
    token, _ = await token_of(client, "/cases/report")
    assert (await put(client, 0, "a=b", "forged")).status == 403
    for key in ("report", "report/a/b/c", "report/%00", "Report/x", "report/" + "x" * 61):
        answer = await put(client, 0, "a=b", token, f"/cases/drafts/{key}")
        assert (answer.status, answer.json()["violations"][0]["rule"]) == (422, "draft-key"), key
    assert (await put(client, 0, "a=" + "x" * 300_001, token)).status == 422
    assert (await put(client, 0, "a=%00x", token)).status == 200, "the form itself refuses it, the draft loses nothing"


async def test_a_draft_thrown_away_leaves_no_words_and_a_late_save_does_not_bring_it_back(house: House) -> None:
    client = await house.as_person("mai.hotline")
    token, _ = await token_of(client, "/cases/report")
    await put(client, 0, "child_name=An", token)
    other = await house.as_person("lan.worker")
    theirs, _ = await token_of(other, "/cases/report")
    assert (await put(other, 0, "child_name=Khac", theirs)).json()["version"] == 1, "one key, another person's draft"
    gone = await client.post("/cases/drafts", data={"form_token": token, "key": "report/r-1"})
    assert gone.headers["location"] == "/cases/?done=discard-draft"
    assert (await put(client, 1, "child_name=An", token)).status == 409
    rows = await house.rows("SELECT * FROM draft ORDER BY person")
    assert [(row.person, row.version, row.body is None, row.wrapped is None) for row in rows] == [
        ("lan.worker", 1, False, False),
        ("mai.hotline", 2, True, True),
    ]
    deleted = await client.ask("/cases/drafts/report/r-9", headers={"x-form-token": token}, method="DELETE")
    assert deleted.status == 204
    assert (await put(client, 0, "child_name=An", token, "/cases/drafts/report/r-9")).status == 409


async def test_what_nobody_touched_for_a_month_is_destroyed(house: House) -> None:
    client = await house.as_person("mai.hotline")
    token, _ = await token_of(client, "/cases/report")
    await put(client, 0, "child_name=An", token)
    house.now = START + timedelta(days=31)
    await put(client, 0, "child_name=Binh", token, "/cases/drafts/report/r-2")
    desk = Desk(house.keys, Units.load(), Deadlines.load())
    assert await drop_drafts(house.database, desk, house.now) == 1
    assert [row.key for row in await house.rows("SELECT key FROM draft")] == ["report/r-2"]


async def test_what_was_written_of_an_erased_case_goes_with_its_key(house: House) -> None:
    client = await house.as_person("lan.worker")
    token, _ = await token_of(client, "/cases/report")
    for case_id in ("gone", "stays"):
        await put(client, 0, "words=An", token, f"/cases/drafts/case/{case_id}/assess")
        async with house.database.transaction() as connection:
            await house.keys.key_for(connection, f"case/{case_id}", create=True)
    async with house.database.transaction() as connection:
        await house.keys.erase(connection, "case/gone")
    desk = Desk(house.keys, Units.load(), Deadlines.load())
    assert await drop_drafts(house.database, desk, house.now) == 1
    rows = await house.rows("SELECT key, body IS NULL AS empty, wrapped IS NULL AS closed FROM draft ORDER BY key")
    assert [tuple(row) for row in rows] == [("case/gone/assess", True, True), ("case/stays/assess", False, False)]


async def test_of_two_first_saves_at_once_the_slower_is_not_written_over_the_other(house: House) -> None:
    row = DraftRow("report/r-1", "report", 1, START, START, None, None)
    async with house.database.transaction() as connection:
        assert await save_draft(connection, "mai.hotline", row)
        assert not await save_draft(connection, "mai.hotline", row)
