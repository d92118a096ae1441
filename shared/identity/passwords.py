"""Passwords and machine tokens: how they are made, kept and compared.

It must never keep a password or token in clear, and never answer faster for a name that does not exist.
"""

import asyncio
import hashlib
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# Each check takes 64 MiB for a moment: a sign-in storm queues here instead of exhausting the machine.
CHECKS_AT_ONCE = 2

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """In: a password in clear. Out: its argon2id hash, to be kept in the users file."""
    return _hasher.hash(password)


def is_argon2id(value: str) -> bool:
    """Whether the value is a hash that `Passwords.match` can check."""
    return value.startswith("$argon2id$") and value.count("$") == 5


def new_token() -> tuple[str, str]:
    """Out: a bearer token (shown once to whoever runs the machine) and its SHA-256, to be kept in the users file."""
    token = secrets.token_urlsafe(32)
    return token, token_digest(token)


def token_digest(token: str) -> str:
    """Out: SHA-256 in hex. Tokens are 256 random bits, so a slow hash would only slow the publishers."""
    return hashlib.sha256(token.encode()).hexdigest()


class Passwords:
    """Compares passwords off the event loop, a few at a time."""

    def __init__(self) -> None:
        self._gate = asyncio.Semaphore(CHECKS_AT_ONCE)

    async def match(self, stored: str | None, password: str) -> bool:
        """In: the stored hash, None where the name is unknown. Out: whether the password fits.

        An unknown name costs the same as a wrong password, so that names cannot be found out by timing.
        """
        async with self._gate:
            fits = await asyncio.to_thread(_verify, stored or _nobodys_hash(), password)
        return fits and stored is not None


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
