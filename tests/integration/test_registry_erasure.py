"""Erasure by law, looked for in every column of the registry's database and on its disk: no word, and nothing that any
key of ours still opens.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text

from services.registry.desk import Desk, merging
from services.registry.domain.children import Statement
from services.registry.domain.matching import Match
from services.registry.handlers import routes
from services.registry.imports.counter import Counter
from services.registry.imports.reading import sealed_file
from services.registry.office import Office
from services.registry.settings import RegistrySettings
from services.registry.store import imports, pairs, saved
from services.registry.store.saved import Kept
from shared.contracts.base import SealedBox
from shared.contracts.envelope import Envelope
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.outbox import new_id
from shared.messaging.processing import Processor, Record
from shared.messaging.router import Scope
from shared.reference.units import Units
from tests.integration.test_registry_imports import HOME, NOW, Browser, House, house, roster
from tests.integration.test_registry_record import upload
from tests.support import media
from tests.support.words import columns_with

__all__ = ["house"]  # the fixture
# Everything that is ever said of her, with and without diacritics.
WORDS = (
    *("Ngọc Anh", "ngoc anh", "Ngọc Ánh", "Thu Lan", "thu lan", "Bến Oánh", "ben oanh", "019316000123", "000123"),
    *("Hoa Mai", "hoa mai", "khai sinh 77", "sổ hộ nghèo 88", "hai chị em họ", "công an 99"),
)
ROW = "Nguyễn Thị Ngọc Anh,09/03/2016,Nữ,Lý Thị Thu Lan," + HOME
OTHERS = ("Ma Văn Hùng,05/02/2015,Nam,Ma Thị Hà," + HOME, "Đỗ Thị Yến,07/02/2014,Nữ,Đỗ Thị Hà," + HOME)


async def found(house: House, words: tuple[str, ...] = WORDS) -> set[tuple[str, str]]:
    """In which columns any of the words stands: in clear, in encoded bytes, or sealed under a key that there is."""
    keys = house.jobs.keys
    seen = await columns_with(house.database, keys, words)
    for row in await house.rows("SELECT id, wrapped, sealed FROM saved_search"):
        kept = Kept(str(row.id), row.wrapped, SealedBox.model_validate(row.sealed))
        opened = keys.open_private(saved.kid(kept.id), kept.wrapped).open(kept.sealed).decode()
        if any(word in opened for word in words):
            seen.add(("saved_search", "sealed"))
    for row in await house.rows("SELECT id FROM import WHERE file_key IS NOT NULL"):
        async with house.database.transaction() as connection:
            there = await imports.find(connection, str(row.id))
        assert there is not None
        with sealed_file(there, house.folder, keys).open("rb") as lines:
            content = lines.read()
        if any(word.encode() in content for word in words):
            seen.add(("import", "file_key"))
    return seen


async def test_of_an_erased_child_no_column_holds_a_word_or_anything_that_a_key_still_opens(house: House) -> None:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    child_id = await told_of_everywhere(house, lan)
    before = await found(house)
    # The test looks where it must: each of these would be missed by nobody's eye.
    assert before >= {
        *(("child", "description"), ("child", "name_folded"), ("child", "carers_folded"), ("statement", "description")),
        *(("statement", "marks"), ("revision", "description"), ("circumstance", "evidence"), ("outbox", "payload")),
        *(("import_record", "before"), ("import", "file_key"), ("saved_search", "sealed"), ("split", "reason")),
        *(("history", "detail"), ("hold", "note"), ("revision", "reason")),
    }
    await ha.get("/registry/")
    assert (await ask(ha, child_id, "erase", ground="request")).status == 204
    assert await found(house) == set()
    assert await house.rows("SELECT 1 FROM photo") == []
    # Nothing of anybody else has gone with her.
    assert {row.name_folded for row in await house.rows("SELECT name_folded FROM child WHERE name_folded <> ''")} == {
        "ma van hung",
        "do thi yen",
        "ly a pao",
    }
    assert len(await house.rows("SELECT 1 FROM saved_search")) == 1
    counter = Counter(
        Office(Desk(house.jobs.keys), house.database, lambda: NOW),
        house.jobs.keys,
        house.folder,
        house.jobs.units,
        RegistrySettings(),
        lambda: None,
    )
    await counter.forget_old()
    assert list(house.folder.iterdir()) == []


async def test_what_an_agency_said_of_her_and_nobody_could_handle_is_erased_with_her(house: House) -> None:
    processor = Processor(
        routes(Desk(house.jobs.keys), house.jobs.keys, Units.load()), house.database, house.jobs.keys, clock
    )
    said = recorded({"name": "Nguyễn Thị Ngọc Anh", "birth_date": "2016-03-09", "sex": "female", "address": "Bến Oánh"})
    (taken,) = await processor.handle([sent("HT-1", said, 1)])
    assert taken.outcome == "accepted"
    (row,) = await house.rows("SELECT id FROM child")
    broken = recorded({"name": "Nguyễn Thị Ngọc Anh", "birth_date": "không rõ"})
    observed = {"child_id": str(row.id), "circumstance": "x" * 99, "evidence": "Thu Lan nói"}
    of_another = recorded({"name": "Ma Văn Hùng", "birth_date": "không rõ"})
    outcomes = await processor.handle(
        [sent("HT-1", broken, 2), sent("HC-1", observed, 3, "circumstance.observed"), sent("HT-2", of_another, 4)]
    )
    assert [one.outcome for one in outcomes] == ["rejected"] * 3
    async with house.database.transaction() as connection:
        for offset, name in ((5, "HT-1"), (6, "HT-2")):
            await processor.failures.park(connection, sent(name, said, offset), "ValueError" if offset == 5 else None)
    assert {("dead_letter", "content"), ("parked", "content")} <= await found(house)
    ha = await house.browser("ha.coordinator")
    await ha.get("/registry/")
    assert (await ask(ha, str(row.id), "erase", ground="request")).status == 204
    # One that waited behind hers is of somebody else as far as anybody can tell: it is handled now.
    assert await found(house) == {("parked", "content")}
    (waiting,) = await house.rows('SELECT "offset", reason FROM parked')
    assert tuple(waiting) == (6, "Erased")
    letters = await house.rows('SELECT "offset", forgotten_as, key, event_id, violations FROM dead_letter ORDER BY 1')
    assert [row.forgotten_as for row in letters] == ["erased", "erased", None, "erased"]
    assert letters[-1].violations[0]["rule"] == "erased"
    assert letters[0].key is letters[0].event_id is None
    replies = await house.rows("SELECT payload FROM outbox WHERE aggregatetype = 'replies.health.v1' ORDER BY position")
    assert [orjson.loads(row.payload)["offset"] for row in replies] == [2, 3, 4, 5]


def clock() -> datetime:
    return NOW


def recorded(child: dict[str, Any]) -> dict[str, Any]:
    return {"register_kind": "health-record", "child": child, "unit": HOME, "as_of": "2026-11-01"}


def sent(identifier: str, data: dict[str, Any], offset: int, kind: str = "child.recorded") -> Record:
    """An agency's event; all of one Kafka key."""
    event = Envelope(identifier, "/agency/health/tram", f"vn.vongtay.agency.{kind}", "K-7", NOW, orjson.dumps(data))
    return Record("agency.health.v1", 0, offset, event.subject, event.data, tuple(event.headers()))


async def test_of_a_child_that_was_parted_nothing_stays_in_the_record_that_it_was_one_with(house: House) -> None:
    child_id = await told_of_everywhere(house, await house.browser("lan.worker"))
    words = ("Lý A Páo", "ly a pao", "Nà Phặc", "hai chị em họ")
    assert ("revision", "description") in await found(house, words)
    (row,) = await house.rows("SELECT id FROM child WHERE name_folded = 'ly a pao'")
    ha = await house.browser("ha.coordinator")
    await ha.get("/registry/")
    assert (await ask(ha, str(row.id), "erase", ground="request")).status == 204
    # What was told of the other child while they were one lies sealed under that child's key, which stays.
    assert await found(house, words) == {("outbox", "payload")}
    # The other child's record is as it was, its versions of that time are empty.
    assert (await ha.get(f"/registry/children/{child_id}")).status == 200
    assert (await ha.get(f"/registry/children/{child_id}/history")).status == 200
    (kept,) = await house.rows(f"SELECT name_folded FROM child WHERE id = '{child_id}'")
    assert kept.name_folded == "nguyen thi ngoc anh"


async def test_nobody_is_erased_while_a_list_with_the_child_is_half_taken_over(house: House) -> None:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    one = await house.looked_through(lan, "một.csv", roster(ROW, *OTHERS))
    await house.act(lan, one, "take")
    async with house.database.transaction() as connection:
        await imports.change(connection, one, NOW, state="stopped")
    (row,) = await house.rows("SELECT id FROM child WHERE name_folded LIKE '%ngoc anh'")
    await ha.get("/registry/")
    refused = await ask(ha, str(row.id), "erase", ground="request")
    assert refused.json()["violations"][0]["rule"] == "import-under-way"


async def test_nobody_is_erased_before_the_new_record_of_the_adopted_child_has_begun(house: House) -> None:
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    one = await house.looked_through(lan, "một.csv", roster(ROW))
    await house.act(lan, one, "take")
    (row,) = await house.rows("SELECT id FROM child")
    await ha.get("/registry/")
    new = {"name": "Hoàng Bảo Châu", "birth_date": "2016-03-09", "sex": "female"}
    assert (await ask(ha, str(row.id), "adopt", on="2026-11-20", child=new, unit=HOME)).status == 204
    refused = await ask(ha, str(row.id), "erase", ground="request")
    assert refused.json()["violations"][0]["rule"] == "adoption-under-way"
    assert len(await house.rows("SELECT 1 FROM adoption")) == 1


async def ask(browser: Browser, child_id: str, act: str, **asked: Any) -> Any:
    headers = {"content-type": "application/json", "accept": "application/json", "x-form-token": browser.token}
    address = f"/registry/api/children/{child_id}/life/{act}"
    return await browser.ask(address, headers=headers, method="POST", body=orjson.dumps(asked))


async def told_of_everywhere(house: House, lan: Browser) -> str:
    """A child of whom every table that can holds something."""
    first = await house.looked_through(lan, "một.csv", roster(ROW, *OTHERS))
    await house.act(lan, first, "take")
    (row,) = await house.rows("SELECT id FROM child WHERE name_folded = 'nguyen thi ngoc anh'")
    child_id = str(row.id)
    second = await house.looked_through(lan, "hai.csv", roster(*OTHERS, ROW), title="Trường", kind="school-roster")
    # A record that said that he is she, before an import said that he is not: undoing could say the earlier again.
    async with house.database.transaction() as connection:
        await connection.execute(
            text(
                """UPDATE import_record SET before = (SELECT jsonb_build_object('s_description', description::text,
                       'child_id', CAST(:child AS text)) FROM statement WHERE child_id = CAST(:child AS uuid) LIMIT 1)
                   WHERE child_id = (SELECT id FROM child WHERE name_folded = 'ma van hung')"""
            ),
            {"child": child_id},
        )
    await house.act(lan, second, "take")
    form = {"name": "Nguyễn Thị Ngọc Ánh", "birth_date": "09/03/2016", "sex": "female", "unit": HOME}
    form |= {"number": "019316000123", "address": "Số 7 phố Bến Oánh", "carer1_name": "Hoa Mai"}
    page = await lan.get(f"/registry/children/{child_id}/correct")
    version = page.text.split('name="version" id="f-version" value="')[1].split('"')[0]
    form |= {"version": version, "reason": "papers", "reason_words": "khai sinh 77"}
    done = await lan.post(f"/registry/children/{child_id}/correct", **form)
    assert done.status == 303
    assert (await upload(lan, f"/registry/children/{child_id}/photo", media.png(5000))).status == 303
    begun = await lan.post(
        f"/registry/children/{child_id}/circumstances", circumstance="02", since="01/10/2026", evidence="sổ hộ nghèo 88"
    )
    assert begun.status == 303, re.findall("field__error.*", begun.text)
    for name, values in {
        "Ngọc Anh xóm 3": {"name": "nguyen thi ngoc anh", "hamlet": "Xóm 3"},
        "Em bé ấy": {"number": "000123"},
        "Lớp 5A": {"name": "Lý Văn", "school": "Ba Bể"},
    }.items():
        body = orjson.dumps({"name": name, "values": values})
        headers = {"content-type": "application/json", "accept": "application/json", "x-form-token": lan.token}
        kept = await lan.ask("/registry/api/searches", headers=headers, method="POST", body=body)
        assert kept.status == 201, kept.text
    assert (await ask(lan, child_id, "verify", on="2026-11-24", method="papers", confirmed=["name"])).status == 200
    desk = Desk(house.jobs.keys)
    (hung,) = await house.rows("SELECT id FROM child WHERE name_folded = 'ma van hung'")
    async with house.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        await pairs.put_pairs(connection, child_id, [Match(str(hung.id), 0.6, ("name",))], NOW)
        # Another child's source lay with her for a while, and was parted from her again.
        said = Statement(
            new_id(),
            "school-roster",
            "education",
            NOW.date(),
            ChildDescription(name="Lý A Páo", school="Nà Phặc"),
            unit=HOME,
        )
        assert await desk.confirm(scope, child_id, said, "education") == child_id
        _, parted = await merging.split(scope, desk, child_id, [said.record_id], "hai chị em họ Ngọc Anh", "person:lan")
        await connection.execute(
            text("UPDATE statement SET marks = CAST(:marks AS jsonb) WHERE child_id = CAST(:id AS uuid)"),
            {"marks": await _overruled(connection, child_id), "id": parted},
        )
        await scope.flush()
    ha = await house.browser("ha.coordinator")
    await ha.get("/registry/")
    assert (await ask(ha, child_id, "hold", reason="court", note="công an 99")).status == 204
    async with house.database.transaction() as connection:
        await connection.execute(text("UPDATE hold SET lifted_at = now(), lifted_by = 'person:ha'"))
    return child_id


async def _overruled(connection: Any, child_id: str) -> str:
    """A person's word on the parted record, given against what one of her sources said."""
    rows = await connection.execute(
        text("SELECT record_id FROM statement WHERE child_id = CAST(:id AS uuid) LIMIT 1"), {"id": child_id}
    )
    mark = {"on": "2026-11-24", "by": "person:lan", "against": {str(rows.scalar_one()): "Lý Thị Thu Lan"}}
    return orjson.dumps({"carers": mark}).decode()
