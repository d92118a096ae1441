"""A chart for a paper: the specification that the page draws, as wide as a sheet. CPU work, not for the event loop."""

from __future__ import annotations

from typing import Final

from services.stats.drawing.charts import Drawing
from shared.documents import Picture

# As many pixels as make a chart's letters as large as a table's on a sheet of 16 cm.
_WIDTH: Final = 620


def picture_of(drawing: Drawing, title: str = "") -> Picture:
    """In: a chart, and what stands over it where that is not its own title. Out: it as papers take it."""
    said = ". ".join(part for part in (drawing.title, drawing.said) if part)
    above = title or drawing.title
    if drawing.note:
        above = f"{above}. {drawing.note}"
    return Picture(above, said, drawing.svg(_WIDTH), drawing.png(_WIDTH))
