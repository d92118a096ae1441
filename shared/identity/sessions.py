"""Signed tokens: the session cookie, the form token against forged requests, and the demo's bearer token.

It must never put more into a cookie than an id, and never take a token made for one purpose as one for another.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from itsdangerous import BadData, URLSafeTimedSerializer

SESSION_SECONDS = 12 * 3600
DEMO_TOKEN_PREFIX = "vongtay-demo."  # noqa: S105 - a prefix that tells its kind, no secret


@dataclass(frozen=True, slots=True)
class Session:
    """What a session cookie says: whose it is, and the nonce that form tokens are bound to."""

    person_id: str
    nonce: str


class Signer:
    """Makes and checks signed tokens with one secret that all replicas share."""

    def __init__(self, secret: str, max_age: int = SESSION_SECONDS) -> None:
        self._key = secret.encode()
        self._max_age = max_age
        self._sessions = URLSafeTimedSerializer(secret, salt="vongtay.session")
        self._demo = URLSafeTimedSerializer(secret, salt="vongtay.demo-token")

    def session_cookie(self, person_id: str, stamp: str) -> str:
        """In: who, and the stamp of the credential used. Out: a cookie value good for 12 hours."""
        return self._sessions.dumps([person_id, stamp, secrets.token_urlsafe(16)])

    def session(self, cookie: str, stamp_of: Callable[[str], str | None]) -> Session | None:
        """Out: the session, None when the cookie is forged, old, or made before the credential changed."""
        try:
            person_id, stamp, nonce = self._sessions.loads(cookie, max_age=self._max_age)
        except (BadData, ValueError, TypeError):
            return None
        current = stamp_of(person_id)
        if current is None or not hmac.compare_digest(str(stamp), current):
            return None
        return Session(person_id, nonce)

    def form_token(self, binding: str) -> str:
        """Out: the token that a form of this browser session carries. The same for all its pages: they stay cacheable
        by ETag, and two tabs do not disturb each other."""
        return hmac.new(self._key, b"vongtay.form\x00" + binding.encode(), hashlib.sha256).hexdigest()

    def form_token_fits(self, binding: str, token: str) -> bool:
        """Whether the form was made by us for this browser session."""
        return hmac.compare_digest(self.form_token(binding).encode(), token.encode())

    def demo_token(self, person_id: str) -> str:
        """Out: a bearer token for one of the made-up people, good for 12 hours."""
        return DEMO_TOKEN_PREFIX + self._demo.dumps(person_id)

    def demo_person(self, token: str) -> str | None:
        """Out: whose demo token it is, None when it is none."""
        if not token.startswith(DEMO_TOKEN_PREFIX):
            return None
        try:
            return str(self._demo.loads(token.removeprefix(DEMO_TOKEN_PREFIX), max_age=self._max_age))
        except BadData:
            return None
