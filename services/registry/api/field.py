"""Rounds in JSON, for the phone: a list to take along, what opens it, and answers back, however late."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field

from services.registry.rounds import MOST_ANSWERS, Place, Rounds, as_sent
from services.registry.seeing import Editor, NotThereError
from shared.identity import identity_of
from shared.reference.calendar import local_day


class Answers(BaseModel):
    """Answers, each judged by itself: one that makes no sense keeps no other from being taken."""

    answers: Annotated[list[Any], Field(max_length=MOST_ANSWERS)]


def routes(rounds: Rounds) -> APIRouter:
    """The routes of this part."""
    router = APIRouter(prefix="/field")

    @router.get("/session")
    async def session(request: Request, principal: Editor) -> dict[str, str]:
        """Who is signed in, the token with which this browser's phone page sends, our clock. 401 where nobody is."""
        token = identity_of(request).form_token(request)
        return {"person": principal.id, "form_token": token, "now": rounds.now().isoformat()}

    @router.post("/lists/{list_id}/download")
    async def download(list_id: str, principal: Editor) -> dict[str, Any]:
        """A round's children as they are known, for the phone to keep until `until`. Each child's leaving is logged."""
        try:
            found = await rounds.download(principal, list_id)
        except NotThereError:
            raise HTTPException(404) from None
        listed = found.listed
        return {
            "list_id": listed.id,
            "owner": listed.person,
            "made_at": listed.made_at,
            "until": listed.until,
            "kind": listed.kind,
            "unit": listed.unit,
            "hamlet": listed.hamlet,
            "children": [_child(place) for place in found.places if place.row is not None],
        }

    @router.post("/lists/{list_id}/keys")
    async def keys(list_id: str, principal: Editor) -> dict[str, Any]:
        """What opens a list on its owner's phone: `answers` always, `list` (AES-GCM, base64) only until `until`."""
        try:
            listed, answers, known = await rounds.keys(principal, list_id)
        except NotThereError:
            raise HTTPException(404) from None
        return {
            "until": listed.until,
            "answers": base64.b64encode(answers).decode(),
            "list": base64.b64encode(known).decode() if known is not None else None,
        }

    @router.post("/answers")
    async def answers(sent: Answers, principal: Editor) -> dict[str, Any]:
        """Take answers, at most 200 at a time, in any order, each once by its id. Out: what became of each, in
        their order: taken, conflict (the record says something else by now: nothing was saved) or refused."""
        return {"outcomes": [as_sent(await rounds.answer(principal, one)) for one in sent.answers]}

    return router


def _child(place: Place) -> dict[str, Any]:
    row = place.row
    if row is None:
        raise ValueError("a child that is not theirs to see")
    return {
        "child_id": place.child_id,
        "number": place.number,
        "version": row.sequence,
        "texts": dict(place.texts),
        "done": place.given is not None,
        "last": None
        if place.last is None
        else {
            "on": local_day(place.last.given_at).isoformat(),
            "result": place.last.detail.get("result"),
            "note": place.last.detail.get("note", ""),
        },
    }
