"""The small parts of an XLSX package: its sheets, shared strings, and which number formats are dates.

All XML goes through one parser that refuses document types, so that no entity is ever expanded or fetched.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from array import array
from collections.abc import Callable, Iterator
from posixpath import join, normpath
from xml.parsers import expat

from shared.files.problems import FileProblem, Source
from shared.privacy.sealing import DataKey

MAX_TEXT = 40_000  # Excel itself holds 32,767 characters in a cell
_CHUNK = 1 << 17
_BUILT_IN_DATES = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
_NOT_FORMAT = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
Start = Callable[[str, dict[str, str]], None]


def unreadable(path: Source, row: int | None = None) -> FileProblem:
    """The package is damaged."""
    return FileProblem(
        path,
        "xlsx",
        "tệp Excel hỏng hoặc bị cắt; hãy mở và lưu lại bằng Excel.",
        "the Excel file is damaged or cut short; open and save it again in Excel.",
        row,
    )


def parse(path: Source, package: zipfile.ZipFile, name: str, parser: expat.XMLParserType) -> Iterator[None]:
    """Feed a part to the parser piece by piece, with a stop after each. Raises `FileProblem` (xlsx, xml-dtd)."""

    def refuse(*_about: object) -> None:
        raise FileProblem(
            path,
            "xml-dtd",
            "tệp Excel chứa khai báo DTD, không được phép.",
            "the Excel file declares a document type; that is not allowed.",
        )

    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        with package.open(name) as part:
            while chunk := part.read(_CHUNK):
                parser.Parse(chunk, False)
                yield
            parser.Parse(b"", True)
    except (expat.ExpatError, zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError):
        raise unreadable(path) from None
    except Exception as error:
        if type(error).__module__ == "zlib":
            raise unreadable(path) from None
        raise
    yield


def new_parser() -> expat.XMLParserType:
    """A parser whose names lose their namespace: writers differ in prefixes."""
    return expat.ParserCreate(namespace_separator="}")


def plain(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


class SharedStrings:
    """The workbook's shared texts on disk, with only their places in memory; sealed, for they are people's names."""

    def __init__(self) -> None:
        self._key = DataKey.new("shared-strings")
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._places = array("Q", [0])

    def load(self, path: Source, package: zipfile.ZipFile, name: str) -> None:
        """Read the part. Raises `FileProblem`."""
        parser = new_parser()
        texts: list[str] = []
        state = {"text": False, "phonetic": False, "length": 0}

        def start(tag: str, _attributes: dict[str, str]) -> None:
            match plain(tag):
                case "si":
                    texts.clear()
                    state["length"] = 0
                case "rPh":
                    state["phonetic"] = True
                case "t":
                    state["text"] = not state["phonetic"]

        def end(tag: str) -> None:
            match plain(tag):
                case "si":
                    self._add("".join(texts))
                case "rPh":
                    state["phonetic"] = False
                case "t":
                    state["text"] = False

        def text(piece: str) -> None:
            if state["text"] and state["length"] <= MAX_TEXT:
                state["length"] += len(piece)
                texts.append(piece[: MAX_TEXT + 1])

        parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
        for _ in parse(path, package, name, parser):
            pass

    def _add(self, text: str) -> None:
        number = len(self._places) - 1
        sealed = self._key.seal_part("shared-strings", number, text.encode(), last=False)
        self._places.append(self._places[-1] + self._file.write(sealed))

    def __getitem__(self, place: int) -> str:
        if not 0 <= place < len(self._places) - 1:
            raise IndexError(place)
        begin, end = self._places[place], self._places[place + 1]
        self._file.seek(begin)
        sealed = self._file.read(end - begin)
        return self._key.open_part("shared-strings", place, sealed, last=False).decode()

    def close(self) -> None:
        """Drop the file."""
        self._file.close()


def date_styles(path: Source, package: zipfile.ZipFile, name: str) -> frozenset[int]:
    """Places of the cell styles that show a date."""
    formats: dict[int, str] = {}
    styles: list[int] = []
    inside = {"cellXfs": False}

    def start(tag: str, attributes: dict[str, str]) -> None:
        match plain(tag):
            case "cellXfs":
                inside["cellXfs"] = True
            case "numFmt":
                formats[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")
            case "xf" if inside["cellXfs"]:
                styles.append(int(attributes.get("numFmtId", "0")))

    def end(tag: str) -> None:
        if plain(tag) == "cellXfs":
            inside["cellXfs"] = False

    read_small(path, package, name, start, end)
    return frozenset(place for place, number in enumerate(styles) if _is_date(number, formats.get(number)))


def _is_date(number: int, code: str | None) -> bool:
    if code is None:
        return number in _BUILT_IN_DATES
    return any(sign in "dmyh" for sign in _NOT_FORMAT.sub("", code.split(";", maxsplit=1)[0]).lower())


def sheets(path: Source, package: zipfile.ZipFile) -> tuple[list[str], bool]:
    """Part names of the visible worksheets in order, and whether days count from 1904."""
    targets: dict[str, str] = {}
    listed: list[str] = []
    since = {"1904": False}

    def relation(tag: str, attributes: dict[str, str]) -> None:
        if plain(tag) == "Relationship" and attributes.get("Type", "").endswith("/worksheet"):
            target = attributes.get("Target", "")
            targets[attributes.get("Id", "")] = target.lstrip("/") if target[:1] == "/" else join("xl", target)

    def sheet(tag: str, attributes: dict[str, str]) -> None:
        if plain(tag) == "workbookPr":
            since["1904"] = attributes.get("date1904", "0") in {"1", "true"}
        elif plain(tag) == "sheet" and attributes.get("state", "visible") == "visible":
            identifier = next((value for name, value in attributes.items() if plain(name) == "id"), "")
            listed.append(identifier)

    read_small(path, package, "xl/_rels/workbook.xml.rels", relation)
    read_small(path, package, "xl/workbook.xml", sheet)
    names = [normpath(targets[identifier]) for identifier in listed if identifier in targets]
    if not names:
        raise unreadable(path)
    return names, since["1904"]


def read_small(
    path: Source, package: zipfile.ZipFile, name: str, start: Start, end: Callable[[str], None] | None = None
) -> None:
    """Parse a part that must be there. Raises `FileProblem`."""
    if name not in package.namelist():
        raise unreadable(path)
    parser = new_parser()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    for _ in parse(path, package, name, parser):
        pass
