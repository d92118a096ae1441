"""An import in its own process, killed in the middle for real: the next process goes on, and nothing is said twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from services.registry import imports
from services.registry.imports.ahead import Reader, Told
from services.registry.imports.worker import Importing
from services.registry.store import imports as store
from shared.database import Database
from shared.files.mapping import shipped
from shared.files.sealed import SealedWriter
from shared.files.tables import FileProblem
from shared.messaging.outbox import new_id
from shared.messaging.service import ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.settings import Settings

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
MIGRATIONS = Path(imports.__file__).parents[1] / "migrations"
ROWS = 5_000
NOTE = "x" * 250  # so that the file is long enough for a process of its own
KEYS = Keys(b"m" * 32, PlatformKey(b"p" * 32))


def roster() -> bytes:
    names = ("An", "Bình", "Chi", "Dũng", "Giang", "Hà", "Khánh", "Lan", "Minh", "Ngọc", "Oanh", "Phúc", "Quân")
    lines = ["Họ và tên,Ngày sinh,Họ tên mẹ,Hoàn cảnh,Xã/Phường,Ghi chú"]
    for number in range(ROWS):
        born = date(2012, 1, 1) + timedelta(days=number)
        who = f"Nguyễn {names[number % 13]} {names[number // 13 % 13]}"
        lines.append(f"{who},{born:%d/%m/%Y},Lý {names[number // 7 % 13]} {names[number % 11]},,05443,{NOTE}")
    return "\n".join(lines).encode()


async def test_a_killed_import_is_taken_up_by_the_next_process(fresh_database: str, tmp_path: Path) -> None:
    database = Database(fresh_database)
    await database.migrate(MIGRATIONS)
    keys = KEYS
    folder = tmp_path / "imports"
    folder.mkdir()
    import_id = await handed_in(database, keys, folder)
    context = ServiceContext(Settings(data_dir=tmp_path), database, keys, lambda: NOW)
    importing, stop = Importing(context, folder), asyncio.Event()
    loop = asyncio.create_task(importing.importing(stop))
    killed = 0
    readers: list[psutil.Process] = []
    # As long as it takes: processes start slowly on a busy machine.
    while True:
        async with database.transaction() as connection:
            row = await store.find(connection, import_id)
        assert row is not None
        assert row.problem is None
        if row.state == "finished":
            break
        if row.passed and not killed:
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):  # it may end while it is looked at
                    if "services.registry.imports.worker" in child.cmdline():
                        readers += child.children()
                        child.send_signal(signal.SIGKILL)
                        killed += 1
        await asyncio.sleep(0.05)
    stop.set()
    await loop
    assert killed
    assert readers
    assert not psutil.wait_procs(readers, timeout=60)[1]  # nobody goes on reading for a process that is gone
    assert row.passed == ROWS
    async with database.transaction() as connection:
        said = await connection.execute(text("SELECT count(*) FROM statement"))
        told = await connection.execute(
            text("SELECT headers ->> 'ce_subject' AS record FROM outbox WHERE type LIKE '%record.linked'")
        )
        assert said.scalar_one() == ROWS
        assert set(Counter(one.record for one in told).values()) == {1}
    await database.close()


async def read(row: store.ImportRow, folder: Path, long: int, passed: int = 0) -> list[Told | None]:
    reader = Reader(folder, KEYS, Units.load(), NOW.date(), long)
    return [one async for chunk in reader.told(row, 700, passed) for one in chunk]


async def test_a_file_read_in_a_process_of_its_own_gives_what_it_gives_in_this_one(tmp_path: Path) -> None:
    lines = roster().splitlines()
    lines[1_500] = "Nguyễn An,31/02/2015,,,05443,".encode()  # refused
    lines[1_501] = 'Nguyễn Bình,03/04/2015,"Lý Hà (Mẹ)",Khuyết tật,05446,'.encode()
    row = sealed(KEYS, tmp_path, b"\n".join(lines))
    here = await read(row, tmp_path, row.size + 1)
    there = await read(row, tmp_path, 0)
    assert len(here) == ROWS
    assert here.count(None) == 1
    assert here == there
    for mine, theirs in zip(here, there, strict=True):
        assert mine is None or (theirs is not None and mine.wanted.keys == theirs.wanted.keys)
        assert mine is None or (theirs is not None and mine.said.description.model_fields_set
                                == theirs.said.description.model_fields_set)  # fmt: skip
    assert await read(row, tmp_path, 0, passed=3_990) == here[3_990:]


async def test_what_is_wrong_with_a_file_is_said_alike_from_its_own_process(tmp_path: Path) -> None:
    broken = sealed(KEYS, tmp_path, roster() + b'\n"never closed')
    problems = []
    for long in (broken.size + 1, 0):
        with pytest.raises(FileProblem) as found:
            await read(broken, tmp_path, long)
        problems.append((found.value.rule, found.value.message_vi, found.value.row))
    assert problems[0] == problems[1]
    assert problems[0][0] == "quote-not-closed"
    (tmp_path / broken.id).unlink()
    for long in (broken.size + 1, 0):
        with pytest.raises(LookupError):
            await read(broken, tmp_path, long)


async def handed_in(database: Database, keys: Keys, folder: Path) -> str:
    row = sealed(keys, folder, roster())
    async with database.transaction() as connection:
        await store.put(connection, row)
        await store.change(connection, row.id, NOW, mapping=row.mapping, rows=ROWS)
    return row.id


def sealed(keys: Keys, folder: Path, content: bytes) -> store.ImportRow:
    import_id = new_id()
    key, wrapped = keys.make_private(f"import/{import_id}")
    writer = SealedWriter(folder / import_id, key, import_id)
    writer.add(content)
    writer.end()
    form = next(form for form in shipped() if form.name == "commune-roster")
    return store.ImportRow(
        id=import_id,
        who="person:ha.coordinator",
        unit=None,
        allowed=None,
        kind="commune-roster",
        digest=import_id,
        file_name="roster.csv",
        size=writer.size,
        file_key=wrapped,
        mapping=form.model_dump(by_alias=True, mode="json"),
        state="taking",
        made_at=NOW,
        changed_at=NOW,
        rows=0,
        passed=0,
        counts={},
        trial=None,
        rules={},
        problem=None,
    )
