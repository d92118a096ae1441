"""The registry on a real database: events in, events out, whatever their order, copies and replicas."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.desk import Desk, merging
from services.registry.domain.children import Statement
from services.registry.domain.traits import search_keys, traits_of, with_keys
from services.registry.handlers import routes
from services.registry.store import children as store
from services.registry.store import finding, imports, pairs
from services.registry.store.chunk import Chunk
from services.registry.store.nearby import Memory
from shared.contracts.cases import CaseFacts, ChildChosen, ChildDescribed
from shared.contracts.envelope import Envelope
from shared.contracts.vocabulary import ChildDescription
from shared.database import Database
from shared.messaging.intake import Answer, Intake
from shared.messaging.outbox import new_id
from shared.messaging.processing import Processor, Record
from shared.messaging.router import Scope
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from tests.support import backends

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
MIGRATIONS = Path(store.__file__).parents[1] / "migrations"
CHILD = {
    "name": "Nguyễn Thị Ngọc Anh",
    "birth_date": "2016-03-09",
    "sex": "female",
    "carers": [{"name": "Lý Thị Thu Lan"}],
}


_ASKED = "asked"


@dataclass
class Registry:
    """The service without Kafka: what comes in by `send` and `described`, what goes out by `events`."""

    database: Database
    keys: Keys
    desk: Desk = field(init=False)
    processor: Processor = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(self.keys)
        self.processor = Processor(routes(self.desk, self.keys, Units.load()), self.database, self.keys, lambda: NOW)

    async def send(self, *events: dict[str, Any], sector: str = "dolisa") -> list[Answer]:
        return await Intake(self.processor, "registry").accept(events, sector)

    async def described(
        self,
        child: dict[str, Any],
        case_id: str | None = None,
        chosen: str | None = _ASKED,
        instead_of: str | None = None,
    ) -> dict[str, Any]:
        """A case asks who its child is, or tells whom a person chose (None: nobody). Out: the answer."""
        asked = await self.asked(child, case_id or new_id(), chosen, instead_of)
        (result,) = await self.processor.handle([asked])
        assert result.outcome == "accepted"
        return (await self.events("child.identified"))[-1]

    async def asked(
        self, child: dict[str, Any], case_id: str, chosen: str | None = _ASKED, instead_of: str | None = None
    ) -> Record:
        """The event by which a case does so."""
        async with self.database.transaction() as connection:
            box = await self.keys.seal(connection, ChildDescription.model_validate(child), f"case/{case_id}")
        facts = CaseFacts(
            unit="02176",
            sex="female",
            age_band="6-10",
            kind="violence",
            risk="high",
            status="open",
            step="intake",
            sector="hotline",
            channel="hotline-111",
            opened_at=NOW,
        )
        data = (
            ChildDescribed(case_id=case_id, facts=facts, child=box)
            if chosen is _ASKED
            else ChildChosen(case_id=case_id, facts=facts, child=box, child_id=chosen, instead_of=instead_of)
        )
        event = Envelope(
            id=new_id(),
            source="/services/cases",
            type=data.TYPE,
            subject=case_id,
            time=NOW,
            data=data.model_dump_json().encode(),
            sequence=1,
        )
        return Record("cases.cases.v1", 0, 0, case_id, event.data, tuple(event.headers()))

    async def events(self, name: str = "") -> list[dict[str, Any]]:
        """What was emitted, in order, each with its type, subject and sequence."""
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                text("SELECT type, payload, headers FROM outbox WHERE aggregatetype LIKE 'registry%' ORDER BY position")
            )
            found = [
                {
                    "type": row.type.removeprefix("vn.vongtay.registry."),
                    "subject": row.headers["ce_subject"],
                    "sequence": int(row.headers["ce_sequence"]),
                    **orjson.loads(row.payload),
                }
                for row in rows
            ]
        return [event for event in found if name in event["type"]]

    async def count(self, table: str) -> int:
        async with self.database.transaction() as connection:
            return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


@pytest.fixture
async def registry(fresh_database: str) -> AsyncIterator[Registry]:
    database = Database(fresh_database)
    await database.migrate(MIGRATIONS)
    yield Registry(database, Keys(b"m" * 32, PlatformKey(b"p" * 32)))
    await database.close()


def recorded(
    record: str, child: dict[str, Any], *, kind: str = "commune-roster", sector: str = "dolisa", **over: Any
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": record,
        "source": f"/agency/{sector}/test",
        "type": "vn.vongtay.agency.child.recorded",
        "subject": record,
        "time": "2026-11-01T00:00:00Z",
        "data": {"register_kind": kind, "as_of": "2026-10-31", "unit": "02176", "child": child, **over},
    }


def outcomes(answers: Sequence[Answer]) -> list[str]:
    return [answer.outcome for answer in answers]


async def test_two_registers_that_know_one_child_are_linked_to_it(registry: Registry) -> None:
    await registry.send(recorded("r1", CHILD, circumstances=["04"]))
    school = {"name": "NGUYEN THI NGOC ANH", "birth_date": "2016-09-03", "school": "Trường A"}
    school["carers"] = CHILD["carers"]
    answers = await registry.send(
        recorded("s1", school, kind="school-roster", sector="education", dropped_out=True), sector="education"
    )
    assert outcomes(answers) == ["accepted"]
    assert await registry.count("child") == 1
    links = await registry.events("record.linked")
    assert len({link["child_id"] for link in links}) == 1
    assert [(link["register_kind"], link["dropped_out"]) for link in links] == [
        ("commune-roster", False),
        ("school-roster", True),
    ]
    child = [event for event in await registry.events() if event["subject"] == links[0]["child_id"]]
    assert [event["sequence"] for event in child] == list(range(1, len(child) + 1))
    assert child[-1]["facts"]["circumstances"] == ["04", "dropped-out"]
    assert child[-1]["facts"]["disability"] is True
    assert "Ngọc" not in orjson.dumps(await registry.events()).decode()


async def test_the_same_again_changes_nothing_and_other_content_corrects(registry: Registry) -> None:
    first = recorded("r1", CHILD, circumstances=["04"])
    await registry.send(first)
    before = await registry.events()
    assert outcomes(await registry.send(first)) == ["duplicate"]
    assert await registry.events() == before
    corrected = recorded("r1", {**CHILD, "name": "Nguyễn Thị Ngọc Ánh"}, unit="05443")
    assert outcomes(await registry.send(corrected)) == ["corrected"]
    told = (await registry.events())[len(before) :]
    assert [event["type"] for event in told] == [
        "child.moved",
        "child.corrected",
        "child.circumstance.ended",
        "record.linked",
    ]
    assert (told[0]["from_unit"], told[0]["facts"]["unit"]) == ("02176", "05443")
    assert "name" in told[1]["changed"]
    assert (told[3]["sequence"], told[3]["circumstances"]) == (2, [])
    assert await registry.count("child") == 1


async def test_of_two_versions_of_a_record_the_one_that_its_source_told_later_stands_whichever_comes_first(
    registry: Registry,
) -> None:
    def version(hamlet: str, time: str, day: str = "2026-11-01") -> dict[str, Any]:
        return recorded("r1", CHILD | {"hamlet": hamlet}, as_of=day) | {"time": time}

    async def hamlet() -> str | None:
        async with registry.database.transaction() as connection:
            (row,) = (await connection.execute(text("SELECT id FROM child"))).all()
            known = await store.child(connection, str(row.id))
        return known.known.description.hamlet if known else None

    await registry.send(version("Xóm Một", "2026-11-02T08:00:00Z"))
    for late in (version("Xóm Cũ", "2026-11-02T07:59:59Z"), version("Xóm Cũ", "2026-11-03T08:00:00Z", "2026-10-31")):
        (answer,) = await registry.send(late)
        assert (answer.outcome, [violation.rule for violation in answer.violations]) == ("rejected", ["superseded"])
        assert await hamlet() == "Xóm Một"
    assert outcomes(await registry.send(version("Xóm Hai", "2026-11-02T08:00:00Z"))) == ["corrected"]
    assert await hamlet() == "Xóm Hai", "told at one moment: the one that comes later"
    ahead = version("Xóm Ba", "2030-01-01T00:00:00Z")
    assert outcomes(await registry.send(ahead)) == ["corrected"]
    assert outcomes(await registry.send(version("Xóm Bốn", "2026-11-24T01:00:00Z"))) == ["corrected"]
    assert await hamlet() == "Xóm Bốn", "a clock that went ahead keeps nothing out"


async def test_an_observation_told_earlier_does_not_replace_the_one_told_later(registry: Registry) -> None:
    await registry.send(recorded("r1", CHILD))
    (link,) = await registry.events("record.linked")

    def seen(since: str, time: str) -> dict[str, Any]:
        data = {"child_id": link["child_id"], "circumstance": "04", "since": since}
        kind = "vn.vongtay.agency.circumstance.observed"
        return recorded("o1", {}) | {"type": kind, "time": time, "data": data}

    await registry.send(seen("2026-10-02", "2026-11-02T08:00:00Z"))
    assert outcomes(await registry.send(seen("2026-10-01", "2026-11-01T08:00:00Z"))) == ["rejected"]
    async with registry.database.transaction() as connection:
        (found,) = (await connection.execute(text("SELECT since FROM circumstance"))).all()
    assert found.since == date(2026, 10, 2)


async def test_a_record_corrected_into_another_child_leaves_the_first(registry: Registry) -> None:
    other = {"name": "Trần Văn Bình", "birth_date": "2012-05-05", "sex": "male", "carers": [{"name": "Trần Hà"}]}
    await registry.send(recorded("r1", CHILD))
    await registry.send(recorded("s1", CHILD, kind="school-roster", sector="education"), sector="education")
    await registry.send(recorded("s1", other, kind="school-roster", sector="education"), sector="education")
    assert await registry.count("child") == 2
    links = {link["record_id"]: link for link in await registry.events("record.linked")}
    assert len({link["child_id"] for link in links.values()}) == 2
    assert sorted(link["sequence"] for link in links.values()) == [1, 2]


async def test_a_sender_is_told_which_rule_its_record_breaks(registry: Registry) -> None:
    answers = await registry.send(
        recorded("x1", {"birth_date": "2016-01-01"}),
        recorded("x2", {**CHILD, "birth_date": "2026-12-01"}),
        recorded("x3", {**CHILD, "birth_date": "2010-10-31"}),
        recorded("x4", CHILD, unit="99999", unit_text="Xã Không Có"),
    )
    assert [[violation.rule for violation in answer.violations] for answer in answers] == [
        ["name-missing"],
        ["birth-date-in-future"],
        ["not-a-child"],
        [],
    ]
    (link,) = await registry.events("record.linked")
    assert link.get("unit") is None


async def test_a_circumstance_begins_and_ends_for_a_child_that_is_known(registry: Registry) -> None:
    await registry.send(recorded("r1", CHILD))
    child_id = (await registry.events("child.registered"))[0]["child_id"]

    def seen(**data: Any) -> dict[str, Any]:
        event = recorded("c1", CHILD)
        values = {"child_id": child_id, "circumstance": "09", "since": "2026-11-01", **data}
        return {**event, "type": "vn.vongtay.agency.circumstance.observed", "data": values}

    assert outcomes(await registry.send(seen())) == ["accepted"]
    assert outcomes(await registry.send(seen(until="2026-11-20"))) == ["corrected"]
    begun, ended = await registry.events("circumstance")
    assert (begun["circumstance"], begun["since"], ended["circumstance"]) == ("09", "2026-11-01", "09")
    assert ended["facts"]["circumstances"] == []
    wrong = await registry.send({**seen(child_id=new_id()), "id": "c2"}, {**seen(circumstance="99"), "id": "c3"})
    assert [answer.violations[0].rule for answer in wrong] == ["child-unknown", "circumstance-unknown"]
    (no_id,) = await registry.send({**seen(child_id="-" * 36), "id": "c4"})
    assert no_id.violations[0].rule == "child-unknown"


async def test_a_case_is_told_who_its_child_is(registry: Registry) -> None:
    await registry.send(recorded("r1", CHILD))
    child_id = (await registry.events("child.registered"))[0]["child_id"]
    sure = await registry.described(CHILD)
    assert (sure["result"], sure["child_id"], sure["facts"]["unit"]) == ("existing", child_id, "02176")
    unsure = await registry.described({"name": "Nguyễn Thị Ngọc Anh", "age": 10})
    assert (unsure["result"], unsure.get("child_id")) == ("candidates", None)
    assert [candidate["child_id"] for candidate in unsure["candidates"]] == [child_id]
    nobody = await registry.described({"age": 7})
    assert (nobody["result"], nobody["candidates"]) == ("candidates", [])
    case_id = new_id()
    new = await registry.described({"name": "Ma Văn Long", "age": 7}, case_id)
    assert (new["result"], new["sequence"], new["facts"]["birth_year"]) == ("new", 1, 2019)
    again = await registry.described({"name": "Ma Văn Long", "birth_date": "2019-04-01"}, case_id)
    assert (again["result"], again["child_id"], again["sequence"]) == ("existing", new["child_id"], 2)
    assert await registry.count("child") == 2


async def test_whom_a_person_chose_is_linked_and_none_of_them_is_a_new_child(registry: Registry) -> None:
    await registry.send(recorded("r1", CHILD))
    child_id = (await registry.events("child.registered"))[0]["child_id"]
    unsure = {"name": "Nguyễn Thị Ngọc Anh", "age": 10, "address": "Tổ 5"}
    first, second, third = new_id(), new_id(), new_id()
    for case_id in (first, second):
        assert (await registry.described(unsure, case_id))["result"] == "candidates"
    chosen = await registry.described(unsure, first, chosen=child_id)
    assert (chosen["case_id"], chosen["result"], chosen["child_id"]) == (first, "existing", child_id)
    assert (await registry.events("record.linked"))[-1]["child_id"] == child_id
    assert await registry.count("child") == 1
    new = await registry.described(unsure, second, chosen=None)
    assert (new["case_id"], new["result"]) == (second, "new")
    assert new["child_id"] != child_id
    assert (await registry.events("record.linked"))[-1]["child_id"] == new["child_id"]
    assert await registry.count("child") == 2
    again = await registry.described(unsure, second, chosen=None)
    assert (again["result"], again["child_id"]) == ("existing", new["child_id"])
    nobody = await registry.described({"age": 7}, third, chosen=None)
    assert (nobody["case_id"], nobody["result"], nobody["candidates"]) == (third, "candidates", [])
    assert await registry.count("child") == 2


async def test_a_report_linked_to_the_wrong_child_leaves_its_record_for_the_right_one(registry: Registry) -> None:
    await registry.send(recorded("wrong", CHILD), recorded("right", {**CHILD, "name": "Ma Thị Ngọc Ánh"}))
    wrong, right = [event["child_id"] for event in await registry.events("child.registered")]
    said = {"name": "Nguyễn Thị Ngọc Anh", "age": 10, "address": "Tổ 5"}
    case_id = new_id()
    await registry.described(said, case_id)
    await registry.described(said, case_id, chosen=wrong)
    assert await address_of(registry, wrong) == "Tổ 5"
    moved = await registry.described(said, case_id, chosen=right, instead_of=wrong)
    assert (moved["result"], moved["child_id"]) == ("existing", right)
    assert [await address_of(registry, child) for child in (wrong, right)] == [None, "Tổ 5"]
    assert (await registry.events("record.linked"))[-1]["child_id"] == right
    alone = await registry.described(said, case_id, chosen=None, instead_of=right)
    assert alone["result"] == "new"
    assert [await address_of(registry, child) for child in (right, alone["child_id"])] == [None, "Tổ 5"]
    unknown = await registry.described(said, case_id, chosen=new_id(), instead_of=alone["child_id"])
    assert (unknown["result"], unknown.get("child_id"), unknown["candidates"]) == ("candidates", None, [])


async def test_a_record_founded_on_the_report_alone_becomes_the_right_child(registry: Registry) -> None:
    case_id = new_id()
    founded = (await registry.described({"name": "Hoàng Văn Thử", "age": 9}, case_id))["child_id"]
    await registry.send(recorded("r1", CHILD))
    right = (await registry.events("child.registered"))[-1]["child_id"]
    said = {"name": "Hoàng Văn Thử", "age": 9}
    assert (await registry.described(said, case_id, chosen=None, instead_of=founded))["child_id"] == founded
    answer = await registry.described(said, case_id, chosen=right, instead_of=founded)
    merged = (await registry.events("child.merged"))[-1]
    assert {merged["child_id"], merged["merged_id"]} == {founded, right}
    (gone,) = [event for event in await registry.events("child.registered") if event["child_id"] == merged["merged_id"]]
    assert merged["merged_unit"] == gone["facts"]["unit"]
    assert (answer["result"], answer["child_id"]) == ("existing", merged["child_id"])


async def address_of(registry: Registry, child_id: str) -> str | None:
    async with registry.database.transaction() as connection:
        row = await store.child(connection, child_id)
    assert row is not None
    return row.known.description.address


async def test_two_replicas_that_record_one_child_at_once_make_one(registry: Registry, fresh_database: str) -> None:
    other = Registry(Database(fresh_database), registry.keys)
    children = [
        {**CHILD, "name": f"Nguyễn {middle} {given}", "carers": [{"name": f"Ma {middle} {given}"}]}
        for middle in ("Văn", "Hữu", "Đức", "Gia")
        for given in ("Long", "Minh", "Nam", "Sơn", "Tùng")
    ]
    await asyncio.gather(
        *(registry.send(recorded(f"r{n}", child)) for n, child in enumerate(children)),
        *(
            other.send(recorded(f"s{n}", child, kind="school-roster", sector="education"), sector="education")
            for n, child in enumerate(children)
        ),
    )
    await other.database.close()
    assert await registry.count("child") == len(children)
    links = Counter(link["child_id"] for link in await registry.events("record.linked"))
    assert set(links.values()) == {2}


async def test_a_person_unites_two_records_and_takes_them_apart_again(registry: Registry) -> None:
    await registry.send(recorded("r1", CHILD, circumstances=["04"]))
    unsure = {"name": "Nguyễn Thị Ngọc Ánh", "birth_date": "2016-03-09", "carers": CHILD["carers"]}
    await registry.send(recorded("h1", unsure, kind="health-record", sector="health"), sector="health")
    async with registry.database.transaction() as connection:
        (pair,) = await pairs.open_pairs(connection, ["02176"])
        assert await pairs.open_pairs(connection, ["05443"]) == []
    async with registry.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        merge_id = await merging.decide(scope, registry.desk, pair.id, same=True, by="person:lan")
        await scope.flush()
    assert merge_id is not None
    (merged,) = await registry.events("child.merged")
    assert merged["facts"]["circumstances"] == ["04"]
    assert (await registry.events("record.linked"))[-1]["child_id"] == merged["child_id"]
    async with registry.database.transaction() as connection:
        current = await store.current(connection, merged["merged_id"])
        assert current is not None
        assert current.id == merged["child_id"]
        assert await pairs.open_pairs(connection, None) == []
    async with registry.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        new = await merging.undo(scope, registry.desk, merge_id, "person:lan")
        await scope.flush()
    links = {link["record_id"]: link for link in await registry.events("record.linked")}
    assert sorted(link["child_id"] for link in links.values()) == sorted([merged["child_id"], new])
    assert max(link["sequence"] for link in links.values()) == 3
    by_child: dict[str, list[int]] = {}
    for event in await registry.events("child."):
        by_child.setdefault(event["subject"], []).append(event["sequence"])
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in by_child.values())
    with pytest.raises(merging.NotPossibleError):
        async with registry.database.transaction() as connection:
            await merging.undo(Scope("registry", connection, NOW), registry.desk, merge_id, "person:lan")


async def test_children_are_found_by_slips_and_every_look_up_goes_by_an_index(registry: Registry) -> None:
    async with registry.database.transaction() as connection:
        await connection.execute(
            text(
                """INSERT INTO child SELECT gen_random_uuid(), 1, lpad((n % 92)::text, 5, '0'), NULL, 2011 + n % 15,
                       md5(n::text) || ' ' || md5((n * 7)::text), md5((n * 3)::text), '{}', '{}', '2026-10-31', NULL,
                       now(), now() FROM generate_series(1, 20000) n"""
            )
        )
        await connection.execute(text("INSERT INTO block SELECT n, gen_random_uuid() FROM generate_series(1, 20000) n"))
    await registry.send(recorded("r1", CHILD))
    async with registry.database.transaction() as connection:
        await connection.execute(text("ANALYZE"))
        for wanted in (
            finding.Wanted(name="nguyen thi ngoc anhx"),
            finding.Wanted(name="Ngọc Anh", birth_year=2017, units=["02176"]),
            finding.Wanted(carer="ly thu lan", birth_date=date(2016, 3, 9)),
        ):
            found = await finding.search(connection, wanted)
            assert [row.known.description.name for row in found.rows][:1] == [CHILD["name"]]
        elsewhere = await finding.search(connection, finding.Wanted(name="Nguyễn Thị Ngọc Anh", units=["05443"]))
        assert (elsewhere.rows, elsewhere.total) == ([], 0)
        # A small table may be read whole for less: whether an index fits is seen with that ruled out.
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        keys = search_keys(traits_of(ChildDescription.model_validate(CHILD), "02176", date(2026, 10, 31)))
        for statement, values in (
            *finding.questions(finding.Wanted(name="ngoc anh", birth_year=2016, units=["02176"])),
            *finding.questions(finding.Wanted(name="nguyen thi ngoc anh", number="019216000001")),
            *finding.questions(finding.Wanted(carer="ly thi thu lan", household="05443-01")),
            (store.CANDIDATES, {"keys": list(keys), "leave_out": []}),
        ):
            plan = "\n".join(row[0] for row in await connection.execute(text(f"EXPLAIN {statement}"), values))
            assert "Seq Scan" not in plan, plan


async def test_a_record_that_a_chunk_was_not_begun_with_goes_on_from_where_it_was_withdrawn(registry: Registry) -> None:
    begun, split_off = new_id(), new_id()
    said = Statement(
        record_id=begun,
        register_kind="report",
        sector="hotline",
        as_of=NOW.date(),
        description=ChildDescription.model_validate(CHILD),
    )
    async with registry.database.transaction() as connection:
        await imports.mark_withdrawn(connection, [(begun, 4), (split_off, 7)])
        chunk = Chunk(connection, NOW, Memory())
        await chunk.load([said], [with_keys(traits_of(said.description, None, said.as_of))], [None])
        # The rows themselves come counted.
        of_each = [await imports.counted(cast("AsyncConnection", chunk), one) for one in (begun, split_off)]
    assert of_each == [0, 7]


OTHER = {"name": "Hoàng Văn Bách", "birth_date": "2014-05-02", "sex": "male", "carers": [{"name": "Hoàng Văn Sáng"}]}
THIRD = {"name": "Lò Thị Mai", "birth_date": "2018-11-20", "sex": "female", "carers": [{"name": "Lò Văn Pánh"}]}
# Each case with its child: known before, new, new in the batch itself, told anew once and twice, alike, nobody by name.
TOGETHER = (
    ("1", CHILD),
    ("2", OTHER),
    ("3", OTHER | {"name": "HOANG VAN BACH"}),
    ("4", {"sex": "female"}),
    ("5", THIRD),
    ("2", OTHER | {"hamlet": "Xóm Đình"}),
    ("6", THIRD | {"hamlet": "Xóm Chùa"}),
    ("7", {"name": "Hoàng Văn Bách", "sex": "male"}),
    ("5", THIRD | {"hamlet": "Xóm Giếng"}),
    ("1", CHILD | {"hamlet": "Xóm Chợ"}),
    ("5", THIRD | {"hamlet": "Xóm Núi"}),
)
ERASED = "6"


async def test_children_who_are_described_together_are_those_that_they_are_one_by_one(postgres_url: str) -> None:
    together, one_by_one = [await _described(postgres_url, size) for size in (len(TOGETHER), 1)]
    assert [answer[0] for answer in together["answers"]] == [case for case, _ in TOGETHER if case != ERASED]
    assert [answer[2] for answer in together["answers"][:5]] == ["existing", "new", "existing", "candidates", "new"]
    assert together == one_by_one


async def _described(postgres_url: str, size: int) -> dict[str, Any]:
    """What comes of `TOGETHER` in batches of a size; children by their names, for their ids are made up."""
    async with backends.database(postgres_url) as url:
        database = Database(url)
        await database.migrate(MIGRATIONS)
        registry = Registry(database, Keys(b"m" * 32, PlatformKey(b"p" * 32)))
        await registry.send(recorded("r1", CHILD))
        cases = {case: str(UUID(int=int(case))) for case, _ in TOGETHER}
        asked = [await registry.asked(child, cases[case]) for case, child in TOGETHER]
        async with database.transaction() as connection:
            await registry.keys.erase(connection, f"case/{cases[ERASED]}")
        for begin in range(0, len(asked), size):
            results = await registry.processor.handle(asked[begin : begin + size])
            assert {result.outcome for result in results} == {"accepted"}
        found = await _standing(registry, {number: case for case, number in cases.items()})
        await database.close()
        return found


async def _standing(registry: Registry, cases: dict[str, str]) -> dict[str, Any]:
    async with registry.database.transaction() as connection:

        async def rows(statement: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.execute(text(statement))]

        named = "(SELECT description->>'name' FROM child WHERE child.id = child_id)"
        names = dict(await rows("SELECT id::text, description->>'name' FROM child"))
        found = {
            "children": await rows("SELECT description::text, unit, sequence, circumstances FROM child ORDER BY 1"),
            "statements": await rows(
                f"SELECT record_id::text, {named}, sequence, description::text, probability FROM statement ORDER BY 1"
            ),
            "judged": await rows(f"SELECT {named}, again_on FROM assessed ORDER BY 1"),
            "broken": await rows(f"SELECT {named}, rule, unit, hamlet FROM finding ORDER BY 1, 2"),
            "unsettled": await rows("SELECT count(*) FROM unsettled"),
            "filed": await rows(f"SELECT {named}, key FROM block ORDER BY 1, 2"),
            "versions": await rows(f"SELECT {named}, number, actor, cause FROM revision ORDER BY 1, 2"),
            "answered": await rows(f"SELECT case_id, sequence, {named} FROM identification ORDER BY 1"),
            "keys": await rows("SELECT count(*), count(wrapped) FROM privacy_key"),
        }
    events = await registry.events()
    answers = [event for event in events if event["type"] == "child.identified"]
    found["answers"] = [
        (
            cases[event["case_id"]],
            event["sequence"],
            event["result"],
            names.get(event.get("child_id", "")),
            sorted(names[candidate["child_id"]] for candidate in event["candidates"]),
        )
        for event in answers
    ]
    told = [(event["type"], names.get(event.get("child_id", "")), event["sequence"]) for event in events]
    found["told"] = sorted(one for one in told if one[0] != "child.identified")
    return found
