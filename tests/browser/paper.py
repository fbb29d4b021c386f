"""A page as it is printed: its text, in which letters that would stand beyond the paper's edge are missing."""

from dataclasses import dataclass

from playwright.sync_api import Page
from pypdfium2 import PdfDocument

_POINTS_PER_MM = 72 / 25.4


@dataclass(frozen=True)
class Printed:
    """A print: its pages' texts, and the least distance of a letter to the left and the right edge, in millimetres."""

    texts: list[str]
    left: float
    right: float


def printed(page: Page, paper: str) -> Printed:
    """Print a page as a person would who changes nothing in the dialogue."""
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
