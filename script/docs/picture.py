"""Take the pictures of a record and of the archive: `.venv/bin/python script/docs/picture.py`. Takes some minutes.

Without arguments, it rehearses some incidents and makes docs/record.png and docs/archive.png from their records. For an
existing page: `.venv/bin/python script/docs/picture.py reports/…/record.html docs/record.png`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
ROOT = Path(__file__).parents[2]
#: The incidents in the archive. The last one's record is the one in the picture.
REHEARSED = ("regression", "irreversible-migration", "export-leak", "breaking-migration")


def take(page: Path, picture: Path, *, width: int = 1100, height: int = 1250) -> None:
    """Write a PNG of the top of a page, `width` by `height` pixels, in its light color scheme.

    The checkout's folder is shown as `/srv/runbook`.
    """
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        shown = Path(place, page.name)
        shown.write_text(page.read_text(encoding="utf-8").replace(str(ROOT), "/srv/runbook"), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        tab.goto(shown.as_uri())
        tab.screenshot(path=picture)
        browser.close()


def rehearse(incident: str, reports: Path) -> Path:
    """Rehearse an incident and return its record's page. Exit code 1, a held production, is accepted."""
    argv = [ROOT / "script/rehearse", incident, "--", "--reports", reports]
    ran = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own command
    page = Path((ran.stdout.strip().splitlines() or [""])[-1])
    if ran.returncode not in (0, 1) or page.name != "record.html":
        sys.exit(f"{ran.stdout}\nthe rehearsal wrote no record → type: script/rehearse {incident}")
    return page


def main() -> None:
    """Rehearse, and take both pictures."""
    with tempfile.TemporaryDirectory() as place:
        reports = Path(place, "reports")
        for incident in REHEARSED:
            record = rehearse(incident, reports)
        take(record, ROOT / "docs" / "record.png")
        take(reports / "index.html", ROOT / "docs" / "archive.png", width=1240, height=1100)


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2])) if sys.argv[2:] else main()
