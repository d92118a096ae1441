"""An import in its own process, killed in the middle for real: the next process goes on, and nothing is said twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil
from sqlalchemy import text

from services.registry import imports
from services.registry.imports.worker import Importing
from services.registry.store import imports as store
from shared.database import Database
from shared.files.mapping import shipped
from shared.files.sealed import SealedWriter
from shared.messaging.outbox import new_id
from shared.messaging.service import ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.settings import Settings

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
MIGRATIONS = Path(imports.__file__).parents[1] / "migrations"
ROWS = 4_000


def roster() -> bytes:
    names = ("An", "Bình", "Chi", "Dũng", "Giang", "Hà", "Khánh", "Lan", "Minh", "Ngọc", "Oanh", "Phúc", "Quân")
    lines = ["Họ và tên,Ngày sinh,Họ tên mẹ,Hoàn cảnh,Xã/Phường"]
    for number in range(ROWS):
        born = date(2012, 1, 1) + timedelta(days=number)
        who = f"Nguyễn {names[number % 13]} {names[number // 13 % 13]}"
        lines.append(f"{who},{born:%d/%m/%Y},Lý {names[number // 7 % 13]} {names[number % 11]},,05443")
    return "\n".join(lines).encode()


async def test_a_killed_import_is_taken_up_by_the_next_process(fresh_database: str, tmp_path: Path) -> None:
    database = Database(fresh_database)
    await database.migrate(MIGRATIONS)
    keys = Keys(b"m" * 32, PlatformKey(b"p" * 32))
    folder = tmp_path / "imports"
    folder.mkdir()
    import_id = await handed_in(database, keys, folder)
    context = ServiceContext(Settings(data_dir=tmp_path), database, keys, lambda: NOW)
    importing, stop = Importing(context, folder), asyncio.Event()
    loop = asyncio.create_task(importing.importing(stop))
    killed = 0
    while (
        True
    ):  # as long as it takes: three processes start one after the other, on a machine that others may keep busy
        async with database.transaction() as connection:
            row = await store.find(connection, import_id)
        assert row is not None
        assert row.problem is None
        if row.state == "finished":
            break
        if row.passed > killed * 1_000 and killed < 2:
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):  # it may end while it is looked at
                    if "services.registry.imports.worker" in child.cmdline():
                        child.send_signal(signal.SIGKILL)
                        killed += 1
        await asyncio.sleep(0.05)
    stop.set()
    await loop
    assert killed
    assert row.passed == ROWS
    async with database.transaction() as connection:
        said = await connection.execute(text("SELECT count(*) FROM statement"))
        told = await connection.execute(
            text("SELECT headers ->> 'ce_subject' AS record FROM outbox WHERE type LIKE '%record.linked'")
        )
        assert said.scalar_one() == ROWS
        assert set(Counter(one.record for one in told).values()) == {1}
    await database.close()


async def handed_in(database: Database, keys: Keys, folder: Path) -> str:
    import_id = new_id()
    key, wrapped = keys.make_private(f"import/{import_id}")
    writer = SealedWriter(folder / import_id, key, import_id)
    writer.add(roster())
    writer.end()
    form = next(form for form in shipped() if form.name == "commune-roster")
    row = store.ImportRow(
        id=import_id,
        who="person:ha.coordinator",
        unit=None,
        allowed=None,
        kind="commune-roster",
        digest=import_id,
        file_name="roster.csv",
        size=writer.size,
        file_key=wrapped,
        mapping=None,
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
    async with database.transaction() as connection:
        await store.put(connection, row)
        mapping = form.model_dump(by_alias=True, mode="json")
        await store.change(connection, import_id, NOW, mapping=mapping, rows=ROWS)
    return import_id
