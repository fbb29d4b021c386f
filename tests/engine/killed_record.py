"""The problems in the record of a killed run: its journal, and the page made from it."""

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser

from tests.engine.conftest import ROOT, Ran
from tests.support import journal_schema


def problems(ran: Ran, where: str, kind: str) -> Iterator[str]:
    """Yield the problems in the record of a run that was killed at that moment."""
    assert ran.folder is not None
    verified = runbook("verify", ran.folder / "journal.jsonl")
    if verified.returncode != 1 or "the run was killed" not in verified.stdout:
        yield f"verify: {verified.returncode} {verified.stdout}"
    yield from journal_schema.problems(ran.folder / "journal.jsonl")
    open_step = ""
    for entry in ran.entries:
        if entry["kind"] == "step began":
            open_step = f"{entry['keyword']} {entry['text']}"
        elif entry["kind"] == "step ended":
            open_step = ""
    begun = [entry["summary"] for entry in ran.of_kind("action") if entry["state"] == "begun"]
    expected = {"began": open_step == where, "ended": open_step == ""}
    if not expected.get(kind, bool(open_step) and begun[-1:] == [where]):
        yield f"in flight by the journal: {open_step!r}, last change {begun[-1:]}"
    rendered = runbook("render", ran.folder / "journal.jsonl")
    page = _Page((ran.folder / "record.html").read_text(encoding="utf-8") if rendered.returncode == 0 else "")
    said = f"Interrupted at: {open_step}" if open_step else "Interrupted: "
    if not any(said in heading for heading in page.headings):
        yield f"render: {rendered.returncode} {rendered.stderr}; the page's headings: {page.headings}"


def runbook(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of the runbook's own commands."""
    argv = [sys.executable, "-m", "runbook", *map(str, arguments)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


class _Page(HTMLParser):
    """The headings of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("h1", "h2"):
            self.headings.append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("h1", "h2")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.headings[-1] += data
