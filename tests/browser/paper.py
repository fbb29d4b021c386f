"""A printed page: its text, without the letters that would be beyond the paper's edge."""

from dataclasses import dataclass

from playwright.sync_api import Page
from pypdfium2 import PdfDocument

_POINTS_PER_MM = 72 / 25.4


@dataclass(frozen=True)
class Printed:
    """A printout: the texts of its pages, and the smallest distance of a letter to the left and right edge, in mm."""

    texts: list[str]
    left: float
    right: float


def printed(page: Page, paper: str) -> Printed:
    """Print a page with the default settings of the print dialog."""
    document = PdfDocument(page.pdf(format=paper))
    texts, lefts, rights = [], [], []
    for sheet in document:
        text = sheet.get_textpage()
        texts.append(text.get_text_range())
        boxes = [text.get_charbox(number) for number in range(text.count_chars())]
        lefts += [left for left, _, _, _ in boxes]
        rights += [sheet.get_width() - right for _, _, right, _ in boxes]
        text.close()
    document.close()
    return Printed(texts, min(lefts) / _POINTS_PER_MM, min(rights) / _POINTS_PER_MM)
