"""An import that is undone, broken off or sent anew takes nothing from anybody: not a protection, not a child."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from typing import Any

import pytest

from services.registry.desk import Desk, Lifecycle
from services.registry.desk.merging import merge
from services.registry.imports import jobs
from services.registry.imports.worker import Importing
from services.registry.store import children as store
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.router import Scope
from shared.messaging.service import ServiceContext
from shared.reference.calendar import LOCAL
from shared.reference.keeping import Keeping
from tests.integration.test_registry_imports import HOME, NOW, House, house, many, roster

__all__ = ["house"]
HOA = "Nguyễn Thị Hoa,05/09/2016,Nữ,Lý Thị Thu," + HOME
HUNG = "Ma Văn Hùng,05/02/2015,Nam,Ma Thị Hà," + HOME


async def taken(house: House, content: bytes, name: str = "ds.csv", **answers: str) -> str:
    """A file that was taken over by the commune's worker. Out: its id."""
    lan = await house.browser("lan.worker")
    import_id = await house.looked_through(lan, name, content, **answers)
    assert (await house.act(lan, import_id, "take")).state == "finished"
    return import_id


async def one(house: House, folded: str) -> str:
    return str((await house.rows(f"SELECT id FROM child WHERE name_folded = '{folded}'"))[0].id)


async def on(house: House, child_id: str, does: Any) -> None:
    """Do something with a locked record, in one transaction."""
    async with house.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        row = await store.child(connection, child_id, lock=True)
        keys = house.jobs.keys
        await does(scope, row, Lifecycle(Desk(keys), keys, Keeping.load()))
        await scope.flush()


async def undone(house: House, import_id: str) -> None:
    lan = await house.browser("lan.worker")
    await lan.get("/registry/imports")
    assert (await house.act(lan, import_id, "undo")).state == "undone"


async def adopt(scope: Scope, row: Any, life: Lifecycle) -> None:
    new = ChildDescription.model_validate({"name": "Hoàng Bảo Châu", "birth_date": "2016-09-05"})
    await life.adopt(scope, row, date(2026, 11, 23), new, "02176", [], by="person:ha.coordinator")


async def erase(scope: Scope, row: Any, life: Lifecycle) -> None:
    await life.erase(scope, row, "request", by="person:ha.coordinator")


async def die(scope: Scope, row: Any, life: Lifecycle) -> None:
    await life.die(scope, row, date(2026, 11, 23), "Giấy chứng tử", by="person:lan.worker")


@pytest.mark.parametrize(("does", "status"), [(adopt, "adopted"), (erase, "erased"), (die, "deceased")])
async def test_what_people_closed_stays_closed_when_the_import_is_undone(house: House, does: Any, status: str) -> None:
    import_id = await taken(house, roster(HOA, HUNG))
    child_id = await one(house, "nguyen thi hoa")
    await on(house, child_id, does)
    await undone(house, import_id)
    assert (await house.rows(f"SELECT status FROM child WHERE id = '{child_id}'"))[0].status == status
    told = await house.rows(
        f"SELECT type FROM outbox WHERE headers ->> 'ce_subject' = '{child_id}' AND type LIKE '%child.withdrawn'"
    )
    assert told == []
    assert (await house.rows("SELECT status FROM child WHERE name_folded = 'ma van hung'"))[0].status == "withdrawn"
    if status == "adopted":
        lan = await house.browser("lan.worker")
        assert (await lan.ask(f"/registry/children/{child_id}")).status == 404
        assert "Nguyễn Thị Hoa" not in (await lan.ask("/registry/life?list=closed")).text


async def test_a_record_that_was_merged_is_not_withdrawn_with_the_import_that_founded_it(house: House) -> None:
    await taken(house, roster(HOA))
    second = await taken(house, roster(HUNG), "hai.csv", title="Hai")
    kept, gone = await one(house, "nguyen thi hoa"), await one(house, "ma van hung")

    async def united(scope: Scope, _row: Any, _life: Any) -> None:
        await merge(scope, Desk(house.jobs.keys), kept, gone, "person:lan.worker")

    await on(house, kept, united)
    await undone(house, second)
    rows = {str(row.id): row for row in await house.rows("SELECT id, status, merged_into FROM child")}
    assert (rows[kept].status, str(rows[gone].merged_into)) == ("active", kept)
    assert rows[gone].status == "active", "what follows the merge would withdraw the child that goes on"
    assert await house.rows("SELECT 1 FROM outbox WHERE type LIKE '%child.withdrawn'") == []


async def test_an_undo_that_breaks_off_is_never_gone_on_with_as_if_rows_were_taken(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = await taken(house, many(30))
    lan = await house.browser("lan.worker")
    await lan.get(f"/registry/imports/{import_id}")
    assert (await lan.post(f"/registry/imports/{import_id}", act="undo")).status == 303
    monkeypatch.setattr("services.registry.imports.undoing._SOME", 10)
    real, times = jobs.undo_some, 0

    async def breaks(*args: Any) -> Any:
        nonlocal times
        times += 1
        if times > 1:
            raise RuntimeError("broken")
        return await real(*args)

    monkeypatch.setattr(jobs, "undo_some", breaks)
    with pytest.raises(RuntimeError):
        await house.jobs.run(import_id)
    context = ServiceContext(None, house.database, house.jobs.keys, lambda: NOW)  # type: ignore[arg-type]
    importing = Importing(context, house.folder)
    monkeypatch.setattr("services.registry.imports.worker._LOOK_SECONDS", 0)
    for _ in range(3):
        await importing._broke(import_id, asyncio.Event())
    left = await house.count("statement")
    assert left < 30
    page = await lan.get(f"/registry/imports/{import_id}")
    assert 'value="take"' not in page.text
    assert 'value="undo"' in page.text
    await lan.post(f"/registry/imports/{import_id}", act="take")
    await house.jobs.run(import_id)
    assert await house.count("statement") == left, "the rows that were taken back first would be missing for good"
    monkeypatch.setattr(jobs, "undo_some", real)
    await undone(house, import_id)
    assert await house.count("statement") == 0


async def test_lists_that_count_their_rows_do_not_write_over_each_other_s_children(house: House) -> None:
    header = "STT,Họ và tên,Ngày sinh,Giới tính,Họ tên mẹ,Xã\n"
    answers = {"title": "Lớp học", "kind": "school-roster"}
    first = (header + "1," + HOA + "\n2," + HUNG + "\n").encode()
    second = (header + "1,Đỗ Thị Yến,07/02/2014,Nữ,Đỗ Thị Hà," + HOME + "\n").encode()
    lan = await house.browser("lan.worker")
    sent_in = []
    for name, content in (("3a.csv", first), ("3b.csv", second)):
        sent = await lan.send(name, content)
        import_id = sent.headers["location"].rsplit("/", 1)[1].split("?")[0]
        page = await lan.get(f"/registry/imports/{import_id}")
        values = dict(answers)
        if form := re.search(r'name="form"[^>]*value="([a-z0-9-]+)"', page.text):
            values["form"] = form.group(1)
        else:
            fields = ("id", "child.name", "child.birth_date", "child.sex", "child.carers.mẹ", "unit")
            values |= {f"column{place}": field for place, field in enumerate(fields)}
        assert (await lan.post(f"/registry/imports/{import_id}/columns", **values)).status == 303
        await house.jobs.run(import_id)
        assert (await house.act(lan, import_id, "take")).state == "finished"
        sent_in.append(import_id)
    before = await house.rows("SELECT id, description FROM child WHERE name_folded = 'nguyen thi hoa'")
    assert len(before) == 1
    names = {row.name_folded for row in await house.rows("SELECT name_folded FROM child WHERE status = 'active'")}
    assert names == {"nguyen thi hoa", "ma van hung", "do thi yen"}
    assert await house.rows("SELECT child_id FROM statement GROUP BY 1 HAVING count(*) <> 1") == []
    # The second list taken back leaves what the first one said, each child once.
    await undone(house, sent_in[1])
    states = {row.name_folded: row.status for row in await house.rows("SELECT name_folded, status FROM child")}
    assert states == {"nguyen thi hoa": "active", "ma van hung": "active", "do thi yen": "withdrawn"}
    assert await house.rows("SELECT id, description FROM child WHERE name_folded = 'nguyen thi hoa'") == before
    assert await house.count("statement") == 2


async def test_that_refused_rows_were_taken_along_is_logged(house: House) -> None:
    lan = await house.browser("lan.worker")
    import_id = await house.looked_through(lan, "ds.csv", roster(HOA, "Ma Văn Lỗi,31/02/2015,Nam,Ma Thị Hà," + HOME))
    for ending in ("csv", "xlsx"):
        assert (await lan.ask(f"/registry/imports/{import_id}/rejects.{ending}")).status == 200
    logged = await house.rows("SELECT who, detail FROM access WHERE act = 'import-rejects'")
    assert [(row.who, row.detail["file"]) for row in logged] == [("lan.worker", import_id)] * 2


async def test_an_import_of_several_communes_is_seen_by_nobody_who_has_but_one_of_them(house: House) -> None:
    import_id = await taken(house, roster(HOA, HUNG))
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    assert import_id in (await lan.get("/registry/imports")).text
    await house.rows(f"UPDATE import SET allowed = '{{{HOME},02176}}' RETURNING 1")
    assert import_id not in (await lan.get("/registry/imports")).text
    for part in ("", "/columns", "/rejects.csv"):
        assert (await lan.get(f"/registry/imports/{import_id}{part}")).status == 404
    assert (await lan.post(f"/registry/imports/{import_id}", act="undo")).status == 404
    assert (await house.state(import_id)).state == "finished"
    assert import_id in (await ha.get("/registry/imports")).text


async def test_a_mapping_without_a_name_is_called_after_its_kind_and_each_is_a_source_of_its_own(house: House) -> None:
    lan = await house.browser("lan.worker")
    for place, row in enumerate((HOA, HUNG)):
        content = (f"STT,Họ và tên,Ngày sinh,Giới tính,Họ tên mẹ,Xã,Ghi chú {place}\n1,{row},x\n").encode()
        await house.looked_through(lan, f"hồ sơ của cháu Hoa {place}.csv", content, kind="school-roster")
    kept = [row.mapping for row in await house.rows("SELECT mapping FROM import_mapping")]
    assert len({mapping["source"] for mapping in kept}) == len(kept) == 2
    assert {mapping["title"] for mapping in kept} == {f"Danh sách học sinh, {NOW.astimezone(LOCAL):%d/%m/%Y %H:%M}"}
