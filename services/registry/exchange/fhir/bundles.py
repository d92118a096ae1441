"""Bundles and parameters: what comes in more than one, and how it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from services.registry.domain.exporting import Leaving
from services.registry.exchange.fhir.names import MATCH_GRADE
from services.registry.exchange.fhir.outcomes import outcome
from services.registry.exchange.incoming import refused
from services.registry.exchange.intake import Outcome
from services.registry.exchange.readers import Candidate
from shared.contracts.errors import Rejected, Violation
from shared.reference.exchange import FhirWords

Json = dict[str, Any]
BASE: Final = "/registry/api/fhir"
_TOGETHER: Final = "transaction"
_TYPES: Final = frozenset({"batch", "collection", "searchset", _TOGETHER})
_LIKELY: Final = 0.9
_STATUS: Final = {
    "created": "201 Created",
    "updated": "200 OK",
    "unchanged": "200 OK",
    "superseded": "409 Conflict",
    "refused": "422 Unprocessable Entity",
}


def read_bundle(document: object, most: int) -> tuple[list[Any], bool]:
    """The resources of a bundle, and whether all or none are to be taken. Raises `Rejected`."""
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        raise Rejected([refused("resourceType", "no-bundle", "phải là «Bundle»", "must be «Bundle»")])
    kind = document.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise Rejected(
            [refused("Bundle.type", "bundle-type", "phải là batch hoặc transaction", "must be batch or transaction")]
        )
    entries = document.get("entry")
    if not isinstance(entries, list) or not 1 <= len(entries) <= most:
        raise Rejected(
            [refused("Bundle.entry", "too-many", f"phải có từ 1 đến {most} mục", f"must have 1 to {most} items")]
        )
    wrong: list[Violation] = []
    for place, entry in enumerate(entries):
        request = entry.get("request") if isinstance(entry, dict) else None
        if isinstance(request, dict) and request.get("method", "POST") not in ("POST", "PUT"):
            path = f"Bundle.entry[{place}].request.method"
            wrong.append(refused(path, "method", "chỉ nhận POST hoặc PUT", "must be POST or PUT"))
    if wrong:
        raise Rejected(wrong)
    return [entry.get("resource") if isinstance(entry, dict) else None for entry in entries], kind == _TOGETHER


def answered(words: FhirWords, outcomes: Sequence[Outcome], *, together: bool) -> Json:
    """What became of each entry, in their order."""
    entries = []
    for one in outcomes:
        response: Json = {"status": _STATUS.get(one.done, "424 Failed Dependency")}
        if one.child_id:
            response["location"] = f"{BASE}/Patient/{one.child_id}"
        response["outcome"] = outcome(words, one.wrong, one.left_out)
        entries.append({"response": response})
    return {
        "resourceType": "Bundle",
        "type": "transaction-response" if together else "batch-response",
        "entry": entries,
    }


def all_wrong(words: FhirWords, outcomes: Sequence[Outcome]) -> Json:
    """Why a transaction was refused, each issue with its entry."""
    issues = [
        {**issue, "expression": [f"Bundle.entry[{place}].resource.{path}" for path in issue["expression"]]}
        for place, one in enumerate(outcomes)
        if one.wrong
        for issue in outcome(words, one.wrong)["issue"]
    ]
    return {"resourceType": "OperationOutcome", "issue": issues}


def found(patients: Sequence[Json], mode: str = "match") -> Json:
    """A search's answer."""
    entries = [
        {"fullUrl": f"{BASE}/Patient/{patient['id']}", "resource": patient, "search": {"mode": mode}}
        for patient in patients
    ]
    answer: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return {**answer, "entry": entries} if entries else answer


def matched(candidates: Sequence[tuple[Candidate, Json]]) -> Json:
    """A comparison's answer: each candidate with its score and grade."""
    answer = found([patient for _, patient in candidates])
    for entry, (candidate, _) in zip(answer.get("entry") or [], candidates, strict=True):
        grade = "certain" if candidate.sure else "probable" if candidate.match.probability >= _LIKELY else "possible"
        entry["search"] = {
            "extension": [{"url": MATCH_GRADE, "valueCode": grade}],
            "mode": "match",
            "score": round(float(candidate.match.probability), 4),
        }
    return answer


def etag_of(leaving: Leaving) -> str:
    """The weak tag by which a version is known."""
    return f'W/"{leaving.version}"'


def read_match(document: object, most: int) -> tuple[object, bool, int]:
    """What `$match` is asked: the Patient, whether only a certain one is wanted, and how many. Raises `Rejected`."""
    if not isinstance(document, dict) or document.get("resourceType") != "Parameters":
        raise Rejected([refused("resourceType", "no-parameters", "phải là «Parameters»", "must be «Parameters»")])
    listed = document.get("parameter")
    parameters = (
        {one["name"]: one for one in listed if isinstance(one, dict) and isinstance(one.get("name"), str)}
        if isinstance(listed, list)
        else {}
    )
    if "resource" not in parameters:
        raise Rejected([refused("Parameters.parameter", "no-patient", "thiếu «resource»", "lacks «resource»")])
    count = parameters.get("count", {}).get("valueInteger", most)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise Rejected(
            [refused("Parameters.parameter", "count", "«count» phải là số dương", "«count» must be positive")]
        )
    certain = parameters.get("onlyCertainMatches", {}).get("valueBoolean") is True
    return parameters["resource"].get("resource"), certain, min(count, most)
