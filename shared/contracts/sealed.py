"""Content that an agreement allows a partner to have, sealed to its key by the service that holds the child's.

Notify passes it on and cannot read it: nobody between that service and the partner can.
"""

from __future__ import annotations

from typing import Final

from pydantic import AwareDatetime

from shared.contracts.base import Contract, SealedBox, contract

# Apart from the services' own topics, which are kept for ever: what is sealed to a partner no erasure reaches.
CONTENTS_TOPIC: Final = "sealed.contents.v1"


class SealedContent(Contract):
    """`box` holds a JSON object of `fields` (dotted) with their values, sealed to the partner's key (`box.kid`).

    `event_source`, `event_id`, `event_type`: the event whose content it is.
    """

    agreement_id: str
    org: str
    event_source: str
    event_id: str
    event_type: str
    event_time: AwareDatetime
    fields: list[str]
    box: SealedBox
    unit: str | None = None
    case_id: str | None = None
    child_id: str | None = None


@contract("cases.content.sealed", topic=CONTENTS_TOPIC)
class CaseContentSealed(SealedContent):
    """What an event of a case says beyond its codes, for one partner."""


@contract("registry.content.sealed", topic=CONTENTS_TOPIC)
class ChildContentSealed(SealedContent):
    """What an event of a child's record says beyond its codes, for one partner."""
