"""What an agency needs to publish: where the platform is, who it is itself, and the key identity is sealed to."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict, dataclass
from typing import cast

import aiohttp
import orjson

from shared.contracts.vocabulary import Sector

_TIMEOUT = aiohttp.ClientTimeout(total=20)


class Unreachable(Exception):  # noqa: N818 - a state, and not for ever
    """The platform does not answer now.

    Args:
        retry_after: seconds that it asked to wait. perhaps_taken: whether it may have taken over what was sent last,
            so that "duplicate" may be its answer to the same event the next time.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, perhaps_taken: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.perhaps_taken = perhaps_taken


class Refused(Exception):  # noqa: N818 - the platform's word
    """The platform does not know the token, or does not take it for this."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One sector's access. `pepper` keys ids made from rows; `public_key` is 32 bytes, X25519."""

    base_url: str
    sector: Sector
    token: str
    pepper: bytes
    public_key: bytes
    key_id: str

    def __repr__(self) -> str:
        return f"Profile({self.base_url!r}, {self.sector!r})"  # the token must not reach a log

    @classmethod
    async def fetch(cls, base_url: str, *, token: str | None = None, demo_sector: Sector | None = None) -> Profile:
        """Ask the platform, with a token or, on a demo platform of this machine, as a sector's made-up agency.

        Raises `Unreachable`, `Refused`.
        """
        try:
            async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
                if token is None:
                    wanted = {"role": "agency", "sector": demo_sector}
                    async with session.post(f"{base_url}/identity/demo-token", json=wanted) as answer:
                        token = str((await _json(answer))["token"])
                headers = {"Authorization": f"Bearer {token}"}
                async with session.get(f"{base_url}/identity/profile", headers=headers) as answer:
                    known = await _json(answer)
            return cls(
                base_url,
                cast(Sector, known["sector"]),
                token,
                base64.b64decode(known["pepper"]),
                base64.b64decode(known["public_key"]),
                known["key_id"],
            )
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Unreachable(base_url) from None
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise Unreachable(f"{base_url} answers, but not as a platform does") from None

    def to_json(self) -> bytes:
        """For keeping, so that work goes on while the platform is away."""
        return orjson.dumps(
            asdict(self) | {"pepper": self.pepper.hex(), "public_key": self.public_key.hex()},
        )

    @classmethod
    def from_json(cls, text: bytes) -> Profile:
        """The inverse of `to_json`."""
        known = orjson.loads(text)
        return cls(
            **known | {"pepper": bytes.fromhex(known["pepper"]), "public_key": bytes.fromhex(known["public_key"])}
        )


async def _json(answer: aiohttp.ClientResponse) -> dict[str, str]:
    if answer.status in {401, 403, 404, 422}:
        raise Refused(str(answer.status))
    if answer.status != 200:
        raise Unreachable(str(answer.status))
    known: dict[str, str] = await answer.json()
    return known
