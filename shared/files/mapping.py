"""A file's rows as events, by the mapping of its form: each becomes a CloudEvent, or the rules that it breaks.

It decides nothing that needs another row: duplicates and corrections are the platform's answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson

from shared.contracts.base import TYPE_PREFIX, Contract, contract_of, parse
from shared.contracts.envelope import from_structured
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import Sector, age_on
from shared.files import values
from shared.files.forms import Column, Mapping, shipped
from shared.files.headers import headers
from shared.files.naming import RowNames
from shared.files.problems import NOT_COMPUTED, not_computed
from shared.files.tables import Cell, FileProblem, Row, Source, is_json_lines, json_lines, tables
from shared.reference.calendar import LOCAL
from shared.reference.text import fold
from shared.reference.units import Units

__all__ = ["Item", "Mapping", "Reading", "check", "read", "read_table", "shipped"]

Document = dict[str, Any]
_HEADER_ROWS = 20
_MISSING = ("Thiếu «{}».", "«{}» is missing.")
_INVALID = ("«{}» không hợp lệ.", "«{}» is not valid.")
_WORDS = {
    "date": (
        "«{}» không hợp lệ: phải là một ngày có thật, như 05/03/2018.",
        "«{}» is not valid: a day that there is, as 05/03/2018.",
    ),
    "birth": (
        "«{}» không hợp lệ: phải là một ngày có thật, như 05/03/2018; hoặc chỉ tháng, năm: 03/2018, 2018.",
        "«{}» is not valid: a day that there is, as 05/03/2018, or only a month or year: 03/2018, 2018.",
    ),
}
_TOTAL = ("Dòng cộng, không phải một trẻ.", "A line of totals, not a child.")
_SHIFTED = (
    "Dòng có nhiều ô hơn dòng tiêu đề: có thể thừa dấu ngăn cách.",
    "The row has more cells than the header: perhaps a separator too many.",
)
_FUTURE = ("«{}» ở tương lai.", "«{}» lies in the future.")


@dataclass(frozen=True, slots=True)
class Item:
    """One row on its way: the event it became, or why it became none. `row` as a person sees it in the file.

    `data`: the event's, checked; `cells`: as they stood there (both: of tables only).
    """

    row: int
    event: Document | None
    violations: tuple[Violation, ...] = ()
    data: Contract | None = None
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A recognised file: whose it is and its rows, read as they are asked for. `head`: the rows down to the header."""

    path: Source
    sector: Sector
    form: str
    items: Iterator[Item]
    head: tuple[Row, ...] = ()


def read(path: Path, *, pepper: bytes, mapping: Mapping | None = None, now: datetime | None = None) -> Reading:
    """Recognise a file and read its rows as events.

    Args:
        pepper: keys ids that are made from a row's content. mapping: instead of the one its header (or a YAML file
            beside it, of the same name) says. now: the moment of import, aware; later dates are in the future.

    Raises `FileProblem` where the file is not readable or nobody knows its form.
    """
    moment = now or datetime.now(UTC)
    if not path.is_file():
        raise FileProblem(path, "not-found", "Không có tệp này.", "There is no such file.")
    if mapping is None and is_json_lines(path):
        return _events(path)
    return read_table(path, _candidates(path, mapping), pepper=pepper, now=moment)


def _candidates(path: Path, mapping: Mapping | None) -> Sequence[Mapping]:
    beside = path.with_suffix(".yaml")
    if mapping is None and beside.is_file():
        mapping = Mapping.load(beside)
    return [mapping] if mapping else shipped()


def read_table(path: Source, candidates: Sequence[Mapping], *, pepper: bytes, now: datetime) -> Reading:
    """Read the first table whose header one of the forms fits. Arguments and errors: those of `read`."""
    streams = tables(path)
    for stream in streams:
        head = list(islice(stream, _HEADER_ROWS))
        if found := _converter(path, head, candidates, pepper, now):
            converter, used = found
            form = converter.mapping
            rest = chain(head[used:], stream)
            items = _items(path, converter, rest, streams, candidates)
            return Reading(path, form.sector, form.name, items, tuple(head[:used]))
    raise FileProblem(
        path,
        "form-unknown",
        "Không nhận ra mẫu biểu từ dòng tiêu đề; hãy chỉ rõ bằng --mapping.",
        "Its form is not recognised by its header; name a mapping with --mapping.",
    )


def _converter(
    path: Source, head: Sequence[Row], candidates: Sequence[Mapping], pepper: bytes, now: datetime
) -> tuple[_Converter, int] | None:
    """The form whose header stands among the first rows, and how many rows that takes; of two that fit, the one that
    knows more of its columns."""
    for place, cells, used in headers(head):
        fitting = [candidate for candidate in candidates if candidate.fits(cells)]
        if fitting:
            best = max(fitting, key=lambda candidate: candidate.known(cells))
            return _Converter(path, best, cells, head[:place], pepper, now), used
    return None


def _items(
    path: Source,
    converter: _Converter,
    stream: Iterator[Row],
    others: Iterator[Iterator[Row]],
    candidates: Sequence[Mapping],
) -> Iterator[Item]:
    with closing(converter):
        yield from map(converter.item, filter(converter.speaks, stream))
    for other in others:
        rows = list(islice(other, _HEADER_ROWS))
        if any(candidate.fits(cells) for _, cells, _ in headers(rows) for candidate in candidates):
            raise FileProblem(
                path,
                "sheets",
                "Nhiều trang tính có mẫu biểu; hãy tách mỗi trang thành một tệp.",
                "Several sheets hold a form; put each into a file of its own.",
            )


def check(path: Path, mapping: Mapping | None = None) -> None:
    """Read a file to its end and keep nothing: what cannot be read to the end is not sent in part.

    Args:
        mapping: as in `read`.

    Raises `FileProblem`.
    """
    if is_json_lines(path):
        return
    candidates = _candidates(path, mapping)
    for table in tables(path):
        head = list(islice(table, _HEADER_ROWS))
        found = _converter(path, head, candidates, b"", datetime.now(UTC))
        for row in table if found is None else chain(head[found[1] :], table):
            if found is not None:
                found[0].must_be_computed(row)


def _events(path: Path) -> Reading:
    """A file of structured CloudEvents; whose they are stands in the first good one's source."""
    for _, document in json_lines(path):
        source = document.get("source") if isinstance(document, dict) else None
        parts = source.split("/") if isinstance(source, str) else []
        if len(parts) > 2 and parts[1] == "agency":
            sector: Any = parts[2]
            return Reading(path, sector, "events", (_checked(path, *line) for line in json_lines(path)))
    raise FileProblem(path, "source-unknown", "Không có sự kiện nào ghi rõ nguồn.", "No event in it names its source.")


def _checked(path: Path, number: int, document: object) -> Item:
    if isinstance(document, FileProblem):
        return Item(number, None, (Violation("event", document.rule, document.message_vi, document.message_en),))
    if not isinstance(document, dict):
        words = ("Phải là một đối tượng JSON.", "Must be a JSON object.")
        return Item(number, None, (Violation("event", "json-object", *words),))
    try:
        event = from_structured(document)
        parse(contract_of(event.type), event.json())
    except Rejected as rejected:
        return Item(number, None, rejected.violations)
    return Item(number, document)


class _Converter:
    """Turns the rows below one header into events."""

    def __init__(
        self,
        path: Source,
        mapping: Mapping,
        header: Sequence[Cell],
        titles: Iterable[Row],
        pepper: bytes,
        now: datetime,
    ) -> None:
        self.mapping = mapping
        self._path = path
        self._width = len(header)
        self._header = tuple(header)
        places = {fold(str(cell)): place for place, cell in enumerate(header) if cell is not None}
        wanted = {column.column for column in mapping.fields.values()}
        # By the mapping's own spelling: nothing of the header is folded again for each cell.
        self._places = {
            column: places[fold(column)]
            for column in {*wanted, *mapping.id.derived, *([mapping.id.column] if mapping.id.column else [])}
            if fold(column) in places
        }
        self._own = sorted({self._places[column] for column in wanted if column in self._places})
        self._names = RowNames(pepper)
        self._now = now
        self._as_of = _as_of(mapping, titles)
        self._units = Units.load()
        self._choices = {
            name: {fold(key): value for key, value in column.values.items()} for name, column in mapping.fields.items()
        }

    def close(self) -> None:
        """Forget which rows were seen."""
        self._names.close()

    def speaks(self, row: Row) -> bool:
        """Whether anything stands under the form's own columns: a bare running number is no record, nor is the header
        when it is printed again on every page."""
        return row.cells != self._header and any(
            row.cells[place] is not None for place in self._own if place < len(row.cells)
        )

    def must_be_computed(self, row: Row) -> None:
        """A formula may stand without its result only where nobody reads it. Raises `FileProblem`."""
        if NOT_COMPUTED in row.cells and any(
            row.cells[place] is NOT_COMPUTED for place in self._places.values() if place < len(row.cells)
        ):
            raise not_computed(self._path, row.number)

    def item(self, row: Row) -> Item:
        """In: a data row. Out: its event, or every rule it breaks. Raises `FileProblem`."""
        self.must_be_computed(row)
        broken: list[Violation] = []
        found: dict[str, Any] = {}
        for name, column in self.mapping.fields.items():
            try:
                found[name] = self._value(name, column, row, found)
            except _Broken as problem:
                broken.append(problem.violation)
        if any(cell is not None for cell in row.cells[self._width :]):
            broken.append(Violation("row", "columns", *_SHIFTED))
        # Two children may look alike in every column: only rows that become records count as the first or second.
        identifier = self._identifier(row) if self.mapping.id.column or not broken else ""
        if identifier is None:
            broken.insert(0, _violation("id", "id", "missing", self.mapping.id.column or "", _MISSING))
        if broken or identifier is None:
            return Item(row.number, None, tuple(broken), cells=row.cells)
        data = self._data(found)
        try:
            checked = parse(contract_of(TYPE_PREFIX + self.mapping.type), data)
        except Rejected as rejected:
            return Item(row.number, None, tuple(rejected.violations), cells=row.cells)
        document: Document = {
            "specversion": "1.0",
            "id": identifier,
            "source": self.mapping.source,
            "type": TYPE_PREFIX + self.mapping.type,
            "subject": identifier,
            "time": self._now.astimezone(UTC).isoformat(),
            "datacontenttype": "application/json",
            "dataschema": f"urn:vongtay:contract:{self.mapping.type}",
            "sector": self.mapping.sector,
            "data": data,
        }
        if "unit" in data:
            document["unit"] = data["unit"]
        return Item(row.number, document, data=checked, cells=row.cells)

    def _value(self, name: str, column: Column, row: Row, found: Map[str, Any]) -> Any:
        cell = self._cell(row, column.column)
        rule = column.rule or name
        if cell is None and column.required:
            raise _Broken(_violation(name, rule, "missing", column.column, _MISSING))
        try:
            value = self._converted(name, column, cell, found)
        except values.BadCell:
            if column.lenient:
                return None
            words = _WORDS.get(column.kind, _INVALID)
            raise _Broken(_violation(name, rule, "invalid", column.column, words)) from None
        if isinstance(value, datetime | date) and self._lies_ahead(value):
            if column.lenient:
                return None
            raise _Broken(_violation(name, rule, "in-future", column.column, _FUTURE))
        if column.rule == "name" and values.is_total(cell):
            raise _Broken(Violation(name, "total-row", *_TOTAL))
        if column.under is not None and isinstance(value, date) and self._age(value, cell) >= column.under:
            words = (
                f"Từ đủ {column.under} tuổi, không phải trẻ em.",
                f"A person of {column.under} or more is not a child.",
            )
            raise _Broken(Violation(name, "not-a-child", *words))
        return value

    def _converted(self, name: str, column: Column, cell: Cell, found: Map[str, Any]) -> Any:
        match column.kind:
            case "text":
                return values.as_text(cell)
            case "date":
                return values.as_date(cell)
            case "birth":
                born = values.as_birth(cell)
                return born[0] if born else None
            case "birth-precision":
                partly = values.part_of_birth(str(cell or ""))
                return partly[1] if partly else None
            case "moment":
                return values.as_moment(cell)
            case "age":
                return values.as_age(cell)
            case "age-on":
                return self._age_on(cell, found.get(column.day_of or ""))
            case "integer":
                return values.as_integer(cell)
            case "sex":
                return values.as_sex(cell)
            case "unit":
                return values.as_unit(cell, self._units)
            case "choice":
                several = values.some_of if column.list else values.one_of
                return several(cell, self._choices[name], column.otherwise)

    def _age(self, born: date, cell: Cell) -> int:
        """Completed years of who was born on a day, or as late as a month or a year allows."""
        return age_on(values.latest_birth(born, cell), self._day())

    def _age_on(self, cell: Cell, moment: datetime | None) -> int | None:
        """An age, or the one that a birth date gives on a day; implausible ones are not known ones."""
        age = values.as_age(cell)
        if age is None:
            try:
                birth = values.as_date(cell)
            except values.BadCell:
                return None
            day = moment.astimezone(LOCAL).date() if moment else self._day()
            age = age_on(birth, day) if birth else None
        return age if age is not None and 0 <= age <= 25 else None

    def _data(self, found: Map[str, Any]) -> Document:
        data: Document = dict(self.mapping.constants)
        if self._as_of is not None:
            data["as_of"] = self._as_of.isoformat()
        for name, value in found.items():
            if value is None or value == "" or (name == "unit_text" and found.get("unit")):
                continue
            _put(data, name.split("."), value.isoformat() if isinstance(value, datetime | date) else value)
        return data

    def _identifier(self, row: Row) -> str | None:
        own = self.mapping.id.column
        if own is not None:
            return values.as_text(self._cell(row, own))
        parts = [values.as_text(self._cell(row, column)) or "" for column in self.mapping.id.derived]
        return self._names.name(orjson.dumps([self.mapping.name, *parts]))

    def _cell(self, row: Row, column: str) -> Cell:
        place = self._places.get(column)
        return row.cells[place] if place is not None and place < len(row.cells) else None

    def _day(self) -> date:
        return self._as_of or self._now.astimezone(LOCAL).date()

    def _lies_ahead(self, value: datetime | date) -> bool:
        if isinstance(value, datetime):
            # The day's end, as clerks' clocks differ and an evening's calls may be sent at noon.
            return value.astimezone(LOCAL).date() > self._now.astimezone(LOCAL).date()
        return value > min(self._day(), self._now.astimezone(LOCAL).date())


class _Broken(Exception):  # noqa: N818 - carries a violation to the row
    def __init__(self, violation: Violation) -> None:
        self.violation = violation


def _violation(field: str, rule: str, what: str, column: str, words: tuple[str, str]) -> Violation:
    return Violation(field, f"{rule}-{what}", words[0].format(column), words[1].format(column))


def _put(data: Document, path: list[str], value: Any) -> None:
    """Put a value at `child.name`; `child.carers.mẹ` adds a carer of that relation."""
    *parents, last = path
    place: Document = data
    for position, name in enumerate(parents):
        if name == "carers":
            people: list[Document] = place.setdefault("carers", [])
            people.append({"name": value, "relation": path[position + 1]})
            return
        place = place.setdefault(name, {})
    place[last] = value


def _as_of(mapping: Mapping, titles: Iterable[Row]) -> date | None:
    """The file's own date, behind the words that the mapping names in the rows above the header."""
    if mapping.as_of is None:
        return None
    for row in titles:
        for cell in row.cells:
            text = values.as_text(cell) or ""
            if fold(text).startswith(fold(mapping.as_of)):
                try:
                    return values.as_date(text[len(mapping.as_of) :].strip())
                except values.BadCell:
                    return None
    return None
