"""What pages and the API do alike with files: who may see which, taking them in, handing them out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from fastapi import HTTPException, Request
from starlette.responses import Response

from services.cases import store
from services.cases.desk.attachments import Said
from services.cases.desk.incoming import IncomingFile
from services.cases.domain.attachments import Attachment, too_large
from services.cases.domain.model import Actor, Case, Task, refuse
from services.cases.downloads import file_answer
from services.cases.office import Office
from services.cases.reading import may_read_identity, reads_task_files
from services.cases.seeing import seen_case, seen_task
from services.cases.store import AttachmentFile
from shared.contracts.errors import Rejected, Violation
from shared.identity import NotAllowedError
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.privacy import Erased, Unreadable
from shared.web.uploads import let_finish, read_upload


class Filing:
    """Files for people and machines.

    Args:
        office: does the work, one transaction at a time.
    """

    def __init__(self, office: Office) -> None:
        self.office = office
        self.desk = office.desk.attachments

    async def case(self, scope: Scope, key: str, actor: Actor) -> Case:
        """The case, if the actor works on its child. Raises: 404, `NotAllowedError`."""
        case = await seen_case(scope.connection, key, actor, scope.now)
        if not may_read_identity(actor, case, scope.now):
            raise NotAllowedError("The role works on no case")
        return case

    async def task(self, scope: Scope, task_id: str, actor: Actor) -> tuple[Case, Task]:
        """The task with its case, to the sector that was asked and to the commune. Raises: 404."""
        return await seen_task(scope.connection, task_id, actor, scope.now, with_words=True)

    async def take_in(
        self, request: Request, actor: Actor, case_id: str, task_id: str | None
    ) -> tuple[Attachment | None, Mapping[str, str], Sequence[Violation]]:
        """Read a file in, check, seal and keep it. Out: the file (None: refused), what stood beside it, what is wrong.

        Raises: 408 (the line is too slow), `ForgedFormError`.
        """
        megabytes = self.desk.limits.attachment_megabytes
        try:
            async with self.office.scope() as scope:
                key = await self.desk.begin(scope, case_id, task_id, actor)
        except Rejected as rejected:
            await let_finish(request, megabytes, too_large(megabytes))
            return None, {}, rejected.violations
        fields: Mapping[str, str] = {}
        try:
            async with self.desk.arriving:
                with IncomingFile(key, new_id()) as content:
                    upload = await read_upload(request, megabytes, content, too_large(megabytes))
                    await asyncio.to_thread(content.end)
                    fields = upload.fields
                    if upload.problem is not None:
                        raise upload.problem
                    said = Said(upload.name, fields.get("caption", ""))
                    return await self.desk.take(self.office.scope, case_id, task_id, actor, content, said), fields, ()
        except Rejected as rejected:
            return None, fields, rejected.violations

    async def opened(
        self, request: Request, file_id: str, actor: Actor, *, key: str = "", task_id: str | None = None
    ) -> Response:
        """A file's bytes, remembered. Raises: 404, 410 (erased), `Rejected` (document-damaged), `NotAllowedError`."""
        async with self.office.scope() as scope:
            case, file = await self._found(scope, file_id, actor, key=key, task_id=task_id)
            name, _ = await self.desk.words(scope, file)
            reader = self.office.desk.files.reader
            if task_id is not None:
                await reader.remember_task(scope.connection, case, actor, scope.now)
            else:
                await reader.admit(scope.connection, case, actor, "document", scope.now)
        ending = name.rpartition(".")[2] or "bin"
        plain = f"{case.code}-{file.attachment.kind}-{file.attachment.added_at:%Y%m%d}.{ending}"
        try:
            return await file_answer(request, self.office, file, name or plain, plain)
        except Erased:
            raise HTTPException(410) from None
        except Unreadable:
            raise refuse(
                "id",
                "document-damaged",
                "Tệp trong kho đã hỏng hoặc bị sửa nên không mở. Xin báo người vận hành.",
                "The stored file was damaged or changed and is not opened. Please tell the operator.",
            ) from None

    async def remove(
        self, file_id: str, actor: Actor, reason: str, *, key: str = "", task_id: str | None = None
    ) -> None:
        """Remove a file. Raises: 404, `NotAllowedError`, `Rejected`."""
        async with self.office.scope() as scope:
            _, file = await self._found(scope, file_id, actor, key=key, task_id=task_id)
            await self.desk.remove(scope, file, actor, reason)

    async def _found(
        self, scope: Scope, file_id: str, actor: Actor, *, key: str, task_id: str | None
    ) -> tuple[Case, AttachmentFile]:
        """A file by the way it was asked for: of a case, or of a task. What is not to be seen that way is not there."""
        file = await store.find_attachment(scope.connection, file_id)
        if task_id is not None:
            case, task = await self.task(scope, task_id, actor)
            fits = (
                file is not None
                and file.attachment.task_id == task_id
                and reads_task_files(case, task, actor, scope.now)
            )
        else:
            case = await self.case(scope, key, actor)
            fits = file is not None and await store.attachment_is_of(scope.connection, file_id, case.id)
        if file is None or not fits or file.attachment.removed_at is not None:
            raise HTTPException(404)
        return case, file
