"""What leaves the registry: what a person may take along, marked, logged child by child, within the day's limit."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest
from sqlalchemy import text

from services.registry.domain.exporting import Filter
from services.registry.exchange import exporting
from services.registry.exchange.exporting import Asked, Exports
from services.registry.store import exports as store
from shared.contracts.errors import Rejected
from shared.files.workbook import read_workbook
from shared.identity import ALL_UNITS, NotAllowedError, Principal, Role
from shared.reference.files import lay_over
from shared.reference.units import Units
from tests.integration.exchange_house import HOME, OTHER, machine
from tests.integration.test_registry_pages import House, house

__all__ = ["house"]
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
PURPOSE = "Lập danh sách trẻ nhận quà Tết của xã"
LAN = Principal("lan.worker", "Nguyễn Thị Lan", Role.WORKER, frozenset({HOME}))
HA = Principal("ha.coordinator", "Ma Thị Thu Hà", Role.COORDINATOR, ALL_UNITS)


def exports_of(house: House) -> Exports:
    return Exports(house.database, lambda: NOW, Units.load().name)


async def put(
    house: House, name: str, *, unit: str = HOME, status: str = "active", protected: bool = False, **said: Any
) -> str:
    """A child as it stands in the table, whichever way it came there."""
    description = {"name": name, "birth_date": "2016-03-09", "sex": "female", **said}
    async with house.database.transaction() as connection:
        row = await connection.execute(
            text(
                """INSERT INTO child (id, sequence, unit, birth_date, birth_year, name_folded, carers_folded,
                       description, circumstances, confirmed_on, registered_at, changed_at, status, protected)
                   VALUES (gen_random_uuid(), 1, :unit, CAST(:born AS date), :year, :name, '', CAST(:said AS jsonb),
                       CAST(:groups AS text[]), '2026-11-01', now(), now(), :status, :protected) RETURNING id"""
            ),
            {
                "unit": unit,
                "born": date.fromisoformat(description["birth_date"]),
                "year": int(description["birth_date"][:4]),
                "name": name.lower(),
                "said": orjson.dumps(description).decode(),
                "groups": said.get("circumstances", []),
                "status": status,
                "protected": protected,
            },
        )
        return str(row.scalar_one())


async def taken(exports: Exports, principal: Principal, **over: Any) -> bytes:
    asked = Asked(over.pop("kind", "csv"), over.pop("purpose", PURPOSE), over.pop("filter", Filter()), **over)
    outgoing = await exports.begin(principal, asked)
    return b"".join([piece async for piece in outgoing.pieces])


def cells(data: bytes) -> list[list[str]]:
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


async def test_a_worker_takes_along_the_commune_without_sensitive_fields_and_each_child_is_logged(house: House) -> None:
    mine = await put(house, "Nguyễn Thị Ngọc Anh", number="019316004567", ethnicity="Tày", health="hen suyễn")
    await put(house, "Trẻ xã khác", unit=OTHER)
    mark, head, row = cells(await taken(exports_of(house), LAN))
    assert mark[0].startswith("# ")
    assert all(said in mark[0] for said in ("Nguyễn Thị Lan", "lan.worker", "24/11/2026 08:00", PURPOSE))
    assert "Số định danh cá nhân" not in head
    assert "Sức khỏe" not in head
    assert row[head.index("Họ và tên")] == "Nguyễn Thị Ngọc Anh"
    assert row[head.index("Ngày sinh")] == "09/03/2016"
    assert "019316004567" not in ",".join(row)
    ((who, child, act),) = await house.rows("SELECT who, child_id::text, act FROM access WHERE act = 'export'")
    assert (who, child, act) == ("lan.worker", mine, "export")
    (logged,) = await house.rows("SELECT children, sent, finished_at IS NOT NULL, purpose, watermark FROM export")
    assert tuple(logged)[:4] == (1, 1, True, PURPOSE)
    assert f"# {logged.watermark}" == mark[0]


async def test_sensitive_fields_leave_only_where_chosen_and_where_the_role_may(house: House) -> None:
    await put(house, "Nguyễn Thị Ngọc Anh", number="019316004567", health="hen suyễn")
    exports = exports_of(house)
    _, head, row = cells(await taken(exports, LAN, fields={"name", "number", "health"}))
    assert head == ["Họ và tên", "Số định danh cá nhân", "Sức khỏe"]
    assert row == ["Nguyễn Thị Ngọc Anh", "019316004567", "hen suyễn"]
    for fields in ({"name", "health"}, {"name", "number"}, {"name", "photo"}, {"name", "description"}):
        with pytest.raises(Rejected) as refused:
            await taken(exports, HA, fields=fields)
        assert [(one.field, one.rule) for one in refused.value.violations] == [("fields", "field-not-allowed")]


@pytest.mark.parametrize(
    "how", [{"protected": True}, {"status": "adopted"}, {"status": "erased"}, {"status": "withdrawn"}]
)
async def test_protected_adopted_erased_and_withdrawn_children_leave_in_no_file(
    house: House, how: dict[str, Any]
) -> None:
    await put(house, "Nguyễn Thị Ngọc Anh")
    hidden = await put(house, "Trẻ được bảo vệ", **how)
    for kind in ("csv", "fhir", "dhis2"):
        data = await taken(exports_of(house), HA, kind=kind, filter=Filter(status=None))
        assert "Trẻ được bảo vệ".encode() not in data
        assert hidden.encode() not in data
    with pytest.raises(Rejected):
        await taken(exports_of(house), HA, filter=Filter(status="adopted"))


async def test_whoever_is_to_collect_a_child_again_blindly_does_not_get_it_in_a_file(house: House) -> None:
    asked = await put(house, "Nguyễn Thị Ngọc Anh")
    await put(house, "Lê Văn Bình")
    async with house.database.transaction() as connection:
        await connection.execute(
            text(
                """INSERT INTO sample (id, unit, made_at, made_by, size, due_on, second)
                   VALUES ('00000000-0000-7000-8000-000000000001', :unit, now(), 'x', 1, '2026-12-30', 'lan.worker')"""
            ),
            {"unit": HOME},
        )
        await connection.execute(
            text(
                """INSERT INTO sample_child (sample_id, child_id, place)
                   VALUES ('00000000-0000-7000-8000-000000000001', CAST(:id AS uuid), 1)"""
            ),
            {"id": asked},
        )
    assert [row[1] for row in cells(await taken(exports_of(house), LAN))[2:]] == ["Lê Văn Bình"]


async def test_the_filter_takes_commune_hamlet_years_sex_school_circumstance_state_and_status(house: House) -> None:
    await put(house, "A", hamlet="Xóm Đồng", school="TH Hoa Sen", circumstances=["04"])
    await put(house, "B", hamlet="Xóm Núi", sex="male", birth_date="2012-01-01")
    await put(house, "C", unit=OTHER, status="deceased")
    exports = exports_of(house)

    async def named(**wanted: Any) -> list[str]:
        rows = cells(await taken(exports, HA, fields={"name"}, filter=Filter(**wanted)))
        return sorted(row[0] for row in rows[2:])

    assert await named(units=(HOME,)) == ["A", "B"]
    assert await named(hamlet="xóm đồng") == ["A"]
    assert await named(born_from=2010, born_to=2013) == ["B"]
    assert await named(sex="male") == ["B"]
    assert await named(school="hoa sen") == ["A"]
    assert await named(circumstance="04") == ["A"]
    assert await named(state="collected", status=None) == ["A", "B", "C"]
    assert await named(status="deceased") == ["C"]


async def test_a_commune_that_is_not_ones_own_a_missing_purpose_and_swapped_years_are_refused(house: House) -> None:
    await put(house, "A")
    exports = exports_of(house)
    for over, rule in (
        ({"filter": Filter(units=(OTHER,))}, "not-your-commune"),
        ({"purpose": "quà"}, "purpose-length"),
        ({"purpose": "quà\x00" * 20}, "nul-character"),
        ({"filter": Filter(born_from=2015, born_to=2010)}, "years-swapped"),
        ({"filter": Filter(born_from=2020)}, "nobody"),
        ({"fields": set()}, "no-field"),
    ):
        with pytest.raises(Rejected) as refused:
            await taken(exports, LAN, **over)
        assert [one.rule for one in refused.value.violations] == [rule]
    assert await house.rows("SELECT 1 FROM export") == []


@pytest.mark.parametrize("role", [Role.STATISTICIAN, Role.OPERATOR, Role.PARTNER, Role.HOTLINE, Role.AGENCY])
async def test_roles_without_children_export_nothing(house: House, role: Role) -> None:
    with pytest.raises(NotAllowedError):
        await taken(exports_of(house), Principal("x", "X", role, ALL_UNITS))


async def test_cells_that_a_spreadsheet_would_run_are_made_harmless_in_every_format(house: House) -> None:
    for name in ('=HYPERLINK("http://x","a")', "+1", "-2", "@SUM(A1)", "\tx", "\rx"):
        await put(house, name)
    exports = exports_of(house)
    assert all(row[0].startswith("'") for row in cells(await taken(exports, LAN, fields={"name"}))[2:])
    book = openpyxl.load_workbook(io.BytesIO(await taken(exports, LAN, kind="xlsx", fields={"name"})))
    values = [cell.value for (cell,) in book.active.iter_rows(min_row=3)]
    assert len(values) == 6
    assert all(value.startswith("'") for value in values)


async def test_a_workbook_bears_its_mark_on_the_sheet_in_print_and_in_its_properties(
    house: House, tmp_path: Path
) -> None:
    await put(house, "Nguyễn Thị Ngọc Anh")
    data = await taken(exports_of(house), LAN, kind="xlsx", purpose="Quà Tết & thăm hỏi <xã> năm 2026")
    book = openpyxl.load_workbook(io.BytesIO(data))
    (said,) = await house.rows("SELECT watermark FROM export")
    assert book.active["A1"].value == said.watermark
    assert book.properties.description == said.watermark
    assert book.properties.creator == "Nguyễn Thị Lan (lan.worker)"
    assert book.active.oddHeader.left.text.replace("&&", "&").startswith("Mật, dữ liệu cá nhân của trẻ em.")
    file = tmp_path / "x.xlsx"
    file.write_bytes(data)
    rows = [row for sheet in read_workbook(file) for row in sheet]
    assert "Nguyễn Thị Ngọc Anh" in rows[-1].cells


async def test_a_days_limit_holds_also_for_two_exports_at_once(house: House, tmp_path: Path) -> None:
    for name in "ABC":
        await put(house, name)
    (tmp_path / "registry-fields.yaml").write_text(
        """limits:
  - {effective_from: 2026-11-01, legal_source_vi: x, legal_source_en: x, purpose_least: 15, minutes: 30, at_once: 9,
     roles: {worker: {exports_per_day: 3, children_per_day: 5}}}
"""
    )
    lay_over(tmp_path)
    try:
        exports = exports_of(house)
        first = await exports.begin(LAN, Asked("csv", PURPOSE, Filter()))  # nothing of it was taken yet
        with pytest.raises(Rejected) as refused:
            await exports.begin(LAN, Asked("csv", PURPOSE, Filter()))
        assert [one.rule for one in refused.value.violations] == ["children-per-day"]
        assert len(cells(b"".join([piece async for piece in first.pieces]))) == 5
        with pytest.raises(NotAllowedError):
            await exports.begin(HA, Asked("csv", PURPOSE, Filter()))
    finally:
        lay_over(None)


async def test_nothing_leaves_before_it_is_logged_and_a_file_broken_off_counts_as_far_as_it_went(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        await put(house, f"Trẻ {number}")
    monkeypatch.setattr(store, "CHUNK", 3)
    outgoing = await exports_of(house).begin(LAN, Asked("csv", PURPOSE, Filter(), {"name"}))
    pieces = outgoing.pieces
    head, first = await anext(pieces), await anext(pieces)
    assert len(cells(head + first)) == 2 + 3
    await pieces.aclose()  # type: ignore[attr-defined]
    (logged,) = await house.rows("SELECT children, sent, finished_at FROM export")
    assert tuple(logged) == (7, 3, None)
    assert len(await house.rows("SELECT 1 FROM access WHERE act = 'export'")) == 3


async def test_a_file_that_takes_too_long_is_broken_off_and_lets_go_of_the_database(house: House) -> None:
    await put(house, "A")
    moments = iter([NOW, NOW, NOW, NOW])
    exports = Exports(house.database, lambda: next(moments, NOW.replace(hour=9)), Units.load().name)
    outgoing = await exports.begin(LAN, Asked("csv", PURPOSE, Filter()))
    with pytest.raises(exporting.TooSlowError):
        [piece async for piece in outgoing.pieces]


async def test_the_coordinator_sees_who_exported_what_and_others_their_own(house: House) -> None:
    await put(house, "Nguyễn Thị Ngọc Anh")
    lan, ha = await house.browser("lan.worker"), await house.browser("ha.coordinator")
    page = await lan.get("/registry/exports")
    assert page.status == 200
    assert 'value="number"' in page.text
    assert 'value="number" checked' not in page.text
    form = {"fields": "name", "kind": "csv", "status": "active", "act": "send"}
    file = await lan.post("/registry/exports", purpose=PURPOSE, **form)
    assert file.status == 200, file.text
    assert file.headers["content-disposition"].startswith('attachment; filename="tre-em-20261124-0800-')
    assert file.headers["cache-control"] == "no-store"
    assert cells(file.body)[2] == ["Nguyễn Thị Ngọc Anh"]
    assert PURPOSE in (await ha.get("/registry/exports")).text
    assert PURPOSE in (await lan.get("/registry/exports")).text
    assert PURPOSE not in (await (await house.browser("binh.chair")).get("/registry/exports")).text
    assert (await (await house.browser("tuan.statistician")).ask("/registry/exports")).status == 403


async def test_the_form_counts_first_and_keeps_what_was_typed_where_it_is_refused(house: House) -> None:
    await put(house, "Nguyễn Thị Ngọc Anh")
    lan = await house.browser("lan.worker")
    await lan.get("/registry/exports")
    counted = await lan.post("/registry/exports", act="count", hamlet="", status="active", fields="name")
    assert "Bộ lọc này có 1 trẻ." in counted.text
    refused = await lan.post(
        "/registry/exports", act="send", purpose="x", fields="name", born_from="20", status="active"
    )
    assert refused.status == 422
    assert "Ghi năm bằng bốn chữ số" in refused.text
    assert await house.rows("SELECT 1 FROM export") == []


async def test_the_api_streams_each_format_and_lists_exports(house: House) -> None:
    child = await put(house, "Nguyễn Thị Ngọc Anh", number="019316004567")
    lan = machine(house, "lan.worker")
    order = {"purpose": PURPOSE, "filter": {"units": [HOME]}}
    patients = await lan.send("/fhir/Patient/$export", order, media="application/json")
    assert patients.status == 200, patients.text
    (line,) = patients.body.splitlines()
    assert orjson.loads(line)["id"] == child
    assert orjson.loads(line)["meta"]["tag"][0]["code"] == patients.headers["x-vongtay-export"]
    entities = await lan.send("/dhis2/tracker/export", order, media="application/json")
    assert len(orjson.loads(entities.body)["trackedEntities"]) == 1
    assert b"019316004567" not in patients.body + entities.body
    file = await lan.send("/exports", {**order, "kind": "xlsx", "fields": ["name"]}, media="application/json")
    assert file.body[:2] == b"PK"
    listed = (await lan.get("/exports")).json()
    assert [one["kind"] for one in listed] == ["xlsx", "dhis2", "fhir"]
    refused = await lan.send("/exports", {**order, "kind": "pdf"}, media="application/json")
    assert refused.status == 422
    refused = await lan.send(
        "/exports", {"kind": "csv", "purpose": PURPOSE, "filter": {"units": [OTHER]}}, media="application/json"
    )
    assert (refused.status, refused.json()["violations"][0]["rule"]) == (422, "not-your-commune")


async def test_memory_stays_the_same_however_many_children_leave(house: House) -> None:
    async with house.database.transaction() as connection:
        await connection.execute(
            text(
                """INSERT INTO child (id, sequence, unit, birth_year, name_folded, carers_folded, description,
                       circumstances, confirmed_on, registered_at, changed_at)
                   SELECT gen_random_uuid(), 1, :unit, 2016, 'x', '', jsonb_build_object('name', 'Trẻ ' || n, 'sex',
                       'male', 'birth_date', '2016-03-09'), '{}', '2026-11-01', now(), now()
                   FROM generate_series(1, 5000) AS n"""
            ),
            {"unit": HOME},
        )
    outgoing = await exports_of(house).begin(LAN, Asked("csv", PURPOSE, Filter()))
    sizes = [len(piece) async for piece in outgoing.pieces]
    assert len(sizes) == 1 + 10 + 1
    assert max(sizes) < 150_000
