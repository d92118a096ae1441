"""The desk's files: attached, opened, removed, and a case's whole file copied out; all remembered in the timeline.

Bytes are sealed under the case's key as they arrive, and opened part by part.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass

from services.cases import store
from services.cases.desk.files import CaseFiles, Scopes, not_found
from services.cases.desk.incoming import IncomingFile
from services.cases.domain import attachments as rules
from services.cases.domain import team
from services.cases.domain.attachments import Attachment
from services.cases.domain.model import Actor, Case, Task, refuse
from services.cases.settings import CasesSettings
from services.cases.store import AttachmentFile
from shared.contracts.errors import Rejected
from shared.files.contents import Media
from shared.messaging.router import Scope
from shared.privacy import DataKey, Erased, Unreadable
from shared.privacy.sealing import PART


@dataclass(frozen=True, slots=True)
class Said:
    """What a sender says of a file: what they call it, and its caption."""

    name: str
    caption: str


class AttachmentDesk:
    """Keeps files.

    Args:
        files: where cases are kept. limits: how large a file may be, and how many a case holds.
    """

    def __init__(self, files: CaseFiles, limits: CasesSettings) -> None:
        self.files = files
        self.limits = limits
        # A slow line holds a place among those that arrive, and nobody's turn to be looked at and written.
        self.arriving = asyncio.Semaphore(limits.uploads_arriving)
        self._turn = asyncio.Semaphore(limits.uploads_at_once)

    async def begin(self, scope: Scope, case_id: str, task_id: str | None, actor: Actor) -> DataKey:
        """Whether the actor may attach something here now, and the key to seal it under. Raises `Rejected`."""
        case = await store.find_case(scope.connection, case_id)
        await self._require(scope, case, task_id, actor)
        try:
            return await self.files.keys.key_for(scope.connection, f"case/{case_id}")
        except Erased:
            raise _erased("file") from None

    async def take(
        self,
        scopes: Scopes,
        case_id: str,
        task_id: str | None,
        actor: Actor,
        content: IncomingFile,
        said: Said,
    ) -> Attachment:
        """Look at a file that has arrived, and keep it in a transaction of its own. Raises `Rejected`."""
        async with self._turn:
            media, said = await asyncio.to_thread(_checked, content, said)
            async with scopes() as scope:
                return await self._keep(scope, case_id, task_id, actor, content, media, said)

    async def _keep(
        self,
        scope: Scope,
        case_id: str,
        task_id: str | None,
        actor: Actor,
        content: IncomingFile,
        media: Media,
        said: Said,
    ) -> Attachment:
        case = await store.lock_case(scope.connection, case_id)
        case = await self._require(scope, case, task_id, actor)
        attachment = Attachment(
            id=content.stream,
            case_id=case.id,
            task_id=task_id,
            media=media.type,
            kind=media.kind,
            size=content.size,
            added_at=scope.now,
            added_by=actor.id,
            added_by_name=actor.name,
            sector=actor.sector,
        )
        kid = f"case/{case.id}"
        try:
            words = await self.files.keys.seal(scope.connection, asdict(said), kid, create=False)
            await store.save_attachment(scope.connection, AttachmentFile(attachment, kid, words), content.sealed())
            decision = rules.added(case, attachment, said.name, said.caption)
            await self.files.save(scope, case, decision, actor, seen=False)
        except Erased:  # while the file was on its way
            raise _erased("file") from None
        return attachment

    async def remove(self, scope: Scope, file: AttachmentFile, actor: Actor, reason: str) -> None:
        """The bytes are destroyed; the timeline keeps that they were there, and why they are not. Raises `Rejected`."""
        case = await store.lock_case(scope.connection, file.attachment.case_id)
        found = await store.find_attachment(scope.connection, file.attachment.id)
        if case is None or found is None:
            raise not_found()
        rules.require_may_remove(case, found.attachment, actor, reason)
        if found.attachment.task_id is not None and actor.role in rules.SECTOR_ROLES:
            rules.require_may_attach(case, _task(case, found.attachment.task_id), actor)
        name, _ = await self.words(scope, found)
        await store.remove_attachment(scope.connection, found.attachment.id, scope.now)
        decision = rules.removed(case, found.attachment, name, reason)
        try:
            await self.files.save(scope, case, decision, actor, seen=False)
        except Erased:
            raise _erased("id") from None

    async def words(self, scope: Scope, file: AttachmentFile) -> tuple[str, str]:
        """Name and caption of a file; empty where they were erased."""
        try:
            said = await self.files.keys.open(scope.connection, file.words, dict[str, str])
        except Erased:
            return "", ""
        return said.get("name", ""), said.get("caption", "")

    async def key(self, scope: Scope, file: AttachmentFile) -> DataKey:
        """The key that opens a file. Raises `Erased`."""
        return await self.files.keys.key_for(scope.connection, file.kid)

    async def part(self, scope: Scope, file: AttachmentFile, key: DataKey, number: int) -> bytes:
        """One part of a file, opened at its very place. Raises `Unreadable` where it was changed, moved or cut."""
        attachment = file.attachment
        last = number == attachment.parts - 1
        sealed = await store.sealed_part(scope.connection, attachment.id, number)
        if sealed is None:
            raise Unreadable(file.kid)
        plain = key.open_part(attachment.id, number, sealed, last=last)
        if len(plain) != (attachment.size - number * PART if last else PART):
            raise Unreadable(file.kid)
        return plain

    async def export(self, scope: Scope, case_id: str, actor: Actor, purpose: str) -> Case:
        """Remember that a copy of the whole file leaves the house, for whom and what for. Raises `Rejected`."""
        case = await store.lock_case(scope.connection, case_id)
        # A copy of everything is for those whose case it is, not for who looks in from outside.
        if case is None or not team.by_role(case, actor):
            raise not_found()
        try:
            after = await self.files.save(scope, case, rules.exported(case, purpose), actor, seen=False)
        except Erased:
            raise _erased("purpose") from None
        await self.files.reader.admit(scope.connection, after, actor, "export", scope.now)
        return after

    async def _require(self, scope: Scope, case: Case | None, task_id: str | None, actor: Actor) -> Case:
        task = _task(case, task_id) if case is not None and task_id is not None else None
        if case is None or (task_id is not None and task is None):
            raise not_found()
        if actor.role in team.COMMUNE and actor.covers(case.judged.unit) and not team.by_role(case, actor):
            raise not_found()
        rules.require_may_attach(case, task, actor)
        rules.check_count(await store.count_attachments(scope.connection, case.id), self.limits.attachments_per_case)
        return case


def _checked(content: IncomingFile, said: Said) -> tuple[Media, Said]:
    """What the file is, and its words as they are kept. CPU work. Raises `Rejected`."""
    if not said.name and content.size == 0:
        raise refuse("file", "file-missing", "Chọn một tệp để đính kèm.", "Choose a file to attach.")
    media = rules.check_content(content)
    return media, Said(rules.check_name(said.name, media), rules.check_caption(said.caption))


def _erased(field: str) -> Rejected:
    return refuse(
        field,
        "erased",
        "Thông tin của vụ việc đã được xóa theo yêu cầu; không ghi thêm và không sao được nữa.",
        "What the case held was erased on request: nothing can be added to it or copied from it.",
    )


def _task(case: Case, task_id: str) -> Task | None:
    return next((task for task in case.tasks if task.id == task_id), None)
