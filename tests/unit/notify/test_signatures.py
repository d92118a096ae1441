"""Signatures after Standard Webhooks: the specification's own vectors, its reference library, and our own receiver."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from agency.webhooks import NotGenuine, Receiver
from services.notify.signing import headers_of, new_secret, scheme_of, shown, signer_of

# libraries/python/tests/test_webhooks.py, `test_sign_function`, of the specification's repository.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_AT = datetime.fromtimestamp(1614265330, tz=UTC)
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
# RFC 8032, 7.1, "TEST 1" to "TEST 3": the specification has no vector for ed25519, and signs as that RFC says.
ED25519 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2465"
            "5141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb0"
            "0d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc0"
            "27beceea1ec40a"
        ),
    ),
]


def test_the_specifications_own_vector_is_signed_to_the_byte() -> None:
    headers = headers_of(VECTOR_ID, VECTOR_AT, VECTOR_BODY, (signer_of(VECTOR_SECRET),))
    assert headers == {
        "webhook-id": VECTOR_ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": VECTOR_SIGNATURE,
    }


@pytest.mark.parametrize("unpadded", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr"])
def test_a_secret_may_lack_its_padding_and_its_prefix_as_in_the_specifications_tests(unpadded: str) -> None:
    body = '{"test": 2432232314}'
    ours = signer_of(unpadded).sign(f"{VECTOR_ID}.1614265330.{body}".encode())
    assert ours == Webhook(unpadded).sign(VECTOR_ID, VECTOR_AT, body)
    assert signer_of("whsec_" + unpadded).sign(b"x") == signer_of(unpadded).sign(b"x")


@pytest.mark.parametrize(("seed", "public", "signed", "signature"), ED25519)
def test_key_pairs_sign_as_the_rfc_does(seed: str, public: str, signed: str, signature: str) -> None:
    private = bytes.fromhex(seed)
    for raw in (private, private + bytes.fromhex(public)):
        secret = "whsk_" + base64.b64encode(raw).decode()
        assert (
            signer_of(secret).sign(bytes.fromhex(signed))
            == "v1a," + base64.b64encode(bytes.fromhex(signature)).decode()
        )
        assert shown(secret) == "whpk_" + base64.b64encode(bytes.fromhex(public)).decode()
        assert scheme_of(secret) == "v1a"


def test_the_specifications_own_library_accepts_our_signature() -> None:
    secret, body = new_secret(), '{"type":"vn.vongtay.cases.case.opened","data":{"unit_name":"Đồng Hỷ"}}'.encode()
    headers = headers_of("msg_1", datetime.now(UTC), body, (signer_of(secret),))
    assert Webhook(secret).verify(body, headers)["data"] == {"unit_name": "Đồng Hỷ"}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)


def test_while_a_secret_is_changed_both_the_old_and_the_new_one_verify() -> None:
    old, new, pair = new_secret(), new_secret(), new_secret("v1a")
    headers = headers_of("msg_1", datetime.now(UTC), b"{}", (signer_of(new), signer_of(old)))
    Webhook(old).verify(b"{}", headers)
    Webhook(new).verify(b"{}", headers)
    # Also from one way of signing to the other, and past a signature of a kind that a library does not know.
    headers = headers_of("msg_1", datetime.now(UTC), b"{}", (signer_of(pair), signer_of(old)))
    assert [one.split(",")[0] for one in headers["webhook-signature"].split(" ")] == ["v1a", "v1"]
    Webhook(old).verify(b"{}", headers)
    assert Receiver([shown(pair)]).check(b"{}", headers).id == Receiver([old]).check(b"{}", headers).id == "msg_1"


def test_our_receiver_checks_a_key_pair_and_believes_no_other() -> None:
    pair, other, secret = new_secret("v1a"), new_secret("v1a"), new_secret()
    headers = headers_of("msg_1", datetime.now(UTC), b'{"type":"x"}', (signer_of(pair),))
    assert Receiver([shown(pair)]).check(b'{"type":"x"}', headers).type == "x"
    for trusted, body in ((shown(other), b'{"type":"x"}'), (secret, b'{"type":"x"}'), (shown(pair), b'{"type":"y"}')):
        with pytest.raises(NotGenuine):
            Receiver([trusted]).check(body, headers)


def test_a_signature_of_one_kind_is_never_read_as_one_of_the_other() -> None:
    secret, pair = new_secret(), new_secret("v1a")
    for trusted, signing in ((secret, secret), (shown(pair), pair)):
        headers = headers_of("msg_1", datetime.now(UTC), b"{}", (signer_of(signing),))
        kind, signature = headers["webhook-signature"].split(",")
        headers["webhook-signature"] = ("v1a" if kind == "v1" else "v1") + "," + signature
        with pytest.raises(NotGenuine):
            Receiver([trusted]).check(b"{}", headers)


def test_secrets_have_the_specifications_form_and_length() -> None:
    assert new_secret().startswith("whsec_")
    assert len(base64.b64decode(new_secret().removeprefix("whsec_"))) == 32
    assert new_secret("v1a").startswith("whsk_")
    assert shown(new_secret("v1a")).startswith("whpk_")
    assert shown(secret := new_secret()) == secret
    for wrong in ("whsec_***", "whsec_", "whsec_" + base64.b64encode(bytes(23)).decode(), "whsk_" + "AAAA"):
        with pytest.raises(ValueError, match=r"base64|bytes"):
            signer_of(wrong)


def test_an_id_with_a_full_stop_is_not_signed_and_no_secret_shows_itself() -> None:
    with pytest.raises(ValueError, match="full stop"):
        headers_of("msg.1", datetime.now(UTC), b"{}", (signer_of(new_secret()),))
    for secret in (new_secret(), new_secret("v1a")):
        assert secret.partition("_")[2][:8] not in repr(signer_of(secret))
