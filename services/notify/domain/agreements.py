"""Data-sharing agreements: what a partner organisation is told, for what purpose, until when, and what happens when it
ends.

Nothing goes to a partner outside an agreement that both sides have signed and that is in force. By default it hears
what happened and where to look; a field of a child only where the agreement names it, sealed to the partner's own key.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final, Literal, get_args

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pydantic import BaseModel

from services.notify.domain.matching import candidates, is_internal, matches
from shared.contracts.base import Contract, SealedBox
from shared.contracts.errors import Rejected, Violation
from shared.identity import Permission, Principal, Role
from shared.reference.calendar import local_day

AgreementState = Literal["proposed", "active", "suspended", "ended"]
AgreementAct = Literal["propose", "accept", "suspend", "resume", "end", "expire", "confirm"]
# Which act leads from which states to which.
_COURSE: Mapping[AgreementAct, tuple[tuple[AgreementState, ...], AgreementState]] = {
    "accept": (("proposed",), "active"),
    "suspend": (("active",), "suspended"),
    "resume": (("suspended",), "active"),
    "end": (("proposed", "active", "suspended"), "ended"),
    "expire": (("active", "suspended", "proposed"), "ended"),
    "confirm": (("ended",), "ended"),
}
# Why something is not told to a partner.
NotTold = Literal["not-signed", "suspended", "ended", "not-yet", "over", "event-not-covered", "unit-not-covered"]
_CLOSED: Mapping[AgreementState, NotTold] = {"proposed": "not-signed", "suspended": "suspended", "ended": "ended"}
# How the reason begins why a delivery was not sent for its agreement's sake.
_BY_AGREEMENT: Final = "agreement-"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an agreement allows.

    `purpose`, `legal_basis`: codes of the reference data. `event_types`: types or patterns. `units`: communes; None:
    all. `fields`: what may be told of a child or a case beyond the codes, as `event type: dotted field` of sealed
    fields only. `valid_until`: the last day. `reference`: number of the signed paper.
    """

    purpose: str
    legal_basis: str
    event_types: tuple[str, ...]
    units: tuple[str, ...] | None
    fields: tuple[str, ...]
    valid_from: date
    valid_until: date
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement. `public_key`: the partner's X25519 key, base64, to which what is fuller is sealed."""

    id: str
    org: str
    terms: Terms
    state: AgreementState
    changed_at: datetime
    proposed_by: str
    accepted_by: str | None = None
    public_key: str | None = None
    reason: str | None = None
    sequence: int = 1

    @property
    def kid(self) -> str:
        """The name by which boxes refer to the partner's key: it says which key, so another has another name."""
        digest = hashlib.sha256(base64.b64decode(self.public_key or "")).hexdigest()
        return f"partner/{self.org}/{digest[:16]}"

    def not_told(self, event_type: str, unit: str | None, now: datetime) -> NotTold | None:
        """Why an event is not told to this partner now; None: it is."""
        day = local_day(now)
        if self.state != "active":
            return _CLOSED[self.state]
        if day < self.terms.valid_from:
            return "not-yet"
        if day > self.terms.valid_until:
            return "over"
        if is_internal(event_type) or not any(matches(pattern, event_type) for pattern in self.terms.event_types):
            return "event-not-covered"
        if self.terms.units is not None and unit not in self.terms.units:
            return "unit-not-covered"
        return None

    def fields_of(self, event_type: str) -> tuple[str, ...]:
        """The sealed fields of a type that the partner may have, dotted; none where nothing fuller is agreed."""
        found = (one.partition(":") for one in self.terms.fields)
        return tuple(path.strip() for named, _, path in found if named == event_type)

    def covers(self, patterns: Collection[str], units: Collection[str] | None, known: Collection[str]) -> bool:
        """Whether a subscription stays within the agreement: its types of those that are `known`, and its communes.

        Without communes it asks for all that the agreement has.
        """
        allowed = {name for name in known if any(matches(pattern, name) for pattern in self.terms.event_types)}
        wanted = {name for name in known for pattern in patterns if pattern in candidates(name)}
        within = self.terms.units is None or units is None or set(units) <= set(self.terms.units)
        return bool(wanted) and wanted <= allowed and within


@dataclass(frozen=True, slots=True)
class Known:
    """What terms may speak of: codes of the reference data, event types, and the sealed fields of each type."""

    purposes: Collection[str]
    legal_bases: Collection[str]
    event_types: Collection[str]
    units: Collection[str]
    sealed_fields: Mapping[str, Collection[str]]
    most_years: int = field(default=5)


def propose(identifier: str, org: str, terms: Terms, actor: Principal, now: datetime, known: Known) -> Agreement:
    """The province offers an agreement: it holds once the partner has accepted it. Raises: `Rejected` naming each
    term.
    """
    require_province(actor)
    if violations := list(_violations(terms, known, now)):
        raise Rejected(violations)
    return Agreement(identifier, org, terms, "proposed", now, actor.id)


def accept(agreement: Agreement, public_key: str | None, actor: Principal, now: datetime) -> Agreement:
    """The partner signs, with its public key where something fuller is agreed. Raises: `Rejected`."""
    _require_partner(agreement, actor)
    if agreement.terms.fields and public_key is None:
        raise _refused("public_key", "key-missing", *_NO_KEY)
    if public_key is not None and not is_key(public_key):
        raise _refused("public_key", "key-invalid", *_BAD_KEY)
    if local_day(now) > agreement.terms.valid_until:
        raise _refused("state", "agreement-over", *_OVER)
    moved = _move(agreement, "accept", now)
    return replace(moved, accepted_by=actor.id, public_key=public_key)


def change(
    agreement: Agreement, act: Literal["suspend", "resume", "end"], reason: str, actor: Principal, now: datetime
) -> Agreement:
    """Suspend, resume or end. The province may do all of it; a partner may end what it signed. Raises: `Rejected`."""
    if not (act == "end" and _speaks_for(agreement, actor)):
        require_province(actor)
    if not reason.strip() and act != "resume":
        raise _refused("reason", "reason-missing", *_NO_REASON)
    return replace(_move(agreement, act, now), reason=reason.strip() or None)


def expire(agreement: Agreement, now: datetime, bases: Collection[str]) -> Agreement | None:
    """The agreement after its last day has passed, or after the law no longer knows the ground on which it rests (it is
    not among `bases`); None where it goes on, or had ended."""
    if agreement.state == "ended":
        return None
    if agreement.terms.legal_basis not in bases:
        return replace(_move(agreement, "expire", now), reason="ground-ended")
    if local_day(now) <= agreement.terms.valid_until:
        return None
    return replace(_move(agreement, "expire", now), reason="expired")


def confirm(agreement: Agreement, actor: Principal, now: datetime) -> Agreement:
    """The partner says that it has deleted what it received. Raises: `Rejected` unless the agreement has ended, or
    where it was never signed: nothing was received then."""
    _require_partner(agreement, actor)
    if not was_signed(agreement):
        raise _refused("state", "agreement-state", *_WRONG_STATE)
    return replace(_move(agreement, "confirm", now), reason=agreement.reason)


def was_signed(agreement: Agreement) -> bool:
    """Whether the partner has signed, however the agreement stands now."""
    return agreement.accepted_by is not None


def sealed_paths(model: type[Contract]) -> tuple[str, ...]:
    """What of an event may be told under an agreement: its sealed fields, dotted, and nothing else."""
    found: list[str] = []
    for name in model.sealed_fields():
        inner = [kind for kind in _models(model.model_fields[name].annotation) if kind is not SealedBox]
        found += [f"{name}.{field}" for kind in inner for field in kind.model_fields] or [name]
    return tuple(found)


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [found for part in get_args(annotation) for found in _models(part)]


def stops(before: Agreement, after: Agreement) -> bool:
    """Whether what waits must stop, and what was sealed be kept no longer where it has ended: also after a
    suspension, which only stopped it."""
    return before.state in {"active", "suspended"} and after.state in {"suspended", "ended"}


def retracts(before: Agreement, after: Agreement) -> bool:
    """Whether the partner is sent a retraction: it had been told something that it may hold no more."""
    return after.state == "ended" and before.state in {"active", "suspended"}


def closed_because(state: AgreementState | Literal["not-yet"]) -> str:
    """The reason of a delivery that is not sent because its agreement lets nothing out."""
    return _BY_AGREEMENT + state


def closed_by_agreement(reason: str | None) -> bool:
    """Whether that was a delivery's reason."""
    return reason is not None and reason.startswith(_BY_AGREEMENT)


def is_key(text: str) -> bool:
    """Whether a text is a public key in base64, and none of the points with which any secret gives the same result
    (RFC 7748, 6.1): what is sealed to those everybody can open."""
    try:
        raw = base64.b64decode(text, validate=True)
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(raw))
    except ValueError:
        return False
    return True


def require_province(actor: Principal) -> None:
    """Raises: `Rejected` unless it is somebody who may bind the province."""
    if actor.role is not Role.COORDINATOR:
        raise _refused("actor", "not-yours", *_NOT_PROVINCE)


def may_read(agreement: Agreement, actor: Principal) -> bool:
    """Whether somebody may see an agreement: those who sign it, and those who keep the platform up."""
    return may_read_all(actor) or _speaks_for(agreement, actor)


def may_read_all(actor: Principal) -> bool:
    """Whether somebody may see the agreements of every organisation."""
    return actor.role is Role.COORDINATOR or actor.may(Permission.OPERATE)


def _speaks_for(agreement: Agreement, actor: Principal) -> bool:
    return actor.role is Role.PARTNER and actor.org == agreement.org


def _require_partner(agreement: Agreement, actor: Principal) -> None:
    if not _speaks_for(agreement, actor):
        raise _refused("actor", "not-yours", *_NOT_PARTNER)


def _move(agreement: Agreement, act: AgreementAct, now: datetime) -> Agreement:
    sources, target = _COURSE[act]
    if agreement.state not in sources:
        raise _refused("state", "agreement-state", *_WRONG_STATE)
    return replace(agreement, state=target, changed_at=now, reason=None, sequence=agreement.sequence + 1)


def _violations(terms: Terms, known: Known, now: datetime) -> Sequence[Violation]:
    wrong: list[Violation] = []
    if terms.purpose not in known.purposes:
        wrong.append(_wrong("purpose", "purpose-unknown", *_WHICH_PURPOSE))
    if terms.legal_basis not in known.legal_bases:
        wrong.append(_wrong("legal_basis", "basis-unknown", *_WHICH_BASIS))
    covered = [{name for name in known.event_types if matches(pattern, name)} for pattern in terms.event_types]
    if not covered or not all(covered):
        wrong.append(_wrong("event_types", "event-type-unknown", *_WHICH_EVENTS))
    if terms.units is not None and (not terms.units or set(terms.units) - set(known.units)):
        wrong.append(_wrong("units", "unit-unknown", *_WHICH_UNITS))
    every = set().union(*covered) if covered else set()
    for one in terms.fields:
        named, _, path = one.partition(":")
        if named not in every or path.strip() not in known.sealed_fields.get(named, ()):
            wrong.append(_wrong("fields", "field-unknown", *_WHICH_FIELDS))
            break
    wrong += _violations_of_time(terms, known, now)
    return wrong


def _violations_of_time(terms: Terms, known: Known, now: datetime) -> Sequence[Violation]:
    if terms.valid_until < terms.valid_from or terms.valid_until < local_day(now):
        return [_wrong("valid_until", "ends-before", *_ENDS_BEFORE)]
    if terms.valid_until.year - terms.valid_from.year > known.most_years:
        return [_wrong("valid_until", "too-long", *_TOO_LONG)]
    return []


_NO_KEY = (
    "Thỏa thuận cho phép gửi thông tin đầy đủ hơn, nên cần khóa công khai (X25519) của tổ chức để niêm phong.",
    "The agreement allows fuller content, so the organisation's public key (X25519) is needed to seal it to.",
)
_BAD_KEY = (
    "Khóa công khai phải là 32 byte X25519, viết bằng base64.",
    "The public key must be 32 bytes of X25519, in base64.",
)
_OVER = ("Thỏa thuận đã quá ngày cuối cùng.", "The agreement's last day has passed.")
_NO_REASON = ("Hãy nêu lý do.", "State the reason.")
_NOT_PROVINCE = (
    "Chỉ điều phối viên cấp tỉnh được lập, tạm dừng hoặc chấm dứt thỏa thuận.",
    "Only a provincial coordinator may propose, suspend or end an agreement.",
)
_NOT_PARTNER = ("Chỉ tổ chức có tên trong thỏa thuận được ký.", "Only the organisation named in it may sign.")
_WRONG_STATE = (
    "Thỏa thuận đang ở trạng thái không cho phép việc này.",
    "The agreement is in a state that does not allow this.",
)
_WHICH_PURPOSE = ("Mục đích chia sẻ không có trong danh mục.", "The purpose is not in the list.")
_WHICH_BASIS = (
    "Căn cứ pháp lý không có trong danh mục, hoặc dựa trên sự đồng ý mà nền tảng không ghi nhận của từng trẻ.",
    "The legal basis is not in the list, or is a consent that the platform does not record of each child.",
)
_WHICH_EVENTS = ("Chọn ít nhất một loại sự kiện có trong danh mục.", "Choose at least one event type of the catalogue.")
_WHICH_UNITS = ("Có xã, phường không tồn tại.", "A commune does not exist.")
_WHICH_FIELDS = (
    "Có trường không thuộc phần niêm phong của loại sự kiện đã chọn.",
    "A field is not among the sealed ones of the chosen event types.",
)
_ENDS_BEFORE = ("Ngày cuối phải sau ngày đầu và chưa qua.", "The last day must follow the first, and not have passed.")
_TOO_LONG = (
    "Thỏa thuận kéo dài quá số năm cho phép; hãy gia hạn khi hết hạn.",
    "The agreement lasts longer than allowed; renew it when it ends.",
)


def _wrong(place: str, rule: str, vi: str, en: str) -> Violation:
    return Violation(place, rule, vi, en)


def _refused(place: str, rule: str, vi: str, en: str) -> Rejected:
    return Rejected([_wrong(place, rule, vi, en)])
