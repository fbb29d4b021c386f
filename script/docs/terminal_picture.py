r"""Take a picture of a terminal when it first shows what a regular expression matches, running a command.

    shot=".venv/bin/python script/docs/terminal_picture.py"
    $shot docs/live_execution.png "up on the target\s+PRODUCTION" -- script/rehearse breaking-migration --no-plan
    $shot docs/live_plan.png "If you agree" -- .venv/bin/pytest features --settings .rehearsals/…

The command runs in tmux, to its end. For the plan, a practice production must still run its failed release: start one
with `script/rehearse breaking-migration --by-hand`, and use the settings that it prints. The checkout's folder is shown
as `/srv/runbook`.
"""

import io
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from picture import ARGUMENTS, CHROMIUM
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COLUMNS, LINES = 80, 40
DEADLINE = 600.0  # seconds
PAGE = """<!doctype html><meta charset="utf-8"><style>{stylesheet}
body {{ margin: 0; background: {background}; color: {foreground}; display: inline-block; padding: 14px 18px }}
pre {{ margin: 0; font: 14px/1.28 "DejaVu Sans Mono", "Liberation Mono", monospace }}</style><pre>{code}</pre>"""


def screen(wanted: str, command: list[str], server: str) -> str:
    """Run the command in tmux, and return the first screen that `wanted` matches, with escape sequences."""
    tmux = ["tmux", "-L", server, "-f", "/dev/null"]
    size = ["-x", str(COLUMNS), "-y", str(LINES)]
    subprocess.run([*tmux, "new-session", "-d", *size, f"{shlex.join(command)}; sleep 5"], check=True)  # noqa: S603
    found, until = "", time.monotonic() + DEADLINE
    while time.monotonic() < until:
        shown = subprocess.run(  # noqa: S603
            [*tmux, "capture-pane", "-e", "-p"], capture_output=True, text=True, check=False
        )
        if shown.returncode != 0:
            break
        if not found and re.search(wanted, Text.from_ansi(shown.stdout).plain):
            found = shown.stdout
        time.sleep(0.1)
    if not found:
        sys.exit(f"the terminal never showed {wanted!r}")
    return found


def take(picture: Path, wanted: str, command: list[str]) -> None:
    """Write a PNG of the first screen that `wanted` matches."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    text = screen(wanted, command, picture.stem).replace(str(Path.cwd()), "/srv/runbook")
    console.print(Text.from_ansi(text.rstrip()), soft_wrap=True)
    page = console.export_html(theme=MONOKAI, code_format=PAGE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        shown = browser.new_page(viewport={"width": 1100, "height": 400})
        shown.set_content(page)
        shown.locator("body").screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    divider = sys.argv.index("--")
    take(Path(sys.argv[1]), sys.argv[2], sys.argv[divider + 1 :])
