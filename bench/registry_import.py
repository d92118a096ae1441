"""A province's roster from a CSV file into the registry, beside COPY of the very rows that it becomes.

The import runs as it does for people: in processes of its own, from the sealed file, chunk by chunk: it reads and
checks each row, looks for the child among those there are, seals what services are told, writes. Compared are

- COPY of the rows that it left behind (children, statements, keys to find them by, circumstances, history, wrapped
  keys, events, what the import did) into the same tables, emptied, with the same indexes, constraints and triggers,
  from memory, on one connection, as fast as the database takes them: what no import can be quicker than. What triggers
  add (`unsettled`) both write; claims, which an import makes for an hour, COPY is spared;
- COPY of the file's own rows into one bare table of texts without an index.

Memory is what all its processes hold at the same moment, at the highest, for a tenth of the rows and for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psutil
from pydantic import SecretStr

from bench import Result
from local.postgres import EmbeddedPostgres
from services.registry import imports
from services.registry.imports.worker import work
from services.registry.store import imports as store
from shared.database import Database
from shared.files.mapping import shipped
from shared.files.sealed import SealedWriter
from shared.messaging.outbox import new_id
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units

_ROWS = 400_000
_QUICK = 6_000
_MASTER, _PLATFORM = b"m" * 32, b"p" * 32
_NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
_MIGRATIONS = Path(imports.__file__).parents[1] / "migrations"
_TABLES = ("child", "statement", "block", "circumstance", "history", "privacy_key", "outbox", "import_record")
_AIM = "≥ 0.25 × COPY of the rows written; constant memory"
_FAMILIES = (
    *("Nguyễn", "Nguyễn", "Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Dương", "Bùi"),
    *("Đặng", "Nông", "Lý", "Ma", "Triệu", "Hà", "Đỗ", "Lương", "Đinh", "Chu"),
)
_MIDDLES = (
    *("Thị", "Thị", "Văn", "Ngọc", "Minh", "Thu", "Hoàng", "Đức", "Thanh", "Quang"),
    *("Gia", "Bảo", "Hải", "Mai", "Kim", "Tuấn", "Hữu", "Khánh", "Anh", "Phương"),
)
_GIVEN = (
    *("Anh", "Linh", "Hương", "Lan", "Hùng", "Dũng", "Nam", "Sơn", "Hà", "Thảo", "Trang", "Phương", "Mai", "Tuấn"),
    *("Hiếu", "Huy", "Khánh", "Duy", "Long", "Minh", "Quân", "Nhi", "My", "Vy", "Ngân", "Châu", "Giang", "Yến"),
    *("Thư", "Hân", "Trâm", "Phúc", "Bảo", "Khang", "Thịnh", "Đạt", "Kiên", "Tùng", "Việt", "Cường", "Ngọc"),
    *("Quỳnh", "Chi", "Tâm", "Hoa", "Nga"),
)


async def run(quick: bool) -> list[Result]:
    """Import, then COPY the same."""
    rows = _QUICK if quick else _ROWS
    with TemporaryDirectory(prefix="vongtay-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", services=("registry",), durable=False)
        postgres.start()
        try:
            return await _measure(Path(folder), postgres.url("registry"), rows)
        finally:
            postgres.stop()


async def _measure(folder: Path, url: str | SecretStr, rows: int) -> list[Result]:
    plain = url.get_secret_value() if isinstance(url, SecretStr) else url
    dsn = plain.replace("postgresql+asyncpg://", "postgresql://", 1)
    database = Database(plain)
    await database.migrate(_MIGRATIONS)
    tenth = await _import(database, plain, folder, rows // 10)
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"TRUNCATE {', '.join((*_TABLES, 'claim', 'import', 'unsettled'))} CASCADE")
    await connection.close()
    whole = await _import(database, plain, folder, rows)
    await database.close()
    copied, bare = await _copy(dsn), await _bare(dsn, whole.source)
    ours, limit = rows / whole.seconds, rows / copied
    # Of a short file a tenth is read in one process, the whole in two: that says nothing of growth.
    constant = rows < _ROWS or whole.peak <= 1.25 * tenth.peak
    return [
        Result(
            "registry-import", f"{rows:,} rows from CSV, taken over", ours, "rows/s",
            {"COPY of all rows written": limit, "COPY of the file": rows / bare, "reading alone": rows / whole.reading},
            {"COPY of all rows written": ours / limit, "COPY of the file": ours * bare / rows},
            _AIM, met=ours / limit >= 0.25,
        ),
        Result(
            "registry-import", f"peak memory of all its processes, {rows:,} rows", whole.peak / 2**20, "MiB",
            {f"{rows // 10:,} rows": tenth.peak / 2**20}, {f"{rows // 10:,} rows": whole.peak / tenth.peak},
            "≤ 600 MiB; ≤ 1.25 × a tenth of the rows", met=whole.peak <= 600 * 2**20 and constant,
        ),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Imported:
    """A file taken over: the seconds of looking it through and of taking it over, and the bytes held at the highest."""

    source: Path
    reading: float
    seconds: float
    peak: int


async def _import(database: Database, url: str, folder: Path, rows: int) -> _Imported:
    source = folder / f"roster-{rows}.csv"
    _write(source, rows)
    import_id = await _receive(database, folder, source)
    reading, _ = await _work(url, folder, import_id)
    async with database.transaction() as connection:
        await store.change(connection, import_id, _NOW, state="taking", passed=0)
    seconds, peak = await _work(url, folder, import_id)
    async with database.transaction() as connection:
        row = await store.find(connection, import_id)
    if row is None or row.state != "finished":
        raise RuntimeError("the import did not finish")
    return _Imported(source, reading, seconds, peak)


def _write(path: Path, rows: int) -> None:
    dice = random.Random(5)
    units = sorted(Units.load().codes())

    def name() -> str:
        parts = [dice.choice(_FAMILIES), dice.choice(_MIDDLES), dice.choice(_GIVEN)]
        return " ".join(parts if dice.random() < 0.6 else [*parts[:2], dice.choice(_MIDDLES), parts[2]])

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["Họ và tên", "Ngày sinh", "Giới tính", "Dân tộc", "Số định danh cá nhân", "Họ tên mẹ", "Họ tên cha",
             "Thôn/Xóm", "Xã/Phường", "Hoàn cảnh"]
        )  # fmt: skip
        for number in range(rows):
            born = date(2011, 1, 1) + timedelta(days=dice.randrange(5_700))
            writer.writerow(
                [name(), f"{born:%d/%m/%Y}", dice.choice(("Nam", "Nữ")), dice.choice(("Kinh", "Tày", "Nùng", "Dao")),
                 f"019{dice.choice('23')}{born:%y}{dice.randrange(10**6):06d}" if dice.random() < 0.8 else "",
                 name(), name() if dice.random() < 0.9 else "", f"Xóm {dice.randrange(14)}",
                 units[number * len(units) // rows], "Khuyết tật" if dice.random() < 0.01 else ""]
            )  # fmt: skip


async def _receive(database: Database, folder: Path, source: Path) -> str:
    keys, import_id = Keys(_MASTER, PlatformKey(_PLATFORM)), new_id()
    key, wrapped = keys.make_private(f"import/{import_id}")
    writer = SealedWriter(folder / import_id, key, import_id)
    with source.open("rb") as file:
        while piece := file.read(1 << 20):
            writer.add(piece)
    writer.end()
    digest = writer.digest().hex()
    form = next(form for form in shipped() if form.name == "commune-roster")
    row = store.ImportRow(
        id=import_id, who="person:bench", unit=None, allowed=None, kind="commune-roster", digest=digest,
        file_name=source.name, size=writer.size, file_key=wrapped, mapping=None, state="checking", made_at=_NOW,
        changed_at=_NOW, rows=0, passed=0, counts={}, trial=None, rules={}, problem=None,
    )  # fmt: skip
    async with database.transaction() as connection:
        await store.put(connection, row)
        await store.change(connection, import_id, _NOW, mapping=form.model_dump(by_alias=True, mode="json"))
    return import_id


async def _work(url: str, folder: Path, import_id: str) -> tuple[float, int]:
    """Out: seconds, and bytes at the highest."""
    context = get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_child, args=(url, str(folder), import_id, answers))
    process.start()
    peak = 0
    while answers.empty() and process.is_alive():
        peak = max(peak, _held(process.pid))
        await asyncio.sleep(0.1)
    seconds = answers.get(timeout=10)
    process.join()
    return seconds, peak


def _held(pid: int | None) -> int:
    """What a process and those it started hold in memory. Pages that they share count for each."""
    held = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        mine = psutil.Process(pid)
        for process in (mine, *mine.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                held += process.memory_info().rss
    return held


def _child(url: str, folder: str, import_id: str, answers: Any) -> None:
    keys = Keys(_MASTER, PlatformKey(_PLATFORM)).handed_over()
    orders = {"import_id": import_id, "url": url, "folder": folder, "reference": "", "keys": keys}
    began = time.perf_counter()
    asyncio.run(work(orders, lambda: datetime.now(UTC)))
    answers.put(time.perf_counter() - began)


async def _copy(dsn: str) -> float:
    """COPY of all that the import wrote into the same tables, emptied. Out: seconds."""
    connection = await asyncpg.connect(dsn)
    try:
        for name in _TABLES:
            await connection.execute(f"CREATE UNLOGGED TABLE kept_{name} AS TABLE {name}")
        await connection.execute(f"TRUNCATE {', '.join(_TABLES)} CASCADE")
        seconds = 0.0
        for name in _TABLES:
            columns = await connection.fetch(
                """SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0
                   AND attidentity = '' AND attgenerated = '' AND NOT attisdropped ORDER BY attnum""",
                name,
            )
            listed = ", ".join(column["attname"] for column in columns)
            pieces: list[bytes] = []

            async def keep(piece: bytes, pieces: list[bytes] = pieces) -> None:
                pieces.append(piece)

            await connection.copy_from_query(f"SELECT {listed} FROM kept_{name}", output=keep, format="binary")
            began = time.perf_counter()
            await connection.copy_to_table(
                name, source=_again(pieces), columns=[column["attname"] for column in columns], format="binary"
            )
            seconds += time.perf_counter() - began
        return seconds
    finally:
        await connection.close()


async def _again(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _bare(dsn: str, source: Path) -> float:
    """COPY of the file as it is into one table of texts, with no index. Out: seconds."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"CREATE TABLE bare ({', '.join(f'c{place} text' for place in range(10))})")
        began = time.perf_counter()
        await connection.copy_to_table("bare", source=source, format="csv", header=True)
        return time.perf_counter() - began
    finally:
        await connection.close()
