"""Addresses and codes of FHIR that both directions use."""

from __future__ import annotations

from typing import Final

MEDIA: Final = "application/fhir+json"
NDJSON: Final = "application/fhir+ndjson"
VERSION: Final = "4.0.1"
HL7: Final = "http://hl7.org/fhir/StructureDefinition"
BIRTH_PLACE: Final = f"{HL7}/patient-birthPlace"
ABSENT: Final = f"{HL7}/data-absent-reason"
MATCH_GRADE: Final = f"{HL7}/match-grade"
ROLES: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
IDENTIFIER_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
OBSERVATION_VALUE: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
# Single values of ours that a Patient has no element for: our field, the extension's name, its kind of value.
TEXT_EXTENSIONS: Final = {"household": "household", "school": "school", "grade": "grade", "health": "health"}


def extension(base: str, name: str) -> str:
    """The address of one of our extensions."""
    return f"{base}/StructureDefinition/{name}"


def code_system(base: str, name: str) -> str:
    """The address of one of our code lists."""
    return f"{base}/CodeSystem/{name}"
