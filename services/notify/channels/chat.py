"""Messages in a chat (Zalo and its like) through its HTTP interface, whose payload is data: notify-chat.yaml.

Where the chat's account is a company's, so is what is written there: it says what happened and where to look, nothing
of the child.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson

from services.notify.channels.http import Caller, Guarding
from services.notify.channels.wording import UnitName, said_of
from services.notify.domain import Attempt
from services.notify.store.deliveries import Delivery, Target
from services.notify.texts import Texts
from shared.messaging.outbox import OutboxRow
from shared.reference.notify_chat import ChatShape

_BUSY: Final = 429


class ChatChannel:
    """Posts messages to the chat.

    Args:
        shape: how it wants them. url: where they go; None: as the shape says. token: of the organisation's account.
        guarding: what requests may reach. timeout: seconds for one.
    """

    # One company takes them all.
    at_once: int | None = 8
    writes: bool = False

    def __init__(
        self,
        shape: ChatShape,
        url: str | None,
        token: str,
        texts: Texts,
        unit_name: UnitName,
        guarding: Guarding,
        timeout: float,
    ) -> None:
        self._shape = shape
        self._url = url or shape.url
        self._token = token
        self._texts = texts
        self._unit_name = unit_name
        self._caller = Caller(guarding, timeout)

    async def open(self) -> None:
        """Open the session."""
        await self._caller.open()

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()

    async def send(self, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        """One message to one account."""
        places = {**self._places(delivery, target), "token": self._token}
        body = orjson.dumps(filled(self._shape.body, places))
        headers = {name: str(filled(value, places)) for name, value in self._shape.headers.items()}
        made = await self._caller.post(self._url, body, {"content-type": "application/json", **headers}, now)
        return self._read(made, target)

    def effect(self, delivery: Delivery, target: Target, now: datetime) -> OutboxRow | None:
        """Nothing beside the log."""
        return None

    def _places(self, delivery: Delivery, target: Target) -> dict[str, str]:
        said = said_of(delivery, self._unit_name, target.language)
        lines = self._texts.lines(said.fields, target.language, said.link, said.acknowledge)
        return {
            "recipient": target.address,
            "text": "\n".join(lines),
            "title": self._texts.title(said.fields, target.language),
            "link": said.acknowledge or said.link,
            "id": delivery.id,
        }

    def _read(self, made: Attempt, target: Target) -> Attempt:
        """What became of it: such interfaces answer 200 to everything, and say in the body what they mean. What is
        not the account's fault is the chat's, and the chat is ours."""
        code = self._code(made.response) if made.outcome == "taken" else None
        # An answer may repeat the account, and the log is read by more people than the message.
        said = made.response.replace(target.address, "…")
        if made.outcome == "taken" and code in self._shape.taken:
            return Attempt("taken", made.duration_ms, made.status, said)
        if code in self._shape.gone or made.outcome == "gone":
            return Attempt("gone", made.duration_ms, made.status, said, "account-gone")
        busy = code in self._shape.busy or made.status == _BUSY
        reason = "chat-busy" if busy else made.reason or f"chat-{code or 'unread'}"
        return Attempt("again", made.duration_ms, made.status, said, reason, made.retry_after, ours=True)

    def _code(self, response: str) -> str | None:
        """What the answer says at the shape's place; None where it says nothing there."""
        try:
            found: Any = orjson.loads(response)
            for name in self._shape.code_at:
                found = found[name]
        except (orjson.JSONDecodeError, LookupError, TypeError):
            return None
        return str(found)


def filled(template: Any, places: dict[str, str]) -> Any:
    """A shape with its places filled in; whatever stands in a place, it stays a text of its own."""
    if isinstance(template, str):
        for name, value in places.items():
            if template == "{" + name + "}":
                return value
        parts = template.split("{")
        return parts[0] + "".join(_part(part, places) for part in parts[1:])
    if isinstance(template, dict):
        return {name: filled(value, places) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, places) for value in template]
    return template


def _part(part: str, places: dict[str, str]) -> str:
    """What follows an opening brace: a place and what is behind it, or words that only look so."""
    name, closed, rest = part.partition("}")
    return places[name] + rest if closed and name in places else "{" + part
