"""A small journal of a complete rollback, for tests of the pages and texts made from it."""

from pathlib import Path
from typing import Any

from runbook.journal.journal import FORMAT, Journal
from runbook.secrets.redactor import Redactor

INCIDENT = "20251218T030000Z-shop-rollback"
ASKED_FOR: dict[str, Any] = {
    **dict.fromkeys(("target", "forward_fix", "accept_loss", "verdict", "because", "enable", "disable")),
    "override": [],
}


#: The action names of the changes that tests refer to by summary.
NAMES = {
    "user traffic is paused": "pause_traffic",
    "user traffic is resumed": "resume_traffic",
    "the rollback is announced": "announce",
    "the follow-up ticket is opened": "open_ticket",
}


def about(summary: str, scope: str = "production") -> dict[str, Any]:
    """Return the members that every entry about the change with that summary has."""
    return {"action": NAMES.get(summary, "bring_up"), "summary": summary, "resource": summary, "scope": scope}


def snapshot(word: str, tag: str, **more: Any) -> dict[str, Any]:
    container = {
        "id": "0123456789abcdef", "name": word, "service": "api", "image_id": word, "image_name": word,
        "state": word, "health": word, "restarts": 0, "started_at": word,
    }  # fmt: skip
    return {
        "at": "2025-12-18T03:00:00Z",
        "containers": [container],
        "digests": {"api": f"{word}-digest-of-{tag}"},
        "tags": [tag],
        "env_file": {"path": "/srv/shop/.env", "sha256": word, "mode": "640", "owner": word, "IMAGE_TAG": tag},
        "schema": [word],
        "readiness": {"status": 200, "answer": {word: False}},
        "gate": word,
        "log_errors": {word: 2},
    } | more


def told(folder: Path, word: str = "x", *, outcome: str | None = "passed", **opened: Any) -> Path:
    """Write a journal in which every text from outside is or contains `word`. It is closed unless `outcome` is None.

    One step fails, one changes production, one scenario is left out.
    """
    journal = Journal(folder / INCIDENT / "journal.jsonl", Redactor())
    write = journal.write
    facts = {"incident": INCIDENT, "project": word, "type": "rollback", "mode": "execute", "operator": word}
    facts |= {
        "format": FORMAT,
        "directory": word,
        "asked_for": ASKED_FOR,
        "process": 7,
        "lock": None,
        "scenarios": [word],
    }
    write("opened", **(facts | {"operator_host": word, "versions": {"python": word}} | opened))
    write("scenario began", scenario=word, feature="1. Chapter", description=word)
    write("step began", id="1.1.1", keyword="Given", text=f"first {word}", scenario=word, place=f"{word}:3")
    write("fact", name="before", value=snapshot(word, "v2"))
    write("fact", name="origin", value={name: snapshot(word, "v2")[name] for name in ("tags", "digests", "log_errors")})
    write("fact", name="target", value={"tag": "v1", "images": {}, "digests": {}})
    write("decision", question="target", text=word, by_human=False, answer=word, evidence=[f"evidence {word}", word])
    kept = {"bytes": 7, "kept": f"{word}\nsecond line"}
    write(
        "command", command=f"docker {word}", directory=word, stdin_bytes=3, exit_code=1, seconds=0.1,
        stdout=kept, stderr={"bytes": 99999, "kept": word},
    )  # fmt: skip
    write("command", command=word, directory=word, stopped=word)
    write("exchange", method="GET", url=word, sent=None, status=503, seconds=0.1, body=word, body_characters=9999)
    write("exchange", method="GET", url=word, sent=None, error=word)
    write("engine request", method="GET", path=word, seconds=0.1, status=404)
    write("engine request", method="GET", path=word, seconds=0.1, error=word)
    write("file look", asked="content", paths=[word], seconds=0.1, seen={"bytes": 9999, "kept": word})
    write("file look", asked="there", paths=[word], seconds=0.1, error=word)
    write("check", expected=word, deadline=30, state="so", seen=word, looks=2, seconds=0.5)
    write("step ended", outcome="passed", detail=word, next_step="", seconds=1.5)
    _change(journal, "user traffic is paused", word)
    _change(journal, "user traffic is resumed", word)
    write("step began", id="1.1.4", keyword="When", text=f"planned {word}", scenario=word, place=f"{word}:7")
    write("action", state="planned", commands=[word], **about(word))
    write("step ended", outcome="planned", detail=word, next_step="", seconds=0.1)
    write("step began", id="1.1.5", keyword="Then", text=f"last {word}", scenario=word, place=f"{word}:8")
    write("step ended", outcome="failed", detail=f"expected this; seen {word}", next_step=word, seconds=0.1)
    write("scenario ended", scenario=word, outcome="failed", provides=[])
    left_out = {"scenario": f"left out {word}", "feature": "2. Chapter", "outcome": "not applicable"}
    write("scenario left out", why="needs", reason=word, **left_out)
    differences = [
        {"part": "Compose configuration", "key": word, "how": "changed", "was": word, "now": f"now {word}"},
        {"part": "env file", "key": word, "how": "added", "was": None, "now": None},
    ]
    drift = {"tag": word, "validated_at": "2025-12-15T03:00:00Z", "differences": differences}
    write("fact", name="configuration drift", value=drift)
    write("fact", name="after", value=snapshot(word, "v1"))
    if outcome is not None:
        write("closed", outcome=outcome, changes_made=[word], reached=["rolled-back"])
    journal.close()
    return journal.path


def _change(journal: Journal, summary: str, word: str) -> None:
    journal.write("step began", id="1.1.2", keyword="When", text=summary, scenario=word, place=f"{word}:5")
    journal.write("action", state="begun", commands=[word], **about(summary))
    journal.write("action", state="done", seconds=0.1, receipts=[word], **about(summary))
    journal.write("step ended", outcome="passed", detail=word, next_step="", seconds=0.1)
