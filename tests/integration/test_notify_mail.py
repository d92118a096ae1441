"""E-mail that collects: plain text for every program, a picture and a table for who sees them, nothing fetched."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import orjson
import pytest
from pydantic import SecretStr

from services.notify.channels.digest_mail import DigestMail, counted, picture_of
from services.notify.channels.email import EmailChannel
from services.notify.digests import Digests
from services.notify.store.deliveries import Delivery, Target
from services.notify.texts import load_texts
from shared.messaging.outbox import new_id
from shared.web.i18n import Language
from shared.web.pages import Pages
from tests.integration.notify_house import House, concern, make_house, succeeded, until
from tests.support.receivers import MailServer


def digests_of(house: House) -> Digests:
    found: Digests = next(
        loop.__self__  # type: ignore[attr-defined]
        for loop in house.app.background
        if loop.__name__ == "digests"  # type: ignore[attr-defined]
    )
    return found


@pytest.mark.parametrize(("language", "title"), [("vi", "thông báo đang chờ anh chị"), ("en", "notices")])
async def test_a_digest_has_a_picture_a_table_and_each_thing_with_its_link(
    fresh_database: str, mail_server: MailServer, language: str, title: str
) -> None:
    mail = SecretStr(mail_server.url)
    async with make_house(fresh_database, smtp_url=mail) as house, house.client("lan.worker") as worker:
        await worker.mailbox("lan@phandinhphung.example", language=language)
        chosen = {"digest": "daily", "digest_at": "07:30", "language": language}
        await worker.http.put("/notify/api/preferences", json=chosen, headers={"x-form-token": worker._token})
        await house.hear(*((f"e{number}", concern("no")) for number in range(3)))
        house.shift = timedelta(hours=25)
        assert await digests_of(house).once()
        house.start()
        await until(lambda: succeeded(house, 1))
        (message,) = mail_server.messages
        assert title in str(message["Subject"])
        plain, seen = message.get_body(("plain",)), message.get_body(("html",))
        assert isinstance(plain, EmailMessage)
        assert isinstance(seen, EmailMessage)
        html = seen.get_content()
        assert plain.get_content().count("http://vongtay.test/cases") == 3
        assert html.count('href="http://vongtay.test/cases"') == 3
        assert f'<html lang="{language}">' in html
        assert re.search(r'<td align="right">3</td>', html)
        # Nothing is fetched when it is opened, and nobody learns that it was.
        assert set(re.findall(r'src="(\w+):', html)) == {"cid"}
        assert not re.search(r"female|6-10|neglect|Lan", html)
        (picture,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
        assert picture["Content-ID"] in html.replace("cid:", "<").replace('" alt', '>" alt')
        assert picture.get_payload(decode=True).startswith(b"\x89PNG")  # type: ignore[union-attr]


def test_kinds_are_counted_in_words_and_drawn_however_many_there_are() -> None:
    texts = load_texts()
    names = list(texts.wordings)[:12]
    items = [{"event_type": name} for at, name in enumerate(names) for _ in range(12 - at)]
    found = counted(items, texts, "vi")
    assert [number for _, number in found] == sorted((number for _, number in found), reverse=True)
    assert sum(number for _, number in found) == len(items)
    assert picture_of(found).startswith(b"\x89PNG")


BASE = "https://vong-tay.bao-ve-tre-em.so-y-te.thainguyen.gov.vn"
AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def mailed(language: Language, unit: str | None = None, items: tuple[dict[str, object], ...] = ()) -> EmailMessage:
    """The e-mail about a case that was opened, or one that collects."""
    texts, named = load_texts(), Pages().unit_name
    mails = DigestMail(texts, named, Pages("services.notify").fragment)
    channel = EmailChannel("smtp://127.0.0.1:9", "vong-tay@tinh.example", texts, named, mails, BASE, 1)
    body = orjson.dumps({"data": {"link": f"{BASE}/cases/c/TN-2026-000328", "items": items}})
    kind, case = "notify.digest" if items else "cases.case.opened", "TN-2026-000328"
    delivery = Delivery(
        new_id(), new_id(), None, new_id(), AT, 0, 0, 1, False, None, None, kind, unit, None, case, None, body, None
    )
    return channel.compose(delivery, Target("e1", "lan@xa.example", (), language, None, AT), AT)


def test_a_mail_program_finds_where_to_switch_it_off_however_long_the_address() -> None:
    heads = mailed("vi").as_bytes().partition(b"\n\n")[0].decode()
    assert f"\nList-Unsubscribe: <{BASE}/notify/subscriptions/e1>" in heads
    assert heads.startswith("Subject: =?utf-8?")


@pytest.mark.parametrize(("language", "said"), [("vi", "Chưa xác định xã, phường"), ("en", "Commune not known")])
def test_where_no_commune_is_known_mails_say_so_in_words(language: Language, said: str) -> None:
    case = {"event_type": "cases.case.opened", "case_id": "c1", "case_code": "TN-2026-000328"}
    item: dict[str, object] = {**case, "unit": "unclassified", "due": None, "link": BASE}
    for message in (mailed(language, "unclassified"), mailed(language, items=(item,))):
        plain = message.get_body(("plain",))
        assert isinstance(plain, EmailMessage)
        assert said in plain.get_content()
        assert "unclassified" not in plain.get_content()
