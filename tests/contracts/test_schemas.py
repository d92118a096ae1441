"""The published contracts are those of the code, and only ever grow."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import jsonschema

from shared.contracts import CONTRACTS
from shared.contracts.agency import ConcernReported
from shared.contracts.schemas import asyncapi, breaking_changes, compare, documents, schema_of

PUBLISHED = Path(__file__).parents[2] / "docs" / "contracts"


def test_the_committed_documents_are_those_of_the_code() -> None:
    committed = {path.name: path.read_bytes() for path in PUBLISHED.iterdir()}
    assert committed == documents(), "run `make contracts` and commit"


def test_nothing_published_is_broken() -> None:
    assert breaking_changes(PUBLISHED) == []


def test_every_schema_is_a_valid_schema() -> None:
    for model in CONTRACTS.values():
        jsonschema.Draft202012Validator.check_schema(schema_of(model))


def test_identity_is_marked_in_the_schema() -> None:
    assert set(ConcernReported.sealed_fields()) == {
        "reporter",
        "child",
        "what_happened",
        "unit_text",
        "measures_taken",
        "details",
        "more_children",
    }
    assert schema_of(ConcernReported)["properties"]["child"]["x-sealed"] is True
    assert "x-sealed" not in schema_of(ConcernReported)["properties"]["unit"]


def test_a_removed_or_newly_required_or_retyped_field_is_breaking_and_a_new_optional_one_is_not() -> None:
    old = schema_of(ConcernReported)
    grown, removed, required, narrowed = (deepcopy(old) for _ in range(4))
    grown["properties"]["more"] = {"type": "string"}
    del removed["properties"]["relation"]
    required["required"] = [*old["required"], "unit"]
    narrowed["properties"]["danger_now"]["enum"].remove("unknown")
    assert compare(old, grown) == []
    assert compare(old, removed) == ["data.relation is gone"]
    assert compare(old, required) == ["data.unit became required"]
    assert compare(old, narrowed) == ["data.danger_now no longer allows 'unknown'"]


def test_the_asyncapi_document_names_every_event_once() -> None:
    document = asyncapi()
    assert len(document["components"]["messages"]) == len(CONTRACTS)
    for channel in document["channels"].values():
        assert channel["messages"]
