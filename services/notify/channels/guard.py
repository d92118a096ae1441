"""Keeps requests to addresses that somebody typed from reaching into our own network.

The address is checked where it is used: after resolving, on the very socket that is opened, so that a name which
changes its mind between check and connect gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from services.notify.channels.resolving import PooledResolver
from shared.contracts.errors import Violation

_MAX_URL = 2000
# Addresses that carry another one inside: what they reach depends on the network, so none of them is taken.
_WRAPPING = tuple(
    ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)


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
        if found.is_site_local or any(found in network for network in _WRAPPING):
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
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return [_wrong("url-invalid", "không phải địa chỉ hợp lệ", "is no valid address")]
    if parts.scheme not in schemes or not host or len(url) > _MAX_URL or not url.isprintable() or " " in url:
        return [_wrong("url-invalid", "phải là một địa chỉ https://", "must be an https:// address")]
    if parts.username or parts.password:
        return [_wrong("url-credentials", "không được chứa mật khẩu", "must not carry a password")]
    literal = _is_ip(host)
    if not allow_private and ((literal and not is_public(host)) or host == "localhost" or host.endswith(".localhost")):
        return [_wrong("url-private", "phải là máy chủ công khai", "must be a public server")]
    return []


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return False
    return True


def _wrong(rule: str, vi: str, en: str) -> Violation:
    return Violation("target", rule, f"Địa chỉ nhận {vi}.", f"The endpoint's URL {en}.")
