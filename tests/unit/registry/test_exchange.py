"""A child goes out as a Patient or a tracked entity and comes back the same; numbers and names of both are sound."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from fhir.resources.R4B.patient import Patient
from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.exporting import Leaving
from services.registry.exchange.dhis2 import entity_of, read_entity, uid_of
from services.registry.exchange.fhir.bundles import read_bundle
from services.registry.exchange.fhir.patients import patient_of
from services.registry.exchange.fhir.reading import read_patient
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import ChildDescription, Person, Stay
from shared.reference.exchange import Dhis2Words, Exchange
from shared.reference.registry_fields import RegistryFields

ALL = frozenset(field.code for field in RegistryFields.load().all())
FHIR, DHIS2 = Exchange.load().fhir, Dhis2Words.load()
CHILD_ID = "01990000-0000-7000-8000-000000000001"

# What people write: any letters and signs, not blank, without what no system stores.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), min_size=1, max_size=40).filter(
    lambda text: text.strip() == text != ""
)
MAYBE = st.none() | TEXT
DAYS = st.dates(date(2011, 1, 1), date(2026, 11, 1))
CODES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True)
UNITS = st.sampled_from(["05443", "02176"])


@st.composite
def births(draw: st.DrawFn) -> dict[str, Any]:
    day, precision = draw(DAYS), draw(st.sampled_from([None, "month", "year", "age"]))
    if precision == "age":
        return {"age": draw(st.integers(0, 15))}
    if precision == "month":
        return {"birth_date": day.replace(day=1), "birth_precision": "month"}
    if precision == "year":
        return {"birth_date": day.replace(month=1, day=1), "birth_precision": "year"}
    return {"birth_date": day}


PEOPLE = st.builds(Person, name=MAYBE, relation=MAYBE, phone=MAYBE, address=MAYBE)
STAYS = st.builds(Stay, unit=st.none() | UNITS, address=MAYBE, hamlet=MAYBE, since=st.none() | DAYS)


@st.composite
def descriptions(draw: st.DrawFn) -> ChildDescription:
    texts = (
        "number",
        "address",
        "hamlet",
        "school",
        "grade",
        "birth_place",
        "birth_certificate",
        "household",
        "health",
    )
    stay = draw(st.none() | STAYS)
    ethnic = draw(st.none() | st.tuples(CODES, st.sampled_from([None, "121-tctk", "gso"])))
    return ChildDescription(
        name=draw(TEXT),
        sex=draw(st.sampled_from(["male", "female", "unknown"])),
        ethnicity=draw(MAYBE),
        ethnicity_code=ethnic[0] if ethnic else None,
        ethnicity_list=ethnic[1] if ethnic else None,
        health_insurance=draw(MAYBE),
        disability_kinds=draw(st.lists(CODES, max_size=3)),
        disability_level=draw(st.none() | CODES),
        carers=[carer for carer in draw(st.lists(PEOPLE, max_size=4)) if any(dict(carer).values())],
        stay=stay if stay and any(dict(stay).values()) else None,
        **{name: draw(MAYBE) for name in texts},
        **draw(births()),
    )


def leaving(description: ChildDescription, circumstances: tuple[str, ...] = ()) -> Leaving:
    return Leaving(
        id=CHILD_ID,
        version=7,
        description=description,
        unit="05443",
        birth_year=2016,
        circumstances=circumstances,
        state="verified",
        status="active",
        verified_on=date(2026, 1, 2),
        due_on=date(2027, 1, 2),
        confirmed_on=date(2026, 1, 2),
        changed_at=datetime(2026, 2, 1, 3, 4, 5, tzinfo=UTC),
    )


@given(descriptions(), st.lists(st.sampled_from(["01", "04", "09"]), unique=True).map(tuple))
def test_a_child_that_left_as_a_patient_comes_back_the_same(
    description: ChildDescription, circumstances: tuple[str, ...]
) -> None:
    patient = patient_of(leaving(description, circumstances), ALL, FHIR, str)
    Patient.model_validate(patient)
    read = read_patient(patient, FHIR)
    assert read.wrong == read.left_out == ()
    assert read.description.model_dump() == description.model_dump()
    assert (read.unit, read.circumstances, read.as_of) == ("05443", circumstances, date(2026, 2, 1))


@given(descriptions())
def test_a_child_that_left_as_a_tracked_entity_comes_back_the_same_as_far_as_dhis2_has_room(
    description: ChildDescription,
) -> None:
    read = read_entity(entity_of(leaving(description, ("04",)), ALL, DHIS2, export_id="x"), DHIS2)
    assert read.wrong == read.left_out == ()
    carers = [Person(name=one.name, relation=one.relation, phone=one.phone) for one in description.carers[:2]]
    kept = description.model_copy(
        update={
            "stay": None,
            "ethnicity_code": None,
            "ethnicity_list": None,
            "carers": [carer for carer in carers if any(dict(carer).values())],
        }
    )
    assert read.description.model_dump() == kept.model_dump()
    assert (read.unit, read.circumstances, read.source_id) == ("05443", ("04",), uid_of(CHILD_ID))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "resourceType",
                        "name",
                        "identifier",
                        "meta",
                        "lastUpdated",
                        "address",
                        "contact",
                        "extension",
                        "url",
                        "valueCode",
                        "birthDate",
                        "text",
                        "given",
                        "period",
                        "start",
                        "trackedEntity",
                        "attributes",
                        "attribute",
                        "value",
                        "enrollments",
                        "orgUnit",
                        "updatedAt",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=25,
    )
)
def test_nothing_that_is_sent_breaks_the_readers(document: Any) -> None:
    for sent in (document, {**document, "resourceType": "Patient"} if isinstance(document, dict) else document):
        assert read_patient(sent, FHIR).wrong or sent["resourceType"] == "Patient"
        assert read_entity(sent, DHIS2).wrong


def test_only_the_fields_chosen_leave() -> None:
    child = ChildDescription(name="Anh", number="019316004567", health="hen", ethnicity="Tày", school="TH")
    patient = str(patient_of(leaving(child, ("09",)), {"name"}, FHIR, str))
    entity = str(entity_of(leaving(child, ("09",)), {"name"}, DHIS2, export_id="x"))
    for told in (patient, entity):
        assert "Anh" in told
        assert not any(hidden in told for hidden in ("019316004567", "hen", "Tày", "TH'", "'09'"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("mẹ", "MTH"),
        ("Bố", "FTH"),
        ("bà ngoại", "MGRMTH"),
        ("Ba noi", "PGRMTH"),
        ("hàng xóm", None),
        (None, None),
        ("bà", "GRMTH"),
    ],
)
def test_relations_in_vietnamese_have_hl7s_codes_only_where_sure(words: str | None, code: str | None) -> None:
    assert FHIR.relation_code(words) == code


def test_a_relation_told_by_a_code_alone_is_said_in_vietnamese() -> None:
    roles = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
    contact = {
        "relationship": [{"coding": [{"system": roles, "code": "MGRMTH"}]}],
        "name": {"family": "Lý", "given": ["Thị", "Lan"]},
    }
    read = read_patient({"resourceType": "Patient", "contact": [contact]}, FHIR)
    assert read.description.carers == [Person(name="Lý Thị Lan", relation="bà ngoại")]


@given(st.uuids())
def test_identifiers_for_dhis2_have_its_form_and_stay_the_same(child_id: object) -> None:
    uid = uid_of(str(child_id))
    assert len(uid) == 11
    assert uid[0].isalpha()
    assert uid.isascii()
    assert uid.isalnum()
    assert uid == uid_of(str(child_id))


@pytest.mark.parametrize("wrong", [[], {}, [[]], None, 7])
def test_a_bundle_of_another_make_is_refused_by_its_field(wrong: Any) -> None:
    entry = {"resource": {}, "request": {"method": wrong}}
    for bundle in ({"type": wrong, "entry": [{}]}, {"type": "batch", "entry": [entry]}):
        with pytest.raises(Rejected) as refused:
            read_bundle({"resourceType": "Bundle", **bundle}, 10)
        assert refused.value.violations[0].field.startswith("Bundle.")
