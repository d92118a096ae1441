"""Where people hand rosters in: what they may do with a file, and when.

A commune's worker brings the rosters of the own commune, a coordinator of any; nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from fastapi import Request

from services.registry import views
from services.registry.domain.dates import read_day
from services.registry.imports.reading import sealed_file
from services.registry.office import Office, units_of
from services.registry.seeing import NotThereError, is_id
from services.registry.settings import RegistrySettings
from services.registry.store import finding
from services.registry.store import imports as store
from services.registry.store.imports import ImportRow
from shared.contracts.errors import Rejected, Violation
from shared.files.headers import Look, look
from shared.files.making import make
from shared.files.mapping import Mapping as Form
from shared.files.mapping import shipped
from shared.files.sealed import SealedWriter
from shared.files.tables import FileProblem
from shared.identity import NotAllowedError, Permission, Principal, Role
from shared.messaging.outbox import new_id
from shared.privacy import Keys
from shared.reference.calendar import LOCAL
from shared.reference.units import Units
from shared.web.uploads import read_upload

ROSTERS = "agency.child.recorded"
# What may be begun in which state.
_ACTS = {
    "try": ({"checked"}, "trying"),
    "take": ({"checked", "stopped"}, "taking"),
    "stop": ({"taking", "trying", "checking"}, "stopped"),
    "undo": ({"finished", "stopped"}, "undoing"),
}


def may_import(principal: Principal) -> bool:
    """Who brings rosters in."""
    return principal.may(Permission.EDIT_CHILDREN) or principal.role is Role.COORDINATOR


@dataclass(frozen=True, slots=True)
class Counter:
    """The counter.

    Args:
        office: transactions. keys: seal files. folder: where they lie. units: the communes. wake: starts the machine.
    """

    office: Office
    keys: Keys
    folder: Path
    units: Units
    settings: RegistrySettings
    wake: Callable[[], None]

    async def newest(self, principal: Principal) -> Sequence[ImportRow]:
        """The newest imports of which all is the person's to see. Raises `NotAllowedError`."""
        _must(principal)
        async with self.office.scope() as scope:
            return await store.latest(scope.connection, units_of(principal))

    async def find(self, principal: Principal, import_id: str) -> ImportRow:
        """One import. Raises `NotThereError`, `NotAllowedError`."""
        _must(principal)
        async with self.office.scope() as scope:
            return await self._seen(scope.connection, principal, import_id)

    async def receive(self, request: Request, principal: Principal) -> tuple[ImportRow, bool]:
        """Read a file in, sealed. Out: its import, or (True) the one of the very same file that is there already.

        Raises `Rejected`, `ForgedFormError`, `NotAllowedError`.
        """
        _must(principal)
        import_id = new_id()
        key, wrapped = self.keys.make_private(f"import/{import_id}")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        writer = SealedWriter(self.folder / import_id, key, import_id)
        try:
            megabytes = self.settings.import_megabytes
            upload = await read_upload(request, megabytes, writer, _too_large(megabytes))
            if upload.problem is not None:
                raise upload.problem
            await asyncio.to_thread(writer.end)
            if writer.size == 0:
                raise Rejected([_MISSING])
            digest = self.keys.digest(b"import", writer.digest()).hex()
        except BaseException:
            writer.drop()
            raise
        allowed = units_of(principal)
        unit = upload.fields.get("unit") or None
        if allowed is not None and unit not in allowed:
            unit = next(iter(allowed)) if len(allowed) == 1 else None
        path = self.folder / import_id
        try:
            async with self.office.scope() as scope:
                row = ImportRow(
                    id=import_id, who=f"person:{principal.id}", unit=unit if unit in self.units.codes() else None,
                    allowed=tuple(allowed) if allowed is not None else None, kind="", digest=digest,
                    file_name=upload.name.replace("\\", "/").rsplit("/", 1)[-1][:200], size=writer.size,
                    file_key=wrapped, mapping=None, state="received", made_at=scope.now, changed_at=scope.now, rows=0,
                    passed=0, counts={}, trial=None, rules={}, problem=None,
                )  # fmt: skip
                same = await store.same_file(scope.connection, digest)
                if same is None:
                    await store.put(scope.connection, row)
        except BaseException:
            # Nobody would ever know of it: without its row there is no key to it.
            path.unlink(missing_ok=True)
            raise
        if same is not None:
            path.unlink(missing_ok=True)
        return (row, False) if same is None else (same, True)

    async def look(self, row: ImportRow) -> Look:
        """The columns of a file. Raises `FileProblem`, LookupError."""
        return await asyncio.to_thread(lambda: look(sealed_file(row, self.folder, self.keys)))

    async def forms(self, principal: Principal, row: ImportRow, seen: Look) -> list[Form]:
        """The mappings that fit the file: those that people saved, then those that come with the platform."""
        async with self.office.scope() as scope:
            kept = await store.mappings(scope.connection, principal.id, row.unit)
        saved = [Form.model_validate(one) for one in kept]
        known = [*saved, *(form for form in shipped() if form.type == ROSTERS)]
        return [form for form in known if form.fits(seen.labels)]

    async def choose(
        self,
        principal: Principal,
        import_id: str,
        *,
        form: Form | None,
        made: Mapping[str, str],
        answers: Mapping[str, str],
    ) -> None:
        """Choose how the file is read; the machine then looks it through.

        Args:
            form: one that fits; None: one made from `made` (label to field) and kept for the next file.
        Raises `Rejected`, `NotThereError`.
        """
        as_of = _date(answers.get("as_of", ""))
        async with self.office.scope() as scope:
            row = await self._seen(scope.connection, principal, import_id, lock=True)
            if row.state not in {"received", "checked", "refused"}:
                raise NotThereError
            if form is None:
                kind, given = answers.get("kind", ""), answers.get("title", "").strip()[:100]
                # One of one name is one source, whose rows are the same records; without a name this file stands alone.
                name = f"import-{self.keys.digest(principal.id.encode(), (given or row.id).encode()).hex()[:12]}"
                title = given or f"{views.REGISTERS.get(kind, kind)}, {row.made_at.astimezone(LOCAL):%d/%m/%Y %H:%M}"
                form = make(name, title, kind, made, as_of.isoformat() if as_of else None)
                plain = form.model_dump(by_alias=True, mode="json")
                plain["constants"].pop("as_of", None)  # the next list has its own date
                await store.save_mapping(scope.connection, name, principal.id, row.unit, plain, scope.now)
            elif as_of is not None:
                constants = {**form.constants, "as_of": as_of.isoformat()}
                form = form.model_copy(update={"constants": constants})
            kind = str(form.constants.get("register_kind", ""))
            mapping = form.model_dump(by_alias=True, mode="json")
            await store.change(
                scope.connection, row.id, scope.now, state="checking", mapping=mapping, kind=kind, passed=0, rows=0
            )
        self.wake()

    async def act(self, principal: Principal, import_id: str, act: str) -> None:
        """Rehearse, take over or go on, stop, undo. Raises `NotThereError` also where it is not the moment for it."""
        states, state = _ACTS.get(act, (set(), ""))
        async with self.office.scope() as scope:
            row = await self._seen(scope.connection, principal, import_id, lock=True)
            if row.state not in states or (act == "take" and row.mapping is None):
                raise NotThereError
            values: dict[str, Any] = {"state": state}
            if act == "stop" and row.state != "taking":
                values["state"] = "checked" if row.state == "trying" else "received"
                values["passed"] = 0
            if act == "try" or (act == "take" and row.state == "checked"):
                values["passed"] = 0
            if act == "undo":
                values |= {"passed": 0}
            await store.change(scope.connection, row.id, scope.now, **values)
            await finding.log_access(scope.connection, scope.now, principal.id, f"import-{act}", None, file=row.id)
        self.wake()

    async def discard(self, principal: Principal, import_id: str) -> None:
        """A file that was not taken over goes, with its key. Raises `NotThereError`."""
        async with self.office.scope() as scope:
            row = await self._seen(scope.connection, principal, import_id, lock=True)
            if row.state not in {"received", "checked", "refused"}:
                raise NotThereError
            await store.change(scope.connection, row.id, scope.now, state="discarded", file_key=None)
        (self.folder / row.id).unlink(missing_ok=True)

    async def rejects(self, row: ImportRow, rule: str, after: int) -> Sequence[tuple[int, Sequence[Violation]]]:
        """Refused rows behind row `after` that broke a rule."""
        async with self.office.scope() as scope:
            return await store.rejects(scope.connection, row.id, rule, after)

    async def note_rejects(self, principal: Principal, row: ImportRow) -> None:
        """The refused rows leave as a file: that is logged before they do."""
        async with self.office.scope() as scope:
            await finding.log_access(scope.connection, scope.now, principal.id, "import-rejects", None, file=row.id)

    async def forget_old(self) -> None:
        """Files that nobody needs any more go, with their keys; and those whose key went with an erased child."""
        there = [one.name for one in self.folder.iterdir() if is_id(one.name)] if self.folder.is_dir() else []
        async with self.office.scope() as scope:
            old = await store.old(scope.connection, scope.now - timedelta(days=self.settings.import_days))
            for import_id in old:
                await store.change(scope.connection, import_id, scope.now, file_key=None)
            keyless = await store.keyless(scope.connection, there)
        for import_id in {*old, *keyless}:
            (self.folder / import_id).unlink(missing_ok=True)

    async def _seen(self, connection: Any, principal: Principal, import_id: str, *, lock: bool = False) -> ImportRow:
        _must(principal)
        row = await store.find(connection, import_id, lock=lock) if is_id(import_id) else None
        mine = units_of(principal)
        if row is None or row.state == "discarded":
            raise NotThereError
        # Its counts, its refused rows and its undoing are of all its communes: to have one of them is not enough.
        if mine is not None and (row.allowed is None or not set(row.allowed) <= set(mine)):
            raise NotThereError
        return row


def shown(problem: FileProblem) -> Violation:
    """What is wrong with a file, for a page."""
    where = (f"Dòng {problem.row}: ", f"Row {problem.row}: ") if problem.row else ("", "")
    return Violation("file", problem.rule, _whole(where[0] + problem.message_vi), _whole(where[1] + problem.message_en))


def _whole(words: str) -> str:
    return words[:1].upper() + words[1:]


def _must(principal: Principal) -> None:
    if not may_import(principal):
        raise NotAllowedError("The role brings no rosters in")


def _date(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return read_day(text)
    except ValueError:
        raise Rejected([_AS_OF]) from None


def _too_large(megabytes: int) -> Rejected:
    return Rejected(
        [
            Violation(
                "file",
                "too-large",
                f"Tệp lớn hơn {megabytes} MB. Hãy chia danh sách thành nhiều tệp, mỗi tệp một phần.",
                f"The file is larger than {megabytes} MB. Divide the list into several files.",
            )
        ]
    )


_MISSING = Violation("file", "file-missing", "Chọn một tệp có nội dung.", "Choose a file that is not empty.")
_AS_OF = Violation("as_of", "as-of-invalid", "Ngày không hợp lệ.", "The date is not valid.")
