"""A receiver believes what the platform signed, once, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from standardwebhooks import Webhook

from agency.receiver import application
from agency.webhooks import NotGenuine, Receiver

SECRET = "whsec_" + base64.b64encode(b"a" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"b" * 24).decode()
BODY = json.dumps({"type": "vn.vongtay.cases.case.opened", "data": {"case_id": "x"}}).encode()


def headers(identifier: str = "msg_1", body: bytes = BODY, secret: str = SECRET, age: float = 0) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(seconds=age)
    return {
        "Webhook-Id": identifier,
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign(identifier, at, body.decode()),
    }


def test_a_genuine_message_is_handled_once_even_over_a_restart(tmp_path: Path) -> None:
    seen = tmp_path / "seen.db"
    receiver = Receiver([SECRET], seen)
    message = receiver.check(BODY, headers())
    assert (message.type, message.again) == ("vn.vongtay.cases.case.opened", False)
    assert not receiver.check(BODY, headers()).again  # its effect may have failed: only `handled` says it is done
    receiver.handled(message)
    receiver.close()
    assert Receiver([SECRET], seen).check(BODY, headers()).again


def test_both_secrets_fit_while_one_is_being_changed() -> None:
    receiver = Receiver([OTHER, SECRET])
    assert receiver.check(BODY, headers()).id == receiver.check(BODY, headers(secret=OTHER)).id


@pytest.mark.parametrize(
    ("body", "given"),
    # Made when the test runs: a signature's age counts from then.
    [
        (BODY.replace(b"opened", b"closed"), headers),
        (BODY, lambda: headers(secret=OTHER)),
        (BODY, lambda: headers(age=600)),
        (BODY, lambda: headers(age=-600)),
        (BODY, lambda: headers() | {"Webhook-Id": "msg_2"}),
        (BODY, lambda: headers() | {"Webhook-Timestamp": "now"}),
        (BODY, lambda: headers() | {"Webhook-Signature": "v1,"}),
        (BODY, lambda: headers() | {"Webhook-Signature": "v1"}),
        (BODY, lambda: headers() | {"Webhook-Signature": "é"}),
        (BODY, dict),
        (b"[1]", lambda: headers(body=b"[1]")),
        (b"{", lambda: headers(body=b"{")),
    ],
)
def test_what_is_changed_old_foreign_or_no_event_is_not_genuine(
    body: bytes, given: Callable[[], dict[str, str]]
) -> None:
    with pytest.raises(NotGenuine):
        Receiver([SECRET]).check(body, given())


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%"])
def test_a_secret_that_is_none_is_refused_at_once(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        Receiver([secret])


async def test_the_example_answers_as_the_platform_expects(capsys: pytest.CaptureFixture[str]) -> None:
    async with TestClient(TestServer(application(Receiver([SECRET])))) as client:
        for _ in range(2):
            answer = await client.post("/hook", data=BODY, headers=headers())
            assert answer.status == 204
        assert (await client.post("/hook", data=b"{}", headers=headers())).status == 401
    assert capsys.readouterr().out == "vn.vongtay.cases.case.opened\n"


async def test_the_example_runs_as_a_program() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agency.receiver", "--port", "0", "--secret", SECRET),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
        url = line.split()[-1]
        async with aiohttp.ClientSession() as session, session.post(url, data=BODY, headers=headers()) as answer:
            assert answer.status == 204
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"vn.vongtay.cases.case.opened\n"
    finally:
        process.terminate()
        await process.wait()
