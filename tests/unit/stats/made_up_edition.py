"""An edition of October 2026 with a figure of every indicator, for tests of files."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from services.stats.domain.closing import Audience, Change, Edition, Frozen, named
from services.stats.domain.periods import Period
from services.stats.domain.reading import goal_of
from services.stats.views import Words
from shared.reference.indicators import Indicator, Indicators
from shared.reference.units import Units
from shared.web.i18n import ZONE, Language, Texts

OCTOBER = Period.parse("2026-10")
TEXTS = Texts(("services.stats", "shared.web"))
_SEXES = ("female", "male", "unknown")


def words(language: Language = "vi") -> Words:
    return Words(TEXTS, language)


def made_up(audience: Audience = "published", seed: int = 1, revision: int = 0) -> Edition:
    chance = random.Random(seed)
    figures: list[Frozen] = []
    for indicator in Indicators.load():
        periods = dict.fromkeys((OCTOBER, OCTOBER.previous, OCTOBER.year_before))
        figures += [_figure(chance, indicator, audience, period.code) for period in periods]
        if indicator.shape == "reported" or indicator.code == "unclassified":
            continue
        for unit in (*Units.load().codes()[:12], "unclassified"):
            figures.append(_figure(chance, indicator, audience, OCTOBER.code, "unit", unit))
        if "sex" in indicator.by:
            figures += [_figure(chance, indicator, audience, OCTOBER.code, "sex", sex) for sex in _SEXES]
        if "age" in indicator.by:
            figures += [_figure(chance, indicator, audience, OCTOBER.code, "age", age) for age in ("0-3", "16+")]
    changed = Change("cases-opened", OCTOBER.code, "sex", "female", 6, 7)
    return Edition(
        period=OCTOBER,
        edition=revision,
        number=f"{7 + revision:02d}/2026",
        audience=audience,
        as_of=datetime(2026, 11, 16, tzinfo=ZONE),
        at=datetime(2026, 11, 17, 2, tzinfo=UTC),
        by="ha.coordinator" if audience == "exact" else "",
        indicators=tuple(
            named(indicator, OCTOBER, goal_of(indicator, OCTOBER, "province")) for indicator in Indicators.load()
        ),
        figures=tuple(sorted(figures, key=lambda figure: figure.place)),
        reason="late" if revision else "",
        reference="12/BC-SYT" if revision else "",
        changes=(changed,) if revision else (),
    )


def _figure(
    chance: random.Random,
    indicator: Indicator,
    audience: Audience,
    period: str,
    dimension: str = "",
    category: str = "",
) -> Frozen:
    place = (indicator.code, period, dimension, category)
    if audience == "published" and chance.random() < 0.2:
        return Frozen(*place, None, None, None, "protected")
    n = chance.randrange(5, 2_000)
    if indicator.shape == "ratio":
        return Frozen(*place, n / (n + 40) * indicator.scale, n, n + 40)
    if indicator.shape == "count":
        return Frozen(*place, float(n), n, None)
    if chance.random() < 0.3:
        return Frozen(*place, None, None, None)
    return Frozen(*place, n / 20, n if indicator.shape == "percentile" else None, None)
