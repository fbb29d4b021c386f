"""The configuration differences since the target was validated, on the page and in the Markdown."""

from pathlib import Path
from typing import Any

import pytest

from runbook.journal.journal import Journal
from runbook.journal.verify import verify
from runbook.report.page import render
from runbook.secrets.redactor import Redactor

KEY = "services.api.environment.LOG_LEVEL"


def change(**more: Any) -> list[dict[str, Any]]:
    return [{"part": "Compose configuration", "key": KEY, "how": "changed", "was": None, "now": None} | more]


@pytest.mark.parametrize(
    ("differences", "on_page", "in_markdown"),
    [
        ({"unknown": "it has no line"}, "<p>Not known: it has no line</p>", "Not known: it has no line"),
        ([], "<p>No differences: the Compose files,", "No differences since 2025-12-15 10:00:00 UTC."),
        (change(), '<td colspan="2">changed</td>', f"- Compose configuration, `{KEY}`: changed\n"),
        (
            change(was="", now="debug"),
            '<td data-th="validated">(empty)</td><td data-th="now">debug</td>',
            f"- Compose configuration, `{KEY}`: changed, was `(empty)`, is `debug`",
        ),
    ],
    ids=["unknown", "nothing", "secret", "shown"],
)
def test_it_is_told(tmp_path: Path, differences: Any, on_page: str, in_markdown: str) -> None:
    """Page and Markdown say whether the differences are known, which keys differ, and the values that may be shown."""
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    told = {} if isinstance(differences, dict) else {"validated_at": "2025-12-15T10:00:00Z"}
    journal.write("fact", name="configuration drift", value={"tag": "v1", "differences": differences} | told)
    journal.close()
    assert "Configuration since v1 was validated" in (page := render.body(journal.path))
    assert on_page in page
    assert in_markdown in render.markdown(journal.path, verify(journal.path))
