"""A roster's way in, by the pages alone: sent, looked through, rehearsed, taken over, sent again, undone."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest
from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import Response

from services.registry.app import build
from services.registry.imports import jobs
from services.registry.imports.jobs import Jobs
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.service import ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app
from tests.support.visitor import FORM_TOKEN, Answer, Visitor

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
SAMPLES = Path(__file__).parents[1] / "samples"
HOME = "05443"
HEADER = "Họ và tên,Ngày sinh,Giới tính,Họ tên mẹ,Xã\n"


@dataclass
class Browser(Visitor):
    """Sends the form token of the page before."""

    token: str = ""

    async def get(self, path: str) -> Answer:
        page = await self.ask(path)
        if found := FORM_TOKEN.search(page.text):
            self.token = found.group(1)
        return page

    async def post(self, path: str, **values: str) -> Answer:
        return await self.ask(path, {"form_token": self.token, **values})

    async def send(self, name: str, content: bytes, **fields: str) -> Answer:
        await self.get("/registry/imports")
        parts = [
            f'--B\r\ncontent-disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
            for field, value in {"form_token": self.token, **fields}.items()
        ]
        parts.append(
            f'--B\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
            + content
            + b"\r\n"
        )
        headers = {"content-type": "multipart/form-data; boundary=B"}
        return await self.ask("/registry/imports", headers=headers, method="POST", body=b"".join(parts) + b"--B--\r\n")


@dataclass
class House:
    app: Any
    database: Database
    jobs: Jobs
    folder: Path

    async def browser(self, person: str) -> Browser:
        identity = self.app.state.identity
        answer = Response()
        identity.sign_in(answer, identity.directory.person(person))
        name, _, value = answer.headers["set-cookie"].split(";")[0].partition("=")
        return Browser(self.app, {name: value}, "localhost:8600")

    async def rows(self, statement: str) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(text(statement))).all())

    async def count(self, table: str) -> int:
        return int((await self.rows(f"SELECT count(*) FROM {table}"))[0][0])

    async def state(self, import_id: str) -> Any:
        return (await self.rows(f"SELECT * FROM import WHERE id = '{import_id}'"))[0]

    async def looked_through(self, browser: Browser, name: str, content: bytes, **answers: str) -> str:
        """Send a file and have it read by the form that fits, or by the guesses. Out: its id."""
        sent = await browser.send(name, content)
        assert sent.status == 303, sent.text
        import_id = sent.headers["location"].rsplit("/", 1)[1].split("?")[0]
        page = await browser.get(f"/registry/imports/{import_id}")
        assert page.status == 200, page.text
        guessed = re.findall(r'<select[^>]*name="(column\d+)".*?</select>', page.text, re.DOTALL)
        values = dict(answers)
        if form := re.search(r'name="form"[^>]*value="([a-z-]+)"', page.text):
            values.setdefault("form", form.group(1))
        else:
            for column in guessed:
                block = re.search(rf'<select[^>]*name="{column}".*?</select>', page.text, re.DOTALL)
                chosen = re.search(r'value="([^"]+)" selected', block.group(0)) if block else None
                values[column] = chosen.group(1) if chosen else ""
            values.setdefault("kind", "commune-roster")
        done = await browser.post(f"/registry/imports/{import_id}/columns", **values)
        assert done.status == 303, done.text
        await self.jobs.run(import_id)
        return import_id

    async def act(self, browser: Browser, import_id: str, act: str) -> Any:
        assert (await browser.post(f"/registry/imports/{import_id}", act=act)).status == 303
        await self.jobs.run(import_id)
        return await self.state(import_id)


@pytest.fixture
async def house(fresh_database: str, tmp_path: Path) -> AsyncIterator[House]:
    database = Database(fresh_database)
    keys = Keys(b"m" * 32, PlatformKey(b"p" * 32))
    settings = Settings(session_secret="s" * 40, demo_users=True, data_dir=tmp_path)  # type: ignore[arg-type]
    built = build(ServiceContext(settings, database, keys, lambda: NOW))
    await database.migrate(built.migrations)
    router = APIRouter(prefix="/registry")
    router.include_router(built.router)
    units = Units.load()
    app = create_app("registry", [router], built.pages, demo_directory(units.names()), settings, prefix="/registry")
    work = Jobs(database, keys, tmp_path / "imports", units, lambda: NOW)
    yield House(app, database, work, tmp_path / "imports")
    await database.close()


def roster(*rows: str) -> bytes:
    return (HEADER + "\n".join(rows) + "\n").encode()


def many(count: int) -> bytes:
    given = ("An", "Bình", "Chi", "Dũng", "Giang", "Hà", "Khánh", "Lan", "Minh", "Ngọc")
    return roster(
        *(
            f"Nguyễn {given[n % 10]} {given[n // 10 % 10]},{n % 28 + 1:02d}/{n % 12 + 1:02d}/{2012 + n % 10},Nam,"
            f"Lý {given[n // 7 % 10]} {given[n // 3 % 10]},{HOME}"
            for n in range(count)
        )
    )


async def test_the_commune_roster_comes_in_as_the_samples_say(house: House) -> None:
    ha = await house.browser("ha.coordinator")
    content = (SAMPLES / "commune-roster.xlsx").read_bytes()
    expected = orjson.loads((SAMPLES / "expect.json").read_bytes())["files"]["commune-roster.xlsx"]
    import_id = await house.looked_through(ha, "sổ.xlsx", content)
    row = await house.state(import_id)
    assert (row.state, row.rows, row.counts["rejected"]) == ("checked", expected["rows"], len(expected["rejected"]))
    refused = await house.rows("SELECT row, violations FROM import_reject ORDER BY row")
    assert [{"row": one.row, "rule": one.violations[0][1]} for one in refused] == expected["rejected"]
    assert await house.count("child") == 0
    row = await house.act(ha, import_id, "try")
    tried = row.trial
    assert await house.count("child") == 0
    row = await house.act(ha, import_id, "take")
    assert row.state == "finished"
    assert {name: row.counts.get(name, 0) for name in ("new", "known")} == {
        name: tried.get(name, 0) for name in ("new", "known")
    }
    assert await house.count("child") == row.counts["new"]
    assert await house.count("statement") == expected["accepted"]
    page = await ha.get(f"/registry/imports/{import_id}")
    assert "Ngày sinh không có thật" in page.text


async def test_nothing_of_a_file_lies_on_the_disk_in_clear(house: House) -> None:
    lan = await house.browser("lan.worker")
    await house.looked_through(lan, "ds.csv", roster("Nguyễn Thị Bí Mật,05/09/2016,Nữ,Lý Thị Thu," + HOME))
    (sealed,) = house.folder.iterdir()
    assert "Bí Mật".encode() not in sealed.read_bytes()


async def test_only_those_who_may_bring_rosters_in_and_only_their_own_communes(house: House) -> None:
    for person in ("binh.chair", "duc.health", "mai.hotline", "tuan.statistician"):
        other = await house.browser(person)
        assert (await other.ask("/registry/imports")).status == 403
    lan, neighbour = await house.browser("lan.worker"), await house.browser("thuong.worker")
    import_id = await house.looked_through(
        lan, "ds.csv", roster("Nguyễn Thị Hoa,05/09/2016,Nữ,Lý Thị Thu,", "Ma Văn Hùng,05/09/2015,Nam,Ma Thị Hà,05455")
    )
    row = await house.state(import_id)
    assert row.rules == {"unit-not-yours": 1}
    assert (await neighbour.ask(f"/registry/imports/{import_id}")).status == 404
    assert (await neighbour.ask(f"/registry/imports/{import_id}/rejects.csv")).status == 404


async def test_a_rare_fault_is_not_buried_under_a_common_one(house: House) -> None:
    lan = await house.browser("lan.worker")
    elsewhere = [f"Ma Văn Hùng,05/09/{2012 + n % 10},Nam,Ma Thị Hà,05455" for n in range(120)]
    wrong = ["Ma Văn Tú,31/02/2015,Nam,Ma Thị Hà," + HOME, "Nguyễn Thị Hoa,30/02/2016,Nữ,Lý Thị Thu," + HOME]
    import_id = await house.looked_through(lan, "ds.csv", roster(*elsewhere, *wrong))
    assert (await house.state(import_id)).rules == {"unit-not-yours": 120, "birth-date-invalid": 2}
    here = f"/registry/imports/{import_id}"

    def opened(page: Any) -> list[int]:
        table = re.search(r'aria-label="Các dòng bị từ chối".*?</table>', page.text, re.DOTALL)
        return [int(n) for n in re.findall(r'data-label="Dòng">(\d+)<', table.group(0))] if table else []

    overview = await lan.get(here)
    assert opened(overview) == []
    for rule in ("unit-not-yours", "birth-date-invalid"):
        assert f'href="{here}?rule={rule}#rows"' in overview.text
    assert opened(await lan.get(f"{here}?rule=birth-date-invalid")) == [122, 123]
    first = await lan.get(f"{here}?rule=unit-not-yours")
    rows, address = opened(first), re.search(r'rel="next" href="([^"#]+)', first.text)
    while address:
        page = await lan.get(address.group(1).replace("&amp;", "&"))
        rows += opened(page)
        address = re.search(r'rel="next" href="([^"#]+)', page.text)
    assert rows == list(range(2, 122))
    assert opened(await lan.get(f"{here}?rule=no-such-rule")) == []


async def test_where_all_rows_broke_one_rule_they_are_shown_at_once(house: House) -> None:
    lan = await house.browser("lan.worker")
    import_id = await house.looked_through(lan, "ds.csv", roster("Hoa,30/02/2016,Nữ,Lý Thị Thu," + HOME))
    assert 'data-label="Dòng">2<' in (await lan.get(f"/registry/imports/{import_id}")).text


async def test_a_known_form_is_not_said_to_be_guessed(house: House) -> None:
    lan = await house.browser("lan.worker")
    guessed = await lan.send("ds.csv", roster("Hoa,05/09/2016,Nữ,Lý Thị Thu," + HOME))
    page = (await lan.get(guessed.headers["location"])).text
    known = 'name="form" ' in page and "Mẫu đã biết" in page
    assert ("Máy đã đoán theo tiêu đề" in page) != known
    assert ("Máy nhận ra mẫu của danh sách" in page) == known
    import_id = guessed.headers["location"].rsplit("/", 1)[1]
    columns = re.findall(r'<select[^>]*name="(column\d+)".*?</select>', page, re.DOTALL)
    fields = dict(zip(columns, re.findall(r'value="([^"]+)" selected', page), strict=False))
    sent = await lan.post(
        f"/registry/imports/{import_id}/columns", kind="commune-roster", title="Sổ", form="", **fields
    )
    assert sent.status == 303
    again = await lan.send("ds2.csv", roster("Lan,06/09/2016,Nữ,Lý Thị Thu," + HOME))
    page = (await lan.get(again.headers["location"])).text
    assert "Mẫu đã biết" in page
    assert "Máy nhận ra mẫu của danh sách" in page
    assert "Máy đã đoán theo tiêu đề" not in page


async def test_a_short_file_moves_while_it_is_tried_and_taken_over(house: House) -> None:
    ha = await house.browser("ha.coordinator")
    import_id = await house.looked_through(ha, "ds.csv", many(450))
    for act in ("try", "take"):
        assert (await ha.post(f"/registry/imports/{import_id}", act=act)).status == 303
        steps = 0

        def moved(_: Any) -> None:
            nonlocal steps
            steps += 1

        house.jobs.told = moved
        await house.jobs.run(import_id)
        # Four hundreds and a half, and the end.
        assert steps == 6, act


def test_a_long_file_is_taken_over_in_chunks_as_large_as_pay() -> None:
    assert [jobs.chunk_of(rows) for rows in (0, 50, 3_000, 20_000, 450_000)] == [100, 100, 150, 1_000, 2_000]


async def test_the_same_file_twice_is_told_at_once(house: House) -> None:
    lan = await house.browser("lan.worker")
    content = roster("Nguyễn Thị Hoa,05/09/2016,Nữ,Lý Thị Thu," + HOME)
    import_id = await house.looked_through(lan, "ds.csv", content)
    again = await lan.send("khác tên.csv", content)
    assert again.headers["location"] == f"/registry/imports/{import_id}?said=same-file"
    assert await house.count("import") == 1
    assert len(list(house.folder.iterdir())) == 1


async def test_refused_rows_are_corrected_in_their_file_and_sent_again(house: House) -> None:
    lan = await house.browser("lan.worker")
    content = roster(
        "Nguyễn Thị Hoa,05/09/2016,Nữ,Lý Thị Thu," + HOME,
        "Ma Văn Hùng,31/02/2015,Nam,=HYPERLINK(1)," + HOME,
    )
    import_id = await house.looked_through(lan, "ds.csv", content)
    assert (await house.act(lan, import_id, "take")).counts["new"] == 1
    page = await lan.get(f"/registry/imports/{import_id}/rejects.csv")
    rows = list(csv.reader(io.StringIO(page.body.decode("utf-8-sig"))))
    assert len(rows) == 2
    assert rows[1][3] == "'=HYPERLINK(1)"
    assert "không hợp lệ" in rows[1][-2]
    assert "not valid" in rows[1][-1]
    workbook = openpyxl.load_workbook(
        io.BytesIO((await lan.ask(f"/registry/imports/{import_id}/rejects.xlsx")).body)
    ).worksheets[0]
    assert [cell.value for cell in workbook[2]][:2] == ["Ma Văn Hùng", "31/02/2015"]
    workbook["B2"] = "28/02/2015"
    corrected = io.BytesIO()
    workbook.parent.save(corrected)
    second = await house.looked_through(lan, "sửa.xlsx", corrected.getvalue())
    row = await house.act(lan, second, "take")
    assert (row.rows, row.counts["new"], row.counts["rejected"]) == (1, 1, 0)
    told = await house.rows("SELECT carers_folded FROM child ORDER BY registered_at DESC, id DESC")
    assert told[0].carers_folded == "hyperlink1"


async def test_an_import_that_is_killed_goes_on_and_says_nothing_twice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "CHUNK", 20)
    ha = await house.browser("ha.coordinator")
    import_id = await house.looked_through(ha, "ds.csv", many(150))
    await ha.post(f"/registry/imports/{import_id}", act="take")
    for _ in range(40):
        steps = 0

        def killed(_: Any) -> None:
            nonlocal steps
            steps += 1
            if steps == 2:
                raise asyncio.CancelledError

        house.jobs.told = killed
        try:
            await house.jobs.run(import_id)
            break
        except asyncio.CancelledError:
            continue
    row = await house.state(import_id)
    assert (row.state, row.passed) == ("finished", 150)
    assert await house.count("statement") == 150
    told = Counter(
        one.subject
        for one in await house.rows(
            "SELECT headers ->> 'ce_subject' AS subject FROM outbox WHERE type LIKE '%record.linked'"
        )
    )
    assert set(told.values()) == {1}
    assert sum(row.counts[what] for what in ("new", "known", "unchanged") if what in row.counts) == 150


async def test_every_event_of_an_import_and_of_its_undoing_bears_its_id_and_no_other_does(house: House) -> None:
    ha = await house.browser("ha.coordinator")
    import_id = await house.looked_through(ha, "ds.csv", many(30))
    await house.act(ha, import_id, "take")
    await house.act(ha, import_id, "undo")
    rows = await house.rows("SELECT type, headers ->> 'ce_bulk' AS bulk FROM outbox")
    marks: dict[str, set[str | None]] = {}
    for row in rows:
        marks.setdefault(row.type.removeprefix("vn.vongtay.registry."), set()).add(row.bulk)
    assert {"child.registered", "record.linked", "child.withdrawn", "record.withdrawn"} <= marks.keys()
    assert marks.pop("import.finished") == {None}, "of this one people are told"
    del marks["privacy.key"]  # no event
    assert marks == {name: {import_id} for name in marks}


async def test_two_replicas_that_take_over_one_file_take_it_over_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "CHUNK", 10)
    ha = await house.browser("ha.coordinator")
    import_id = await house.looked_through(ha, "ds.csv", many(100))
    await ha.post(f"/registry/imports/{import_id}", act="take")
    await asyncio.gather(house.jobs.run(import_id), house.jobs.run(import_id))
    await house.jobs.run(import_id)
    row = await house.state(import_id)
    assert row.state == "finished"
    assert await house.count("statement") == 100
    assert len(await house.rows("SELECT 1 FROM outbox WHERE type LIKE '%import.finished'")) == 1


async def test_an_import_undone_leaves_what_was_there_before_and_what_others_added(house: House) -> None:
    lan = await house.browser("lan.worker")
    first = await house.looked_through(lan, "một.csv", roster("Nguyễn Thị Hoa,05/09/2016,Nữ,Lý Thị Thu," + HOME))
    await house.act(lan, first, "take")
    before = (await house.rows("SELECT id, description FROM child"))[0]
    both = roster(
        "Nguyễn Thị Hoa,05/09/2016,Nữ,Lý Thị Thu," + HOME,
        "Ma Văn Hùng,05/02/2015,Nam,Ma Thị Hà," + HOME,
        "Đỗ Thị Yến,07/02/2014,Nữ,Đỗ Thị Hà," + HOME,
    )
    second = await house.looked_through(lan, "hai.csv", both, title="Trường", kind="school-roster")
    row = await house.act(lan, second, "take")
    assert (row.counts["new"], row.counts["known"]) == (2, 1)
    (hung,) = await house.rows("SELECT id, sequence FROM child WHERE name_folded = 'ma van hung'")
    form = {
        "name": "Ma Văn Hùng",
        "birth_date": "05/02/2015",
        "sex": "male",
        "unit": HOME,
        "hamlet": "Xóm 3",
        "reason": "papers",
    }
    await lan.get(f"/registry/children/{hung.id}")
    changed = await lan.post(f"/registry/children/{hung.id}/correct", version=str(hung.sequence), **form)
    assert changed.status == 303
    row = await house.act(lan, second, "undo")
    assert row.state == "undone"
    assert row.counts["children_withdrawn"] == 1
    assert row.counts["kept"] == 1
    states = {one.name_folded: one.status for one in await house.rows("SELECT name_folded, status FROM child")}
    assert states == {"nguyen thi hoa": "active", "ma van hung": "active", "do thi yen": "withdrawn"}
    after = (await house.rows(f"SELECT id, description FROM child WHERE id = '{before.id}'"))[0]
    assert after.description == before.description
    events = Counter(
        one.type.rsplit("registry.", 1)[1]
        for one in await house.rows("SELECT type FROM outbox WHERE aggregatetype LIKE 'registry%'")
    )
    assert events["record.withdrawn"] == 2
    assert events["child.withdrawn"] == 1
    # The same file may come again, and goes on counting where its records stopped.
    third = await house.looked_through(lan, "hai.csv", both, title="Trường", kind="school-roster")
    row = await house.act(lan, third, "take")
    assert (row.counts["new"], row.counts["known"], row.counts["unchanged"]) == (1, 1, 1)
    sequences = await house.rows(
        """SELECT headers ->> 'ce_subject' AS record, array_agg((headers ->> 'ce_sequence')::int ORDER BY position) AS n
           FROM outbox WHERE type LIKE '%registry.record.%' GROUP BY 1"""
    )
    assert all(list(one.n) == list(range(1, len(one.n) + 1)) for one in sequences)


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("half.xlsx", (SAMPLES / "commune-roster.xlsx").read_bytes()[:-4000], "Excel"),
        ("open.csv", HEADER.encode() + b'"Nguy\xe1\xbb\x85n', "ngoặc kép"),
        ("columns.csv", (HEADER.strip() + "".join(f",c{n}" for n in range(1000))).encode() + b"\nA B,1,2\n", "cột"),
        ("none.csv", b"a,b,c\n1,2,3\n", "tiêu đề"),
    ],
)
async def test_a_file_that_cannot_be_read_is_said_so_in_words(
    house: House, name: str, content: bytes, rule: str
) -> None:
    lan = await house.browser("lan.worker")
    sent = await lan.send(name, content)
    import_id = sent.headers["location"].rsplit("/", 1)[1]
    page = await lan.get(f"/registry/imports/{import_id}")
    if page.status == 200:  # its beginning is fine: the machine finds the rest
        await house.looked_through(await house.browser("ha.coordinator"), name, content + b"\n")
        assert (await house.rows("SELECT 1 FROM import WHERE state = 'refused'")) != []
    else:
        assert page.status == 422
        assert rule in page.text
    assert await house.count("child") == 0


async def test_a_header_of_two_rows_and_one_printed_again_are_understood(house: House) -> None:
    lan = await house.browser("lan.worker")
    content = (
        "Danh sách trẻ em,,,,\nHọ và tên,Ngày sinh,Cha mẹ,,Xã\n,,Mẹ,Bố,\n"
        f"Nguyễn Thị Hoa,05/09/2016,Lý Thị Thu,Nguyễn Văn Nam,{HOME}\n"
    ).encode()
    import_id = await house.looked_through(lan, "ds.csv", content)
    row = await house.act(lan, import_id, "take")
    assert (row.rows, row.counts["new"]) == (1, 1)
    assert (await house.rows("SELECT carers_folded FROM child"))[0].carers_folded == "ly thi thu | nguyen van nam"
    twice = roster(f"Ma Văn Hùng,05/02/2015,Nam,Ma Thị Hà,{HOME}", HEADER.strip(), f"Ma A B,05/02/2014,Nam,Ma,{HOME}")
    assert (await house.state(await house.looked_through(lan, "hai.csv", twice))).rows == 2


async def test_a_file_over_the_limit_is_refused_without_being_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.web.uploads.MEGABYTE", 1000)
    lan = await house.browser("lan.worker")
    page = await lan.send("lớn.csv", b"x" * 300_000)
    assert page.status == 422
    assert "Hãy chia danh sách" in page.text
    assert not list(house.folder.iterdir())
