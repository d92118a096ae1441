"""Other systems: FHIR Patients and DHIS2 tracked entities in and out, each fault told with its field, nothing twice."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.patient import Patient

from services.registry.exchange.dhis2 import uid_of
from tests.integration.exchange_house import HOME, OTHER, Machine, machine, patient
from tests.integration.test_registry_pages import House, house, registered
from tests.support.visitor import Answer

__all__ = ["house"]


def rules(answer: Answer) -> list[tuple[str, str]]:
    """Of an OperationOutcome: each issue's place and rule."""
    told = OperationOutcome.model_validate(answer.json())
    return [(issue.expression[0], issue.details.coding[0].code) for issue in told.issue if issue.details.coding]


async def created(sender: Machine, document: dict[str, Any]) -> str:
    answer = await sender.send("/fhir/Patient", document)
    assert answer.status in {200, 201}, answer.text
    return answer.headers["location"].rsplit("/", 1)[1]


async def test_a_hospitals_patient_becomes_a_childs_record_and_reads_back_as_a_valid_patient(house: House) -> None:
    child = await created(machine(house, "agency.health"), patient())
    ((kind, sector, as_of),) = await house.rows("SELECT register_kind, sector, as_of::text FROM statement")
    assert (kind, sector, as_of) == ("health-record", "health", "2026-11-20")
    lan = machine(house, "lan.worker")
    answer = await lan.get(f"/fhir/Patient/{child}")
    read = Patient.model_validate(answer.json())
    assert read.name[0].text == "Nguyễn Thị Ngọc Anh"
    assert read.address[0].extension[0].valueCode == HOME
    assert read.contact[0].relationship[0].coding[0].code == "MTH"
    assert (answer.headers["etag"], read.meta.versionId) == ('W/"1"', "1")
    assert b"019316004567" not in answer.body
    assert b"019316004567" in (await lan.get(f"/fhir/Patient/{child}?include=number")).body
    assert (await lan.get(f"/fhir/Patient/{child}", **{"if-none-match": 'W/"1"'})).status == 304
    assert len(await house.rows("SELECT 1 FROM access WHERE act = 'exchange'")) == 3


async def test_the_same_patient_sent_again_is_the_same_child_and_says_nothing_anew(house: House) -> None:
    health = machine(house, "agency.health")
    first = await health.send("/fhir/Patient", patient())
    events = await house.rows("SELECT count(*) FROM outbox")
    again = await health.send("/fhir/Patient", patient())
    assert (first.status, again.status) == (201, 200)
    assert first.headers["location"] == again.headers["location"]
    assert await house.rows("SELECT count(*) FROM outbox") == events
    changed = await health.send("/fhir/Patient", patient(birthDate="2016-03-10"))
    assert changed.headers["location"] == first.headers["location"]
    older = await health.send("/fhir/Patient", patient(meta={"lastUpdated": "2026-11-01T00:00:00Z"}))
    assert (older.status, rules(older)) == (409, [("Patient.meta.lastUpdated", "superseded")])
    assert [tuple(row) for row in await house.rows("SELECT count(*), min(birth_date::text) FROM child")] == [
        (1, "2016-03-10")
    ]


async def test_the_same_patient_sent_five_times_at_once_is_one_child(house: House) -> None:
    health = machine(house, "agency.health")
    answers = await asyncio.gather(*(health.send("/fhir/Patient", patient()) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 200, 201]
    assert [tuple(row) for row in await house.rows("SELECT count(*) FROM child")] == [(1,)]
    assert [tuple(row) for row in await house.rows("SELECT count(*), max(sequence) FROM statement")] == [(1, 1)]
    told = await house.rows("SELECT 1 FROM outbox WHERE type LIKE '%record.linked'")
    assert len(told) == 1


BASE = "https://vongtay.vn/fhir/StructureDefinition"
COMMUNE = [{"use": "home", "extension": [{"url": f"{BASE}/commune-code", "valueCode": "99999"}]}]


@pytest.mark.parametrize(
    ("over", "place", "rule"),
    [
        ({"name": []}, "Patient.name", "name-missing"),
        ({"name": [{"text": "a" * 301}]}, "Patient.name", "value-invalid"),
        ({"name": [{"text": "Anh\x00"}]}, "Patient.name.0.text", "nul-character"),
        ({"birthDate": "2030-01-01"}, "Patient.birthDate", "birth-date-in-future"),
        ({"birthDate": "2016-02-31"}, "Patient.birthDate", "fhir-structure"),
        ({"birthDate": "31/02/2016"}, "Patient.birthDate", "fhir-structure"),
        ({"birthDate": "1950-01-01"}, "Patient.birthDate", "not-a-child"),
        ({"meta": {"lastUpdated": "2031-01-01T00:00:00Z"}}, "Patient.meta.lastUpdated", "as-of-in-future"),
        ({"meta": {"lastUpdated": "9999-01-01T00:00:00Z"}}, "Patient.meta.lastUpdated", "out-of-calendar"),
        ({"address": COMMUNE}, "Patient.address", "unit-unknown"),
        ({"identifier": []}, "Patient.identifier", "source-id-missing"),
        ({"active": False}, "Patient.active", "inactive"),
        ({"modifierExtension": [{"url": "x", "valueCode": "y"}]}, "Patient.modifierExtension", "must-understand"),
        ({"nickname": "Bi"}, "Patient.nickname", "fhir-structure"),
        ({"resourceType": "Observation"}, "resourceType", "no-patient"),
        (
            {"extension": [{"url": f"{BASE}/circumstance", "valueCode": "77"}]},
            "Patient.extension",
            "circumstance-unknown",
        ),
    ],
)
async def test_each_fault_is_told_with_its_place_and_rule_and_nothing_is_recorded(
    house: House, over: dict[str, Any], place: str, rule: str
) -> None:
    answer = await machine(house, "agency.health").send("/fhir/Patient", patient(**over))
    assert answer.status == 422, answer.text
    assert (place, rule) in rules(answer)
    assert await house.rows("SELECT 1 FROM child") == []


@pytest.mark.parametrize(
    ("raw", "media", "status", "rule"),
    [
        (b'{"resourceType": "Pat', "application/fhir+json", 400, "json"),
        ('{"resourceType": "Bệnh"}'.encode("utf-16"), "application/fhir+json", 400, "json"),
        (b"\xff\xfe", "application/json", 400, "json"),
        (b"[" * 100_000, "application/fhir+json", 400, "json"),
        (b"", "application/fhir+json", 400, "json"),
        (b"<Patient/>", "application/fhir+xml", 415, "media-type"),
        (b"{}", "application/fhir+json; charset=windows-1258", 415, "media-type"),
        (b"{}", "application/fhir+json; fhirVersion=5.0", 415, "version"),
        (b" " * 8_000_001, "application/fhir+json", 413, "too-large"),
        (b"[]", "application/fhir+json; fhirVersion=4.0", 422, "no-patient"),
    ],
)
async def test_a_body_that_cannot_be_read_is_told_so(
    house: House, raw: bytes, media: str, status: int, rule: str
) -> None:
    answer = await machine(house, "agency.health").send("/fhir/Patient", raw=raw, media=media)
    assert (answer.status, rules(answer)[0][1]) == (status, rule)


async def test_what_the_registry_has_no_place_for_is_named_and_the_rest_is_kept(house: House) -> None:
    sent = patient(maritalStatus={"text": "độc thân"}, photo=[{"url": "http://x"}], gender="other")
    answer = await machine(house, "agency.health").send("/fhir/Patient", sent)
    assert answer.status == 201
    assert rules(answer) == [
        ("Patient.maritalStatus", "not-taken"),
        ("Patient.photo", "not-taken"),
        ("Patient.gender", "not-taken"),
    ]


def bundle(kind: str, *patients: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": one} for one in patients]}


async def test_a_transaction_is_all_or_nothing_and_a_batch_each_for_itself(house: House) -> None:
    health = machine(house, "agency.health")
    good, bad = patient("1"), patient("2", birthDate="2030-01-01")
    refused = await health.send("/fhir", bundle("transaction", good, bad))
    assert refused.status == 422
    assert rules(refused) == [("Bundle.entry[1].resource.Patient.birthDate", "birth-date-in-future")]
    assert await house.rows("SELECT 1 FROM child") == []
    answer = await health.send("/fhir", bundle("batch", good, bad, {"resourceType": "Group"}, None))
    told = Bundle.model_validate(answer.json())
    assert [entry.response.status[:3] for entry in told.entry] == ["201", "422", "422", "422"]
    assert len(await house.rows("SELECT 1 FROM child")) == 1
    together = await health.send("/fhir", bundle("transaction", good, patient("3", name=[{"text": "Lê Văn Bình"}])))
    assert together.json()["type"] == "transaction-response"
    assert len(await house.rows("SELECT 1 FROM child")) == 2


@pytest.mark.parametrize(
    "document",
    [
        bundle("history", patient()),
        {"resourceType": "Bundle", "type": "batch"},
        bundle("batch", *[patient(str(n)) for n in range(501)]),
        {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "DELETE", "url": "Patient/1"}}]},
    ],
)
async def test_bundles_that_are_not_taken_are_refused_whole(house: House, document: dict[str, Any]) -> None:
    answer = await machine(house, "agency.health").send("/fhir", document)
    assert answer.status == 422
    assert rules(answer)
    assert await house.rows("SELECT 1 FROM child") == []


async def search(who: Machine, **form: str) -> Answer:
    return await who.send(
        "/fhir/Patient/_search", raw=urlencode(form).encode(), media="application/x-www-form-urlencoded"
    )


async def test_children_are_searched_by_post_and_never_by_an_address(house: House) -> None:
    child = await created(machine(house, "agency.health"), patient())
    lan = machine(house, "lan.worker")
    for form in (
        {"name": "nguyen ngoc anh"},
        {"birthdate": "2016-03-09", "gender": "female"},
        {"birthdate": "2016"},
        {"identifier": "https://vongtay.vn/fhir/sid/personal-number|019316004567"},
        {"identifier": f"https://vongtay.vn/fhir/sid/child|{child}"},
    ):
        found = Bundle.model_validate((await search(lan, **form)).json())
        assert [entry.resource.id for entry in found.entry] == [child], form
    for form in ({"birthdate": "2016-03-09", "gender": "male"}, {"identifier": "019316004568"}):
        answer = await search(lan, **form)
        assert (answer.status, answer.json()["total"]) == (200, 0)
    for form, rule in (
        ({}, "search-empty"),
        ({"family": "Nguyễn"}, "search-parameter"),
        ({"birthdate": "hôm qua"}, "date-invalid"),
        ({"identifier": "http://fhir.ehealth.gov.vn/core/sid/insurance_number|TE1"}, "search-parameter"),
        ({"name": "a", "_count": "999"}, "value-invalid"),
    ):
        answer = await search(lan, **form)
        assert (answer.status, rules(answer)[0][1]) == (422, rule)
    assert (await lan.get("/fhir/Patient?name=anh")).status == 405
    other = Bundle.model_validate((await search(machine(house, "thuong.worker"), name="nguyen ngoc anh")).json())
    assert not other.entry


async def test_match_gives_candidates_with_score_and_grade(house: House) -> None:
    child = await created(machine(house, "agency.health"), patient())

    def asked(**over: Any) -> dict[str, Any]:
        return {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient(**over)}]}

    lan = machine(house, "lan.worker")
    answer = await lan.send("/fhir/Patient/$match", asked())
    Bundle.model_validate(answer.json())
    (entry,) = answer.json()["entry"]
    assert entry["resource"]["id"] == child
    assert entry["search"]["extension"][0]["valueCode"] == "certain"
    assert entry["search"]["score"] >= 0.99
    near = asked(identifier=[], name=[{"text": "Nguyễn Ngọc Anh"}], contact=[], address=[])
    (entry,) = (await lan.send("/fhir/Patient/$match", near)).json()["entry"]
    assert entry["search"]["extension"][0]["valueCode"] in {"probable", "possible"}
    near["parameter"].append({"name": "onlyCertainMatches", "valueBoolean": True})
    assert (await lan.send("/fhir/Patient/$match", near)).json()["total"] == 0
    assert (await lan.send("/fhir/Patient/$match", {"resourceType": "Patient"})).status == 422
    # An agency that has told of the child reads what its sector may know; another one learns which record it is.
    (mine,) = (await machine(house, "agency.health").send("/fhir/Patient/$match", asked())).json()["entry"]
    assert mine["resource"]["birthDate"] == "2016-03-09"
    assert "contact" not in mine["resource"]
    (theirs,) = (await machine(house, "agency.police").send("/fhir/Patient/$match", asked())).json()["entry"]
    assert theirs["resource"].keys() == {"resourceType", "id", "meta", "active", "identifier"}


async def test_an_agency_reads_only_children_of_whom_its_sector_has_told(house: House) -> None:
    child = await created(machine(house, "agency.health"), patient())
    mine = await machine(house, "agency.health").get(f"/fhir/Patient/{child}")
    assert mine.json()["name"][0]["text"] == "Nguyễn Thị Ngọc Anh"
    assert "contact" not in mine.json()
    assert (await machine(house, "agency.health").get(f"/fhir/Patient/{child}?include=number")).status == 422
    assert (await machine(house, "agency.police").get(f"/fhir/Patient/{child}")).status == 404
    assert (await machine(house, "thuong.worker").get(f"/fhir/Patient/{child}")).status == 404
    assert (await search(machine(house, "agency.health"), name="anh")).status == 403
    assert (await machine(house, "tuan.statistician").send("/fhir/Patient", patient())).status == 403


async def test_the_labour_sectors_program_does_not_read_what_commune_workers_wrote(house: House) -> None:
    lan, labour = machine(house, "lan.worker"), machine(house, "agency.dolisa")
    sent = await created(lan, patient())
    page = await registered(await house.browser("lan.worker"), name="Lê Văn Bình", birth_date="07/05/2015", number="")
    written = page.rsplit("/", 1)[-1]
    # Both count for the sector whose worker wrote them; none of its programs has told of the children.
    assert {row.sector for row in await house.rows("SELECT sector FROM statement")} == {"dolisa"}
    for child in (sent, written):
        assert (await lan.get(f"/fhir/Patient/{child}")).status == 200
        assert (await labour.get(f"/fhir/Patient/{child}")).status == 404
    asked = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient()}]}
    (entry,) = (await labour.send("/fhir/Patient/$match", asked)).json()["entry"]
    assert entry["resource"].keys() == {"resourceType", "id", "meta", "active", "identifier"}
    # What it has told, it reads back; so it does where it told by an event.
    told = await labour.send("/fhir/Patient", patient())
    assert (told.status, told.headers["location"].rsplit("/", 1)[-1]) == (200, sent)
    assert (await labour.get(f"/fhir/Patient/{sent}")).json()["name"][0]["text"] == "Nguyễn Thị Ngọc Anh"
    assert (await labour.get(f"/fhir/Patient/{written}")).status == 404
    recorded = {
        "register_kind": "commune-roster",
        "unit": HOME,
        "child": {"name": "Lê Văn Bình", "birth_date": "2015-05-07"},
    }
    event = {
        "specversion": "1.0", "id": "BTXH-1", "source": "/agency/dolisa/tro-cap", "subject": "BTXH-1",
        "type": "vn.vongtay.agency.child.recorded", "time": "2026-11-24T01:00:00Z", "data": recorded,
    }  # fmt: skip
    (answer,) = await house.intake.accept([event], "dolisa")
    assert answer.outcome == "accepted"
    ((child,),) = await house.rows(
        "SELECT child_id::text FROM statement WHERE register_kind = 'commune-roster' ORDER BY received_at DESC LIMIT 1"
    )
    assert (await labour.get(f"/fhir/Patient/{child}")).status == 200


async def test_a_report_of_concern_does_not_open_its_childs_record_to_the_sector_it_came_from(house: House) -> None:
    child = await created(machine(house, "lan.worker"), patient())
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(
            f"""INSERT INTO statement (record_id, child_id, register_kind, sector, as_of, description, circumstances,
                                       dropped_out, sequence, received_at)
                VALUES (gen_random_uuid(), '{child}', 'report', 'health', '2026-11-20', '{{}}', '{{}}', false, 1,
                        now())"""
        )
    assert (await machine(house, "agency.health").get(f"/fhir/Patient/{child}")).status == 404


async def test_protected_and_closed_records_are_not_there_and_merged_ones_point_on(house: House) -> None:
    child = await created(machine(house, "agency.health"), patient())
    ha = machine(house, "ha.coordinator")
    other = await created(
        machine(house, "agency.health"),
        patient(
            "2",
            name=[{"text": "Lê Văn Bình"}],
            identifier=[{"system": "https://benhvien.example/sid/patient", "value": "2"}],
        ),
    )
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE child SET merged_into = '{child}' WHERE id = '{other}'")
    gone = Patient.model_validate((await ha.get(f"/fhir/Patient/{other}")).json())
    assert (gone.active, gone.link[0].type, gone.link[0].other.reference) == (False, "replaced-by", f"Patient/{child}")
    assert gone.name is None
    for change in ("protected = true", "protected = false, status = 'adopted'", "status = 'erased'"):
        async with house.database.transaction() as connection:
            await connection.exec_driver_sql(f"UPDATE child SET {change}")
        assert (await ha.get(f"/fhir/Patient/{child}")).status == 404
        assert (await search(ha, identifier="019316004567")).json()["total"] == 0
    for nothing in ("x", "00000000-0000-0000-0000-000000000000", "%00"):
        assert (await ha.get(f"/fhir/Patient/{nothing}")).status == 404


async def test_a_worker_sends_children_of_the_own_commune_only(house: House) -> None:
    lan = machine(house, "lan.worker")
    assert (await lan.send("/fhir/Patient", patient())).status == 201
    away = [{"extension": [{"url": f"{BASE}/commune-code", "valueCode": OTHER}]}]
    answer = await lan.send("/fhir/Patient", patient("2", address=away))
    assert (answer.status, rules(answer)) == (422, [("Patient.address", "not-your-commune")])
    answer = await lan.send("/fhir/Patient", patient("3", address=[]))
    assert rules(answer) == [("Patient.address", "not-your-commune")]


async def test_the_capability_statement_is_valid_and_needs_no_sign_in(house: House) -> None:
    answer = await Machine(house.app, {}, "localhost:8600").ask("/registry/api/fhir/metadata")
    told = CapabilityStatement.model_validate(answer.json())
    assert told.fhirVersion == "4.0.1"
    assert told.rest[0].resource[0].type == "Patient"


def entity(uid: str = "abcdefghijk", **over: Any) -> dict[str, Any]:
    attributes = {
        "vtAttrNameF": "Nguyễn Thị Ngọc Anh",
        "vtAttrBirth": "2016-03-09",
        "vtAttrSexCd": "FEMALE",
        "vtAttrCare1": "Lý Thị Thu Lan",
    } | over.pop("values", {})
    return {
        "trackedEntity": uid,
        "trackedEntityType": "vtChildType",
        "orgUnit": f"vtUnit{HOME}",
        "updatedAt": "2026-11-20T08:00:00.000",
        "attributes": [{"attribute": name, "value": value} for name, value in attributes.items()],
        "enrollments": [
            {
                "enrollment": "zbcdefghijk",
                "program": "vtChildProg",
                "orgUnit": f"vtUnit{HOME}",
                "enrolledAt": "2026-11-01",
            }
        ],
        **over,
    }


async def tracker(house: House, *entities: Any, query: str = "", account: str = "agency.dolisa") -> tuple[int, Any]:
    sender = machine(house, account)
    answer = await sender.send(f"/dhis2/tracker{query}", {"trackedEntities": entities}, media="application/json")
    return answer.status, answer.json()


async def test_a_tracker_payload_is_taken_once_and_reported_as_dhis2_does(house: House) -> None:
    status, report = await tracker(house, entity())
    assert (status, report["status"]) == (200, "OK")
    assert report["stats"] == {"created": 1, "updated": 0, "deleted": 0, "ignored": 0, "total": 1}
    status, report = await tracker(house, entity())
    assert (status, report["stats"]["updated"]) == (200, 1)
    ((kind, unit),) = await house.rows("SELECT register_kind, unit FROM statement")
    assert (kind, unit) == ("commune-roster", HOME)


@pytest.mark.parametrize(
    ("over", "code", "field"),
    [
        ({"trackedEntity": "1"}, "E1048", "trackedEntity"),
        ({"trackedEntityType": "other"}, "E1005", "trackedEntityType"),
        ({"orgUnit": "vtUnit99999"}, "E1049", "unit"),
        ({"orgUnit": None}, "E1121", "orgUnit"),
        ({"values": {"vtAttrXXXXX": "1"}}, "E1006", "attributes.vtAttrXXXXX"),
        ({"values": {"vtAttrBirth": "2016-02-31"}}, "E1007", "attributes.vtAttrBirth"),
        ({"values": {"vtAttrSexCd": "F"}}, "E1125", "attributes.vtAttrSexCd"),
        ({"values": {"vtAttrNameF": {"a": 1}}}, "E1007", "attributes.vtAttrNameF"),
        ({"attributes": []}, "E1090", "attributes.vtAttrNameF"),
        ({"attributes": "x"}, "E1121", "attributes"),
        ({"attributes": [{"value": 1}]}, "E1075", "attributes"),
        ({"updatedAt": "2031-01-01T00:00:00.000"}, "E1007", "as_of"),
        ({"enrollments": [{"program": "x"}]}, "E1069", "enrollments.0.program"),
    ],
)
async def test_each_fault_of_a_tracked_entity_has_dhis2s_code_and_its_field(
    house: House, over: dict[str, Any], code: str, field: str
) -> None:
    status, report = await tracker(house, entity(**over))
    assert (status, report["status"]) == (409, "ERROR")
    found = {(one["errorCode"], one["field"]) for one in report["validationReport"]["errorReports"]}
    assert (code, field) in found
    assert await house.rows("SELECT 1 FROM child") == []


async def test_atomic_mode_and_import_mode_mean_what_dhis2_means_by_them(house: House) -> None:
    both = (entity(), entity("bbcdefghijk", orgUnit="x"), 7)
    status, report = await tracker(house, *both)
    assert (status, report["stats"]["ignored"]) == (409, 3)
    assert await house.rows("SELECT 1 FROM child") == []
    status, report = await tracker(house, *both, query="?atomicMode=OBJECT&importMode=VALIDATE")
    assert report["bundleReport"]["typeReportMap"]["TRACKED_ENTITY"]["stats"]["created"] == 1
    assert await house.rows("SELECT 1 FROM child") == []
    status, report = await tracker(house, *both, query="?atomicMode=OBJECT")
    assert (status, report["stats"]["created"], report["stats"]["ignored"]) == (409, 1, 2)
    objects = report["bundleReport"]["typeReportMap"]["TRACKED_ENTITY"]["objectReports"]
    assert [bool(one["errorReports"]) for one in objects] == [False, True, True]
    assert len(await house.rows("SELECT 1 FROM child")) == 1


async def test_what_left_for_dhis2_comes_back_as_the_same_child(house: House) -> None:
    await tracker(house, entity())
    (child,) = await house.rows("SELECT id::text FROM child")
    order = {"purpose": "Chuyển dữ liệu sang DHIS2 của tỉnh"}
    answer = await machine(house, "lan.worker").send("/dhis2/tracker/export", order, media="application/json")
    payload = orjson.loads(answer.body)
    assert payload["trackedEntities"][0]["trackedEntity"] == uid_of(child[0])
    status, report = await tracker(house, *payload["trackedEntities"], account="lan.worker")
    assert (status, report["stats"]["updated"]) == (200, 1)
    assert len(await house.rows("SELECT 1 FROM child")) == 1


@pytest.mark.parametrize("document", [[], {}, {"trackedEntities": {}}, {"trackedEntities": []}, None, 3])
async def test_a_payload_without_tracked_entities_is_refused(house: House, document: Any) -> None:
    answer = await machine(house, "agency.dolisa").send("/dhis2/tracker", document, media="application/json")
    assert (answer.status, answer.json()["status"]) == (422, "ERROR")
