"""Keeps requests to addresses that somebody typed from reaching into our own network.

The address is checked where it is used: after resolving, on the very socket that is opened, so that a name which
changes its mind between check and connect gains nothing. URLs are read by the same library that sends the request, so
that no spelling means one server to the check and another to the connection.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.notify.channels.resolving import PooledResolver
from shared.contracts.errors import Violation

_MAX_URL: Final = 2000
_HTTPS: Final = 443
_FIRST_USER_PORT: Final = 1024
# Of the ports that browsers refuse to speak HTTP to, those above 1023 (WHATWG Fetch, "port blocking").
_BLOCKED_PORTS: Final = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080}
)
_V6_UNICAST: Final = ipaddress.ip_network("2000::/3")
# Addresses that carry another one inside (Teredo and its neighbours, 6to4: what they reach depends on the network),
# and what newer registries of special addresses keep back than the standard library knows.
_NOT_FOR_US: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("2001::/23", "2002::/16", "3fff::/20", "192.88.99.0/24", "192.0.0.0/24", "168.63.129.16/32")
)
# ISATAP (RFC 5214, 6.1) hides an IPv4 address behind any prefix.
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
# Names that never lead to a server of the internet: RFC 6761, 6762, 8375, ICANN's `internal`, and what clusters use.
_INNER_NAMES: Final = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "corp", "svc", "onion")
_NUMBER: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z", re.IGNORECASE)


class ForbiddenAddressError(OSError):
    """The address is not one of the public internet."""


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody on the internet could reach: not private, loopback, link-local (where
    clouds keep their metadata), shared, multicast, reserved, nor one of these wrapped into IPv6."""
    try:
        found = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        # Everything beside is local, wrapped (NAT64, IPv4-compatible and -translated) or nobody's yet.
        if found not in _V6_UNICAST or (int(found) >> 32) & 0xFFFFFFFF in _ISATAP:
            return False
    if any(found.version == network.version and found in network for network in _NOT_FOR_US):
        return False
    return found.is_global and not found.is_multicast


class GuardedResolver(AbstractResolver):
    """Resolves names, and refuses a name as soon as one of its addresses is not public."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or PooledResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """In: a host name. Out: its addresses. Errors: `ForbiddenAddressError`."""
        found = await self._inner.resolve(host, port, family)
        if not all(is_public(result["host"]) for result in found):
            raise ForbiddenAddressError("The name leads to an address that is not public")
        return found

    async def close(self) -> None:
        """Let go of the inner resolver."""
        await self._inner.close()


def guarded_socket(address_info: Any) -> socket.socket:
    """The last door: called with the exact address of each connection, also where the URL held no name at all."""
    family, kind, protocol, _, address = address_info
    if not is_public(str(address[0])):
        raise ForbiddenAddressError("The address is not public")
    opened = socket.socket(family=family, type=kind, proto=protocol)
    opened.setblocking(False)
    return opened


def url_violations(url: str, *, allow_private: bool) -> list[Violation]:
    """What is wrong with an endpoint's URL, before anything is sent to it."""
    schemes = {"https", "http"} if allow_private else {"https"}
    if len(url) > _MAX_URL or not url.isprintable() or " " in url or "\\" in url:
        return [_wrong("url-invalid", "phải là một địa chỉ https://", "must be an https:// address")]
    try:
        parts = URL(url)
        host, port = (parts.raw_host or "").lower().rstrip("."), parts.port
    except ValueError:
        return [_wrong("url-invalid", "không phải địa chỉ hợp lệ", "is no valid address")]
    if parts.scheme not in schemes or not host:
        return [_wrong("url-invalid", "phải là một địa chỉ https://", "must be an https:// address")]
    if parts.user is not None or parts.password is not None or "@" in parts.raw_authority:
        return [_wrong("url-credentials", "không được chứa mật khẩu", "must not carry a password")]
    if allow_private:
        return []
    if _is_ip(host):
        if not is_public(host):
            return [_wrong("url-private", "phải là máy chủ công khai", "must be a public server")]
    elif _NUMBER.match(host.rsplit(".", 1)[-1]):
        # 127.1, 0x7f000001, 017700000001, 2130706433: one address that looks like a hundred.
        return [
            _wrong("url-invalid", "phải viết địa chỉ IP theo cách thông thường", "must spell an IP address plainly")
        ]
    elif "." not in host or any(host == name or host.endswith("." + name) for name in _INNER_NAMES):
        return [_wrong("url-private", "phải là máy chủ công khai", "must be a public server")]
    if port is None or (port != _HTTPS and (port < _FIRST_USER_PORT or port in _BLOCKED_PORTS)):
        return [
            _wrong("url-port", "phải dùng cổng 443 hoặc một cổng từ 1024", "must use port 443, or one from 1024 on")
        ]
    return []


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return False
    return True


def _wrong(rule: str, vi: str, en: str) -> Violation:
    return Violation("target", rule, f"Địa chỉ nhận {vi}.", f"The endpoint's URL {en}.")
