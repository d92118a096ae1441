"""Addresses that requests must not reach."""

from datetime import UTC, datetime

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography.hazmat.primitives.asymmetric import ec

from services.notify.addresses import PushSubscription
from services.notify.channels.guard import (
    ForbiddenAddressError,
    GuardedResolver,
    guarded_socket,
    is_public,
    url_violations,
)
from services.notify.channels.push import sealed
from services.notify.settings import NotifySettings
from services.notify.signing import SharedSecret
from services.notify.store.deliveries import Target
from tests.support.push import Browser, raw


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::7f00:1",
        "2001::1",
        "2001:db8::1",
        "2606:4700::5efe:a00:1",
        "100::1",
        "5f00::1",
        "3fff::1",
        "fec0::1",
        "192.0.0.8",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.1",
        "240.0.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "no address",
    ],
)
def test_an_address_inside_somebodys_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "203.119.8.1", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


class Answers(AbstractResolver):
    def __init__(self, *hosts: str) -> None:
        self._hosts = hosts

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=found, port=port, family=2, proto=0, flags=0) for found in self._hosts
        ]

    async def close(self) -> None:
        return


async def test_a_name_with_one_private_address_among_public_ones_is_refused() -> None:
    assert await GuardedResolver(Answers("8.8.8.8")).resolve("partner.example", 443)
    with pytest.raises(ForbiddenAddressError):
        await GuardedResolver(Answers("8.8.8.8", "169.254.169.254")).resolve("partner.example", 443)


def test_the_socket_itself_is_refused_where_a_name_was_never_resolved() -> None:
    with pytest.raises(ForbiddenAddressError):
        guarded_socket((2, 1, 6, "", ("127.0.0.1", 80)))
    guarded_socket((2, 1, 6, "", ("8.8.8.8", 443))).close()


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://partner.example/hook", None),
        ("https://partner.example:8443/hook?x=1", None),
        ("http://partner.example/hook", "url-invalid"),
        ("https://user:secret@partner.example/", "url-credentials"),
        ("https://127.0.0.1/", "url-private"),
        ("https://[::1]/", "url-private"),
        ("https://localhost/", "url-private"),
        ("https://LOCALHOST./", "url-private"),
        ("https://ⓛocalhost/", "url-private"),
        ("https://metadata.localhost/", "url-private"),
        ("https://metadata.google.internal/", "url-private"),
        ("https://printer.local/", "url-private"),
        ("https://kubernetes.default.svc/", "url-private"),
        ("https://router.home.arpa/", "url-private"),
        ("https://intranet/", "url-private"),
        # Every way to write 127.0.0.1 and its like.
        ("https://2130706433/", "url-invalid"),
        ("https://0x7f000001/", "url-invalid"),
        ("https://0x7f.0.0.1/", "url-invalid"),
        ("https://0177.0.0.1/", "url-invalid"),
        ("https://127.1/", "url-invalid"),
        ("https://１２７.０.０.１/", "url-private"),
        ("https://127。0。0。1/", "url-private"),
        ("https://[::ffff:127.0.0.1]/", "url-private"),
        ("https://[::ffff:7f00:1]/", "url-private"),
        ("https://[64:ff9b::a9fe:a9fe]/", "url-private"),
        ("https://[2002:7f00:1::]/", "url-private"),
        ("https://[fe80::1%25eth0]/", "url-private"),
        ("https://169.254.169.254/latest/meta-data", "url-private"),
        # Every way to hide the host behind another.
        ("https://partner.example@127.0.0.1/", "url-credentials"),
        ("https://@127.0.0.1/", "url-private"),
        ("https://127.0.0.1#@partner.example/", "url-private"),
        ("https://partner.example\\@127.0.0.1/", "url-invalid"),
        ("https://partner.example\t/", "url-invalid"),
        ("https:partner.example", "url-invalid"),
        ("//partner.example/", "url-invalid"),
        # Ports at which no webhook listens.
        ("https://partner.example:22/", "url-port"),
        ("https://partner.example:25/", "url-port"),
        ("https://partner.example:6667/", "url-port"),
        ("https://partner.example:0/", "url-port"),
        ("ftp://partner.example/", "url-invalid"),
        ("https://", "url-invalid"),
        ("https://partner.example:99999/", "url-invalid"),
        ("https://partner.example/ x", "url-invalid"),
        ("https://partner.example/" + "x" * 2000, "url-invalid"),
    ],
)
def test_an_endpoints_url_is_checked_before_it_is_kept(url: str, rule: str | None) -> None:
    assert [violation.rule for violation in url_violations(url, allow_private=False)] == ([rule] if rule else [])


def test_a_demo_takes_receivers_on_this_machine_and_production_does_not() -> None:
    assert not url_violations("http://127.0.0.1:9000/hook", allow_private=True)
    settings = NotifySettings(allow_private=None)
    assert settings.private_allowed("local")
    assert settings.private_allowed("test")
    assert not settings.private_allowed("production")
    assert NotifySettings(allow_private=True).private_allowed("production")


def test_an_address_never_shows_in_a_representation() -> None:
    secrets, since = (SharedSecret(b"key"),), datetime(2026, 3, 2, tzinfo=UTC)
    assert "partner" not in repr(Target("s", "https://partner.example", secrets, "vi", "o", since))


def test_a_browser_reads_what_the_rfcs_own_example_says_and_what_we_seal() -> None:
    # RFC 8291, 5 and appendix A.
    number = int.from_bytes(raw("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    browser = Browser(
        "https://push.example/x", ec.derive_private_key(number, ec.SECP256R1()), raw("BTBZMqHH6r4Tts7J_aSIgg")
    )
    example = (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert browser.read(raw(example)) == b"When I grow up, I want to be a watermelon"
    wanted = PushSubscription.model_validate_json(browser.to_json())
    assert browser.read(sealed("chào".encode(), wanted)) == "chào".encode()
