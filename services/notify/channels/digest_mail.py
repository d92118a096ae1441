"""A digest as an e-mail that is read: how many of what as a picture and a table, then each with its link.

The picture shows numbers of kinds of events, nothing of a case; whoever does not see it has the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any, Final

import altair as alt

from services.notify.channels.wording import UnitName
from services.notify.texts import Fields, Texts
from shared.web.charts import PALETTE, chart
from shared.web.i18n import Language, format_number

# Kinds that get a bar of their own; the rest is one.
_MOST_BARS: Final = 8
_LONGEST_LABEL: Final = 44
_BAR, _WIDTH = 26, 320
Fragment = Callable[..., str]


class DigestMail:
    """Adds the part that people see to a digest's e-mail.

    Args:
        fragment: turns a template into HTML in a language. unit_name: a commune's name by its code.
    """

    def __init__(self, texts: Texts, unit_name: UnitName, fragment: Fragment) -> None:
        self._texts = texts
        self._unit_name = unit_name
        self._fragment = fragment

    def listed(self, items: Sequence[Mapping[str, Any]], language: Language) -> list[tuple[str, str]]:
        """Each item in words, with its link."""
        return [(self._title(item, language), str(item["link"])) for item in items]

    def add(
        self,
        message: EmailMessage,
        items: Sequence[Mapping[str, Any]],
        language: Language,
        *,
        title: str,
        settings: str,
        domain: str,
    ) -> None:
        """Add HTML with the picture to a message that has its plain text. About 100 ms: not on the event loop."""
        kinds = counted(items, self._texts, language)
        rest = self._texts.catalogue.gettext(language, self._texts.parts["rest"])
        rows = [*kinds[:_MOST_BARS]]
        if more := sum(number for _, number in kinds[_MOST_BARS:]):
            rows.append((rest, more))
        picture = make_msgid("digest", domain)
        html = self._fragment(
            "mail_digest.html",
            language,
            lang=language,
            title=title,
            picture=picture[1:-1],
            rows=[(name, format_number(language, number)) for name, number in rows],
            listed=self.listed(items, language),
            settings=settings,
        )
        message.add_alternative(html, subtype="html")
        parts = message.get_payload()
        related = parts[-1] if isinstance(parts, list) else None
        if isinstance(related, EmailMessage):
            drawn = picture_of(rows)
            related.add_related(drawn, "image", "png", cid=picture, filename="digest.png", disposition="inline")

    def _title(self, item: Mapping[str, Any], language: Language) -> str:
        unit, due = item["unit"], item["due"]
        fields = Fields(
            item["event_type"],
            item["case_id"],
            self._unit_name(unit, language) if unit else "",
            datetime.fromisoformat(due) if due else None,
            item["case_code"],
        )
        return self._texts.title(fields, language)


def counted(items: Sequence[Mapping[str, Any]], texts: Texts, language: Language) -> list[tuple[str, int]]:
    """How many of each kind, the most first; kinds in words."""
    numbers = Counter(texts.explanation(item["event_type"], language) for item in items)
    return sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))


def picture_of(rows: Sequence[tuple[str, int]]) -> bytes:
    """Bars with their numbers, as PNG."""
    data = alt.InlineData(
        values=[{"kind": _short(name), "n": number, "at": at} for at, (name, number) in enumerate(rows)]
    )
    base = alt.Chart(data).encode(
        y=alt.Y(
            "kind:N",
            sort=alt.SortField("at"),
            title=None,
            axis=alt.Axis(labelLimit=0, labelPadding=6, ticks=False, domain=False),
        ),
        x=alt.X("n:Q", axis=None, scale=alt.Scale(domainMin=0)),
    )
    bars = base.mark_bar(color=PALETTE[0], height=16)
    numbers = base.mark_text(align="left", dx=4, fontSize=12, color="#2b3b42").encode(text="n:Q")
    drawn = alt.layer(bars, numbers).properties(width=_WIDTH, height=_BAR * len(rows))
    table = [[name, str(number)] for name, number in rows]
    return chart("digest", "", drawn, ["", ""], table).to_png(1.5)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1].rsplit(" ", 1)[0] + "…"
