"""Charts in a workbook: the very pictures that papers have."""

from __future__ import annotations

from math import ceil
from typing import Final

from openpyxl.drawing.image import Image
from openpyxl.worksheet.worksheet import Worksheet

from shared.documents import Picture

# Where a PNG says how wide and high it is: in its first chunk, behind a mark of 8 bytes, a length and a name of 4 each.
_SIZE: Final = slice(16, 24)
# A chart's PNG has so many pixels for one of the screen.
_FINER: Final = 2
_ROW: Final = 20  # pixels of a row that nobody made higher


class _Png(Image):
    """A PNG as openpyxl writes it, which itself would ask a library of pictures for no more than the size."""

    def __init__(self, png: bytes) -> None:
        self.format, self._png = "png", png
        size = png[_SIZE]
        self.width = int.from_bytes(size[:4], "big") // _FINER
        self.height = int.from_bytes(size[4:], "big") // _FINER

    def _data(self) -> bytes:
        return self._png


def place_picture(sheet: Worksheet, picture: Picture, row: int) -> int:
    """Put a picture on a sheet, its upper edge at a row. Out: the first row below it. What it shows has to be told in
    cells, too: of a picture a workbook has no words."""
    image = _Png(picture.png)
    sheet.add_image(image, f"A{row}")
    return row + ceil(image.height / _ROW) + 1
