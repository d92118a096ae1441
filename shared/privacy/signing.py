"""Signatures by which anybody can see that what the platform published was not changed since.

Ed25519 (RFC 8032) over the very bytes of a file, so that it is checked with any tool. It signs what is published, and
seals nothing.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY = 32


class SigningKey:
    """A key pair for one purpose, the same in every replica that holds the master key.

    Args:
        master: 32 bytes. purpose: what is signed; another purpose has another key.
    """

    def __init__(self, master: bytes, purpose: str) -> None:
        info = b"vongtay sign " + purpose.encode()
        secret = HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=None, info=info).derive(master)
        self._private = Ed25519PrivateKey.from_private_bytes(secret)

    @property
    def public(self) -> bytes:
        """What others check with: 32 bytes."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, content: bytes) -> bytes:
        """The signature: 64 bytes."""
        return self._private.sign(content)


def is_signed(content: bytes, signature: bytes, public: bytes) -> bool:
    """Whether the holder of `public`'s private key signed these very bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def as_pem(public: bytes) -> bytes:
    """A public key as programs read it (SubjectPublicKeyInfo, RFC 8410)."""
    return Ed25519PublicKey.from_public_bytes(public).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
