"""Requests repeated within one step are shown once, with all their answers."""

from typing import Any

import pytest

from runbook.report.timeline import Step


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ({"kind": "command", "command": "docker ps", "exit_code": 0}, "exit code 0 (9 times)"),
        ({"kind": "exchange", "method": "GET", "url": "http://api/", "status": 503}, "HTTP 503 (9 times)"),
        ({"kind": "engine request", "method": "GET", "path": "/_ping", "status": 200}, "HTTP 200 (9 times)"),
        ({"kind": "file look", "asked": "content", "paths": ["/srv/.env"]}, "seen (9 times)"),
        ({"kind": "file look", "asked": "content", "paths": ["/srv/.env"], "error": "gone"}, "no answer (9 times)"),
    ],
)
def test_what_was_asked_repeatedly_is_folded(asked: dict[str, Any], answers: str) -> None:
    """Repeated commands, requests and file checks are shown once, with the number of each answer."""
    step = Step("Then", "all is well", "5.1.1", "2026-01-01T03:00:00.000000Z")
    step.details = [asked | {"time": f"2026-01-01T03:00:0{second}.000000Z"} for second in range(9)]
    ((shown, summary),) = step.shown
    assert shown is step.details[-1]
    assert summary == f"asked 9 times in 8.0 s: {answers}"
