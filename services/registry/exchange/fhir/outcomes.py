"""What went wrong, or was left out, as FHIR says it: an OperationOutcome."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from services.registry.exchange.fhir.names import code_system
from services.registry.exchange.fhir.reading import path_of
from shared.contracts.errors import Violation
from shared.reference.exchange import FhirWords

# HL7's IssueType for our rules; whatever is not named is `invalid`.
_TYPES: Final = {
    "json": "structure",
    "fhir-structure": "structure",
    "no-patient": "structure",
    "name-missing": "required",
    "source-id-missing": "required",
    "too-large": "too-long",
    "not-taken": "informational",
    "must-understand": "not-supported",
    "version": "not-supported",
    "media-type": "not-supported",
    "search-parameter": "not-supported",
    "not-found": "not-found",
    "gone": "deleted",
    "not-allowed": "forbidden",
    "not-your-commune": "forbidden",
    "unit-unknown": "code-invalid",
    "circumstance-unknown": "code-invalid",
    "as-of-in-future": "business-rule",
    "birth-date-in-future": "business-rule",
    "not-a-child": "business-rule",
    "inactive": "business-rule",
    "superseded": "conflict",
    "rolled-back": "transient",
    "try-again": "transient",
}


def outcome(words: FhirWords, errors: Iterable[Violation] = (), left_out: Iterable[Violation] = ()) -> dict[str, Any]:
    """An OperationOutcome; one that says all is well where there is nothing to tell."""
    issues = [_issue(words, violation, "error") for violation in errors]
    issues += [_issue(words, violation, "warning") for violation in left_out]
    if not issues:
        issues = [{"severity": "information", "code": "informational", "details": {"text": "Đã nhận đầy đủ."}}]
    return {"resourceType": "OperationOutcome", "issue": issues}


def _issue(words: FhirWords, violation: Violation, severity: str) -> dict[str, Any]:
    place = violation.field if violation.field[:1].isupper() else path_of(violation.field)
    coding = {"system": code_system(words.base, "rule"), "code": violation.rule}
    return {
        "severity": severity,
        "code": _TYPES.get(violation.rule, "invalid"),
        "details": {"coding": [coding], "text": violation.message_vi},
        "diagnostics": violation.message_en,
        "expression": [place],
    }
