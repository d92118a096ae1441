"""How the registry's words are called in FHIR and in DHIS2: data, laid over by a province or an instance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from shared.contracts.vocabulary import Register
from shared.reference.files import ReferenceDataError, kept, read_yaml
from shared.reference.text import fold

_UID = re.compile(r"[A-Za-z][A-Za-z0-9]{10}")


@dataclass(frozen=True, slots=True)
class IdentifierSystem:
    """A kind of number: the system we write, HL7's code of its type (v2-0203), and other systems that mean it."""

    field: str
    system: str
    type: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class FhirWords:
    """Names in FHIR: `base` of our extensions, `identifiers` by field, `relations` by code with Vietnamese words."""

    base: str
    identifiers: Mapping[str, IdentifierSystem]
    relations: Mapping[str, Sequence[str]]

    def field_of(self, system: str) -> str | None:
        """Which field a number of a system is; None for a system that is not ours."""
        return next((known.field for known in self.identifiers.values() if system in (known.system, *known.also)), None)

    def relation_code(self, words: str | None) -> str | None:
        """HL7's code of a relation in Vietnamese words, tones or not; None where none means it surely."""
        for code, means in self.relations.items():
            if words and words.strip().lower() in means:
                return code
        wanted = fold(words or "")
        found = {code for code, means in self.relations.items() if wanted in {fold(word) for word in means}}
        return next(iter(found)) if len(found) == 1 else None

    def relation_words(self, code: str) -> str | None:
        """The Vietnamese word of a code."""
        return next(iter(self.relations.get(code, ())), None)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A tracked entity attribute: its uid and code, the record's field, DHIS2's value type, options by our value."""

    uid: str
    code: str
    field: str
    type: str
    options: Mapping[str, str] | None = None
    mandatory: bool = False


@dataclass(frozen=True)
class Dhis2Words:
    """Names in DHIS2's metadata, and its error codes by our rules."""

    tracked_entity_type: str
    program: str
    org_unit_prefix: str
    attributes: Sequence[Attribute]
    errors: Mapping[str, str]

    @classmethod
    @kept
    def load(cls) -> Self:
        """From dhis2-attributes.yaml. Raises `ReferenceDataError`."""
        data: dict[str, Any] = read_yaml("dhis2-attributes.yaml")
        try:
            attributes = tuple(Attribute(uid, **row) for uid, row in data["attributes"].items() if row is not None)
            found = cls(
                data["tracked_entity_type"], data["program"], data["org_unit_prefix"], attributes, dict(data["errors"])
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ReferenceDataError(f"dhis2-attributes.yaml: {error!r}") from None
        uids = [found.tracked_entity_type, found.program, *(known.uid for known in attributes)]
        wrong = [uid for uid in (*uids, f"{found.org_unit_prefix}00000") if not _UID.fullmatch(uid)]
        if wrong:
            raise ReferenceDataError(f"dhis2-attributes.yaml: {', '.join(wrong)} is no DHIS2 identifier (11 signs)")
        return found

    def unit_of(self, org_unit: str) -> str | None:
        """The commune code of an orgUnit: behind our prefix, or as it is; None where it is neither."""
        code = org_unit.removeprefix(self.org_unit_prefix)
        return code if re.fullmatch(r"\d{5}", code) else None

    def attribute(self, uid: str | None, code: str | None) -> Attribute | None:
        """An attribute by uid, else by code."""
        return next((known for known in self.attributes if known.uid == uid or (not uid and known.code == code)), None)


@dataclass(frozen=True)
class Exchange:
    """What all exchanges share: FHIR's words, what a sector's source is taken to be, the largest bodies."""

    fhir: FhirWords
    registers: Mapping[str, Register]
    most_bytes: int
    most_records: int

    @classmethod
    @kept
    def load(cls) -> Self:
        """From exchange.yaml. Raises `ReferenceDataError`."""
        data: dict[str, Any] = read_yaml("exchange.yaml")
        try:
            fhir = data["fhir"]
            identifiers = {
                field: IdentifierSystem(field, row["system"], row["type"], tuple(row.get("also", ())))
                for field, row in fhir["identifiers"].items()
            }
            return cls(
                FhirWords(fhir["base"], identifiers, fhir["relations"]),
                data["registers"],
                int(data["limits"]["bytes"]),
                int(data["limits"]["records"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReferenceDataError(f"exchange.yaml: {error!r}") from None

    def register_of(self, sector: str | None) -> Register:
        """What a source of a sector is taken to send: a report where nothing is said of it."""
        return self.registers.get(sector or "", "report")
