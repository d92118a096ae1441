"""Vietnamese first, English beside it: translations from .po files and how dates, numbers and names are written.

It must never need a compile step (catalogues are compiled in memory), and never show a time in another zone than ours.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from io import BytesIO
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.support import NullTranslations, Translations

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT_LANGUAGE: Language = "vi"
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")

# The Vietnamese alphabet, and the order of tones in dictionaries: level, falling, asking, tumbling, rising, heavy.
_ALPHABET = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_LETTER_ORDER = {letter: place for place, letter in enumerate(_ALPHABET, start=1)}
_TONE_ORDER = {"\u0300": 1, "\u0309": 2, "\u0303": 3, "\u0301": 4, "\u0323": 5}
_END_OF_DAY: dict[Language, str] = {"vi": "hết ngày {}", "en": "the end of {}"}


def is_language(value: str | None) -> bool:
    """Whether the value names a language that we speak."""
    return value in LANGUAGES


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of the given packages. A msgid is the Vietnamese text itself; `<package>/locale/en.po` has English."""

    packages: tuple[str, ...]
    _english: NullTranslations = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_english", _english(self.packages))

    def catalogue(self, language: Language) -> NullTranslations:
        """Out: what a template environment of that language installs."""
        return self._english if language == "en" else NullTranslations()

    def gettext(self, language: Language, text: str, **values: object) -> str:
        """In: a Vietnamese text with `%(name)s` places. Out: it in the language, filled in."""
        said = self.catalogue(language).ugettext(text)
        return said % values if values else said

    def counted(self, language: Language, text: str, n: int) -> str:
        """In: a Vietnamese text with `%(n)s`, which has one form for every number; English has two. Out: it with n."""
        return self.catalogue(language).ungettext(text, text, n) % {"n": format_number(language, n)}


def _english(packages: Sequence[str]) -> NullTranslations:
    merged = Translations()
    for package in packages:
        source = resources.files(package).joinpath("locale/en.po")
        if not source.is_file():
            continue
        compiled = BytesIO()
        write_mo(compiled, read_po(BytesIO(source.read_bytes()), locale="en"))
        compiled.seek(0)
        merged.merge(Translations(compiled))
    return merged


def format_date(value: date | datetime | None) -> str:
    """Out: dd/MM/yyyy, in our zone for a moment; empty for none."""
    if value is None:
        return ""
    return (_here(value) if isinstance(value, datetime) else value).strftime("%d/%m/%Y")


def format_datetime(value: datetime | None) -> str:
    """In: a moment with a zone. Out: dd/MM/yyyy HH:mm in our zone; empty for none."""
    return "" if value is None else _here(value).strftime("%d/%m/%Y %H:%M")


def format_due(language: Language, value: datetime | None) -> str:
    """In: until when, with a zone. Out: as `format_datetime`; of a whole day only that day, of midnight the day that
    ends with it."""
    if value is None:
        return ""
    last = _here(value - timedelta(seconds=1))
    ends = (last + timedelta(seconds=2)).date() != last.date()
    return _END_OF_DAY[language].format(last.strftime("%d/%m/%Y")) if ends else format_datetime(value)


def format_time(value: datetime | None) -> str:
    """In: a moment with a zone. Out: HH:mm:ss in our zone; empty for none."""
    return "" if value is None else _here(value).strftime("%H:%M:%S")


def iso(value: datetime) -> str:
    """Out: the moment for a machine-readable `datetime` attribute."""
    return value.astimezone(UTC).isoformat(timespec="seconds")


def format_number(language: Language, value: float | None, digits: int | None = None) -> str:
    """Out: 1.234,5 in Vietnamese and 1,234.5 in English; `digits` after the point where given; a dash for none."""
    if value is None:
        return "–"
    if digits is None and type(value) is int:
        return _whole(language, value)
    pattern = None if digits is None else "#,##0" + ("." + "0" * digits if digits else "")
    return format_decimal(value, format=pattern, locale=language)


@lru_cache(10_000)
def _whole(language: Language, value: int) -> str:
    """Boards are tables of the same few hundred counts, rendered again and again."""
    return format_decimal(value, locale=language)


def format_share(language: Language, value: float | None, digits: int = 1) -> str:
    """In: a share of one. Out: as per cent, "6,5%"; a dash for none."""
    if value is None:
        return "–"
    return format_percent(value, format="#,##0" + ("." + "0" * digits if digits else "") + "%", locale=language)


def duration_words(texts: Texts, language: Language, span: timedelta) -> str:
    """In: a length of time. Out: its largest unit in words ("3 giờ", "2 ngày"), rounded down, never "0"."""
    minutes = max(1, int(abs(span).total_seconds() // 60))
    if minutes < 60:
        return texts.counted(language, "%(n)s phút", minutes)
    if minutes < 48 * 60:
        return texts.counted(language, "%(n)s giờ", minutes // 60)
    return texts.counted(language, "%(n)s ngày", minutes // (24 * 60))


def name_key(full_name: str) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Out: a sort key for Vietnamese names: given name first, then family and middle names, in dictionary order."""
    words = full_name.lower().split()
    return tuple(_word_key(word) for word in ([*words[-1:], *words[:-1]]))


def place_key(name: str) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Out: a sort key for names of places: in dictionary order, word by word."""
    return tuple(_word_key(word) for word in name.lower().split())


@lru_cache(maxsize=20_000)
def _word_key(word: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    letters: list[int] = []
    tones: list[int] = []
    for composed in unicodedata.normalize("NFC", word):
        tone = 0
        base = ""
        for mark in unicodedata.normalize("NFD", composed):
            if mark in _TONE_ORDER:
                tone = _TONE_ORDER[mark]
            else:
                base += mark
        letters.append(_LETTER_ORDER.get(unicodedata.normalize("NFC", base), 1000 + ord(base[0])))
        tones.append(tone)
    # Tones decide only between words of the same letters.
    return tuple(letters), tuple(tones)


def _here(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("A moment without a zone cannot be shown")
    return value.astimezone(ZONE)
