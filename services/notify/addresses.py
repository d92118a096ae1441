"""Where somebody asks to be reached: what is typed is checked, tidied, and a telephone number found again when it
answers.

It must never keep an address itself: what is stored is sealed, and of a number only a keyed digest is looked up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Annotated, Final

from cryptography.hazmat.primitives.asymmetric import ec
from email_validator import EmailNotValidError, validate_email
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from yarl import URL

from services.notify.channels.guard import url_violations
from services.notify.domain import ChannelName
from shared.contracts.errors import Violation

# Viet Nam's mobile numbers since 2018 (Circular 22/2014/TT-BTTTT and the plan of 14 September 2018): ten digits.
_MOBILE: Final = re.compile(r"(?:\+?84|0)([35789]\d{8})\Z")
_BETWEEN_DIGITS: Final = re.compile(r"[\s.\-()]+")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_.:@-]{3,100}\Z")
_AUTH_BYTES: Final = 16


class PushKeys(BaseModel):
    """With what a message to a browser is encrypted (RFC 8291, 2.1 and 3.2)."""

    model_config = ConfigDict(extra="ignore")

    p256dh: Annotated[str, Field(max_length=200)]
    auth: Annotated[str, Field(max_length=100)]


class PushSubscription(BaseModel):
    """What a browser's `PushSubscription.toJSON()` says."""

    model_config = ConfigDict(extra="ignore")

    endpoint: Annotated[str, Field(max_length=1500)]
    keys: PushKeys

    def public(self) -> bytes:
        """The browser's key, a point of P-256. Errors: ValueError."""
        point = _decoded(self.keys.p256dh)
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        return point

    def auth(self) -> bytes:
        """The secret that the browser shares. Errors: ValueError."""
        secret = _decoded(self.keys.auth)
        if len(secret) != _AUTH_BYTES:
            raise ValueError("The secret has 16 bytes")
        return secret


class Addresses:
    """Checks what people type.

    Args:
        number_key: of the digests by which numbers are found. allow_private: as for the channels.
    """

    def __init__(self, number_key: bytes, *, allow_private: bool) -> None:
        self._number_key = number_key
        self._allow_private = allow_private

    def violations(self, channel: ChannelName, target: str) -> list[Violation]:
        """What is wrong with an address of a channel."""
        if channel == "webhook":
            return url_violations(target, allow_private=self._allow_private)
        if channel == "push":
            return self._push_violations(target)
        if channel == "email" and not _is_email(target):
            return [_wrong("Địa chỉ thư không hợp lệ.", "No valid e-mail address.")]
        if channel == "sms" and mobile(target) is None:
            return [_wrong("Phải là số điện thoại di động ở Việt Nam.", "Must be a mobile number in Viet Nam.")]
        if channel == "chat" and not _ACCOUNT.match(target):
            return [_wrong("Mã tài khoản trò chuyện không hợp lệ.", "No valid account of the chat.")]
        return []

    def tidy(self, channel: ChannelName, target: str) -> str:
        """An address that has been checked, as it is kept."""
        if channel == "sms":
            return mobile(target) or target
        if channel == "push":
            return PushSubscription.model_validate_json(target).model_dump_json()
        return target

    def shown(self, channel: ChannelName, target: str) -> str:
        """An address as its owner sees it: of a browser only whose push service it has."""
        if channel == "push":
            return str(URL(PushSubscription.model_validate_json(target).endpoint).origin())
        return target

    def key(self, number: str) -> str:
        """By what a telephone number is found without being stored."""
        return hmac.digest(self._number_key, (mobile(number) or number).encode(), hashlib.sha256).hex()

    def _push_violations(self, target: str) -> list[Violation]:
        try:
            wanted = PushSubscription.model_validate_json(target)
            wanted.public()
            wanted.auth()
        except (ValidationError, ValueError):
            return [
                _wrong("Trình duyệt chưa cho phép thông báo đẩy đúng cách.", "No valid push subscription of a browser.")
            ]
        return url_violations(wanted.endpoint, allow_private=self._allow_private)


def mobile(text: str) -> str | None:
    """A mobile number as +84…, however it is written; None where it is none of Viet Nam's."""
    found = _MOBILE.match(_BETWEEN_DIGITS.sub("", text))
    return f"+84{found[1]}" if found else None


def _is_email(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None


def _wrong(vi: str, en: str) -> Violation:
    return Violation("target", "address-invalid", vi, en)
