"""Files of cases and tasks for machines: listed, attached, opened; the same desk and the same rules as the pages.

A file's name is personal: it travels in bodies and headers, never in an address.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.cases import store
from services.cases.domain.attachments import Attachment
from services.cases.domain.model import Actor
from services.cases.filing import Filing
from services.cases.office import Office
from services.cases.reading import actor_of, reads_task_files
from shared.contracts.errors import Rejected
from shared.identity import SignedIn, Uploading
from shared.messaging.router import Scope


class Removal(BaseModel):
    """Why a file is removed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: str = Field(min_length=1, max_length=300)


class DocumentRoutes:
    """Files for machines.

    Args:
        office: does the work, one transaction a request.
    """

    def __init__(self, office: Office) -> None:
        self.office = office
        self.filing = Filing(office)

    async def documents(self, key: str, principal: SignedIn) -> dict[str, Any]:
        """The files of a case with their names, to the commune that works on it; remembered."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case = await self.filing.case(scope, key, actor)
            files = await store.attachments_of(scope.connection, case.id)
            await self.office.desk.files.reader.admit(scope.connection, case, actor, "documents", scope.now)
            return {"documents": [await _json(self.filing, scope, file) for file in files]}

    async def task_documents(self, task_id: str, principal: SignedIn) -> dict[str, Any]:
        """The files of a task, to the sector that was asked while it is open, and to the commune."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case, task = await self.filing.task(scope, task_id, actor)
            reads = reads_task_files(case, task, actor, scope.now)
            files = await store.attachments_of_task(scope.connection, task_id) if reads else []
            if files:
                await self.office.desk.files.reader.remember_task(scope.connection, case, actor, scope.now)
            return {"documents": [await _json(self.filing, scope, file) for file in files]}

    async def add(self, request: Request, key: str, principal: Uploading) -> dict[str, Any]:
        """Attach a file to a case: multipart/form-data with `caption` (optional) and `file`. 422 names the rule."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case = await self.filing.case(scope, key, actor)
        return _coarse(await _attached(self.filing, request, actor, case.id, None))

    async def add_to_task(self, request: Request, task_id: str, principal: Uploading) -> dict[str, Any]:
        """Attach a file to a task's answer, as above."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            case, _ = await self.filing.task(scope, task_id, actor)
        return _coarse(await _attached(self.filing, request, actor, case.id, task_id))

    async def file(self, request: Request, key: str, file_id: str, principal: SignedIn) -> Response:
        """A file's bytes; remembered. 410 where they were erased."""
        return await self.filing.opened(request, file_id, actor_of(principal), key=key)

    async def task_file(self, request: Request, task_id: str, file_id: str, principal: SignedIn) -> Response:
        """A file's bytes, by the task that it belongs to; remembered."""
        return await self.filing.opened(request, file_id, actor_of(principal), task_id=task_id)

    async def remove(self, key: str, file_id: str, removal: Removal, principal: SignedIn) -> dict[str, Any]:
        """Remove a file: its bytes are destroyed, the timeline keeps the reason."""
        await self.filing.remove(file_id, actor_of(principal), removal.reason, key=key)
        return {"id": file_id, "removed": True}


def add_routes(api: APIRouter, office: Office) -> None:
    """The routes of this part."""
    routes = DocumentRoutes(office)
    api.get("/cases/{key}/documents")(routes.documents)
    api.get("/tasks/{task_id}/documents")(routes.task_documents)
    api.post("/cases/{key}/documents", status_code=201)(routes.add)
    api.post("/tasks/{task_id}/documents", status_code=201)(routes.add_to_task)
    api.get("/cases/{key}/documents/{file_id}")(routes.file)
    api.get("/tasks/{task_id}/documents/{file_id}")(routes.task_file)
    api.post("/cases/{key}/documents/{file_id}/removal")(routes.remove)


async def _attached(filing: Filing, request: Request, actor: Actor, case_id: str, task_id: str | None) -> Attachment:
    attachment, _, violations = await filing.take_in(request, actor, case_id, task_id)
    if attachment is None:
        raise Rejected(list(violations))
    return attachment


async def _json(filing: Filing, scope: Scope, file: store.AttachmentFile) -> dict[str, Any]:
    name, caption = await filing.desk.words(scope, file)
    return {**_coarse(file.attachment), "name": name or None, "caption": caption or None, "erased": not name}


def _coarse(attachment: Attachment) -> dict[str, Any]:
    return {
        "id": attachment.id,
        "case_id": attachment.case_id,
        "task_id": attachment.task_id,
        "kind": attachment.kind,
        "media": attachment.media,
        "size": attachment.size,
        "added_at": attachment.added_at,
        "added_by": attachment.added_by,
        "sector": attachment.sector,
    }
