"""Helpers to inspect a page: unfold or fold everything, run axe, measure the contrast of text."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_FAINT = """([wanted, least]) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const pixel = colour => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ground = element => {
        for (let each = element; each; each = each.parentElement) {
            const found = pixel(getComputedStyle(each).backgroundColor);
            if (found[3] === 255) return found;
        }
        return [255, 255, 255];
    };
    const found = new Set();
    for (const element of document.querySelectorAll(wanted)) {
        if (!element.checkVisibility() || !element.textContent.trim()) continue;
        const [a, b] = [light(pixel(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < least) found.add(`${ratio.toFixed(1)} ${element.localName}.${element.className}`);
    }
    return [...found];
}"""


def unfold(page: Page, *, unfolded: bool = True) -> None:
    """Open everything that is folded, in the record and in pytest-html's table; or fold everything."""
    opening = "open => document.querySelectorAll('details').forEach(each => { each.open = open; })"
    # The table is inside a section that is folded itself.
    page.evaluate(opening, True)  # noqa: FBT003 - an argument of the JavaScript function
    button = page.locator("#show_all_details" if unfolded else "#hide_all_details")
    if button.count():
        button.click()
    page.evaluate(opening, unfolded)


def violations(page: Page, *rules: str, without: str = "") -> str:
    """Return axe's findings on the whole page, by these rules or by all but one. Empty if there are none."""
    # Otherwise axe also describes each correct element, which takes most of its time.
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    if without:
        options["rules"] = {without: {"enabled": False}}
    results = Axe().run(page, options=options)
    return results.generate_report() if results.violations_count else ""


def faint(page: Page, selector: str, least: float) -> str:
    """Return the kinds of visible elements of that selector whose text contrast is below `least`."""
    return "\n".join(page.evaluate(_FAINT, [selector, least]))
