"""Lines of a text file with their numbers, in bounded memory: a line of a gigabyte is refused, not loaded."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

from shared.files.encodings import Encoding, detect
from shared.files.problems import FileProblem, Source

MAX_LINE = 1_000_000
_CHUNK = 1 << 18


def read_lines(path: Source, encoding: Encoding | None = None) -> Iterator[tuple[int, str]]:
    """Line numbers (the first is 1) and texts, each with its line end, any kind of which becomes one `\\n`.

    Raises: `FileProblem` (empty, encoding, truncated, nul-byte, line-too-long).
    """
    known = encoding or detect(path)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(known.codec)(), translate=True)
    number = 1
    waiting = ""
    with path.open("rb") as file:
        ended = False
        while not ended:
            chunk = file.read(_CHUNK)
            ended = not chunk
            try:
                piece = decoder.decode(chunk, final=ended)
            except UnicodeDecodeError as error:
                raise _undecodable(path, known, error, number, ended) from None
            lines = (waiting + piece).split("\n")
            waiting = lines.pop()
            for line in lines:
                yield number, _checked(path, known, line, number) + "\n"
                number += 1
            if len(waiting) > MAX_LINE:
                _checked(path, known, waiting, number)
    if waiting:
        yield number, _checked(path, known, waiting, number)


def _undecodable(path: Source, encoding: Encoding, error: UnicodeDecodeError, number: int, ended: bool) -> FileProblem:
    if ended:
        return FileProblem(
            path, "truncated", "tệp bị cắt giữa chừng.", "the file ends in the middle of a character.", number
        )
    at = number + bytes(error.object)[: error.start].count(b"\n")
    words = ("có ký tự sai bảng mã.", f"has a character that is not {encoding.name}.")
    return FileProblem(path, "encoding", *words, at)


def _checked(path: Source, encoding: Encoding, line: str, number: int) -> str:
    if len(line) > MAX_LINE:
        raise FileProblem(
            path,
            "line-too-long",
            "dòng dài quá một triệu ký tự; đây có phải tệp bảng không?",
            "a line of more than a million characters; is this a table?",
            number,
        )
    if "\x00" in line:
        raise FileProblem(path, "nul-byte", "có ký tự NUL.", "holds a NUL character.", number)
    return line if line.isascii() else encoding.finish(line)
