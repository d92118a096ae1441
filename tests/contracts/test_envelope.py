"""An event survives the wire, and what is no event is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.contracts import CONTRACTS, Envelope, Rejected, Violation, parse
from shared.contracts.agency import ConcernReported, IncidentRecorded
from shared.contracts.base import Contract
from shared.contracts.envelope import from_kafka, from_structured

EVENT = Envelope(
    id="C0100000",
    source="/agency/hotline/thai-nguyen",
    type="vn.vongtay.agency.concern.reported",
    subject="C0100000",
    time=datetime(2026, 9, 24, 4, 45, tzinfo=UTC),
    data=b'{"received_at":"2026-09-24T04:45:00Z"}',
    sequence=3,
    bulk="0195a000",
    unit="05443",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)


def test_binary_mode_gives_back_the_same_event() -> None:
    assert from_kafka(EVENT.data, EVENT.headers()) == EVENT


def test_structured_mode_gives_back_the_same_event() -> None:
    assert from_structured(EVENT.structured()) == EVENT


@given(st.binary(max_size=200), st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=40)), max_size=6))
def test_any_bytes_are_an_event_or_are_refused_with_field_and_rule(
    value: bytes, headers: list[tuple[str, bytes]]
) -> None:
    violations: tuple[Violation, ...] = ()
    event = None
    try:
        event = from_kafka(value, headers)
    except Rejected as refused:
        violations = refused.violations
    assert (event is not None and event.id) or violations
    assert all(violation.field and violation.rule for violation in violations)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"specversion": "9.9"}, "specversion"),
        ({"id": ""}, "id-missing"),
        ({"time": "yesterday"}, "time-invalid"),
        ({"time": "2026-02-31T10:00:00Z"}, "time-invalid"),
        ({"sequence": "-1"}, "sequence-invalid"),
    ],
)
def test_a_broken_attribute_is_named(change: dict[str, str], rule: str) -> None:
    with pytest.raises(Rejected) as refused:
        from_structured({**EVENT.structured(), **change})
    assert [violation.rule for violation in refused.value.violations] == [rule]


def test_a_contract_names_the_broken_field_and_never_its_value() -> None:
    with pytest.raises(Rejected) as refused:
        parse(IncidentRecorded, {"kind": "fall", "occurred_on": "2026-01-01", "outcome": "minor", "age": "mười tuổi"})
    (violation,) = refused.value.violations
    assert violation.rule == "data.age"
    assert "mười" not in violation.message_vi + violation.message_en


def test_a_concern_about_which_almost_nothing_is_known_is_taken() -> None:
    concern = parse(ConcernReported, {"received_at": "2026-09-24T04:45:00Z"})
    assert concern.child is None
    assert concern.danger_now == "unknown"


def test_a_plain_or_a_sealed_child_both_fit_the_contract() -> None:
    box = {"sealed": "A256GCM", "kid": "child/1", "text": "AAAA"}
    plain = {"name": "Nguyễn Văn A", "birth_date": "2016-05-05"}
    for child in (box, plain):
        assert parse(ConcernReported, {"received_at": "2026-09-24T04:45:00Z", "child": child}).child is not None


@pytest.mark.parametrize(
    ("field", "value", "names"),
    [
        ("child", {"sealed": "A256GCM", "kid": "platform/1"}, "data.child"),
        ("child", {"sealed": "rot13", "kid": "platform/1", "text": "AAAA"}, "data.child"),
        ("child", {"sealed": "A256GCM", "kid": "platform/1", "text": "AAAA", "more": 1}, "data.child"),
        ("what_happened", {"sealed": "A256GCM"}, "data.what_happened"),
        ("what_happened", 5, "data.what_happened"),
        ("what_happened", "dài" * 10_000, "data.what_happened"),
        ("child", "Nguyễn Văn A", "data.child"),
        ("child", {"name": "Nguyễn Văn A", "age": 200}, "data.child.age"),
        ("reporter", {"phone": "1" * 400}, "data.reporter.phone"),
    ],
)
def test_a_malformed_sealed_field_is_named_itself_and_a_plain_one_by_what_is_wrong_in_it(
    field: str, value: object, names: str
) -> None:
    with pytest.raises(Rejected) as refused:
        parse(ConcernReported, {"received_at": "2026-09-24T04:45:00Z", field: value})
    (violation,) = refused.value.violations
    assert (violation.field, violation.rule) == (names, names)
    assert names in violation.message_vi
    assert names in violation.message_en


def test_every_contract_has_a_type_under_our_prefix_and_a_docstring() -> None:
    assert len(CONTRACTS) > 30
    for name, model in CONTRACTS.items():
        assert name == model.TYPE
        assert name.startswith("vn.vongtay.")
        assert model.__doc__


@pytest.mark.parametrize("model", CONTRACTS.values(), ids=lambda model: model.TYPE)
def test_what_may_be_unknown_may_be_left_out(model: type[Contract]) -> None:
    # Events are written without their empty fields: a reader must not ask for them.
    models = [model, *(field.annotation for field in model.model_fields.values() if _is_model(field.annotation))]
    for part in models:
        for name, field in part.model_fields.items():
            if type(None) in get_args(field.annotation):
                assert not field.is_required(), f"{part.__name__}.{name}"


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
