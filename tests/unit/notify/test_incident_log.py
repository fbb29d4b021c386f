"""The team's own incident log: one entry per incident, written whole or not at all."""

import fcntl
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import CommandFailed, Inconclusive, SettingsError
from runbook.incident.facts import Facts
from runbook.incident.production_facts import TurnedSwitch
from runbook.notify.incident_log import Applied, IncidentLog, entry
from runbook.notify.telling import Kind
from runbook.settings.people import IncidentLogSettings
from tests.support.incident_facts import APPLICATION, DOWNGRADE, HOSTILE, LOSS, RESTORED
from tests.support.parts import host

INCIDENT = "20251218T030000Z-shop-rollback"
APPLIED = Applied(
    incident=INCIDENT,
    project="shop",
    operator="ann",
    at="2025-12-18T03:10:00Z",
    down="3.5",
    record="/reports/i-1/record.html",
    restore_point="Restore point: /srv/i-1.dump.",
    ticket="https://desk.example/7",
)


def log(**settings: Any) -> IncidentLog:
    return IncidentLog(IncidentLogSettings.model_validate(settings), host(), 10)


def write(path: Path, incident: str = INCIDENT, text: str = "- it went back") -> str:
    change = log(file=path).documenting(incident, "shop: rolled back", text)
    assert change.message is not None
    return change.message.send()


def test_entry_says_what_was_applied() -> None:
    """An entry has strategy, releases, revisions, operator, time, downtime, restore point, ticket, record and drift."""
    title, text = entry(APPLIED, Facts.model_validate(DOWNGRADE), str)
    assert title == "shop: rolled back from v2 to v1"
    for word in (
        "Strategy: downgrade", "`v2` → `v1`", "downgraded to r1", f"reconcile: {LOSS.replace('_', '')}",
        "Applied by: ann, 2025-12-18T03:10:00Z", "3.5", "/srv/i-1.dump", "https://desk.example/7",
        "`/reports/i-1/record.html`", f"`{INCIDENT}`",
    ):  # fmt: skip
        assert word in text
    assert all(line.startswith("- ") for line in text.splitlines())


def test_emergency_is_an_entry_too() -> None:
    """The entry of an emergency names the switch and who turns it on again."""
    switch = TurnedSwitch(name="exports", variable="EXPORT_MODE", value="off", state="off", owner="orders team")
    title, text = entry(APPLIED, Facts(switch=switch), str)
    assert title == "shop: exports turned off"
    assert "`EXPORT_MODE=off`" in text
    assert "orders team" in text
    assert "Strategy" not in text


def test_restore_is_an_entry_too() -> None:
    """A restore's entry has the dump, revisions, rows, the kept database, and the commands to start and to remove."""
    title, text = entry(APPLIED._replace(ticket=""), Facts.model_validate(RESTORED), str)
    assert title == "shop: restored from good.dump"
    for word in (
        "good.dump, 815 bytes", "cd" * 32, "Revisions: r2 before, r1 now.", "public.orders 2, before 4",
        "Data loss: everything written since then is only in the kept database shop_before_20251218030000",
        "fits the schema r1: `cd /srv/shop && docker compose up -d api jobs`",
        "`shop_before_20251218030000`, once nobody needs its rows: `docker compose exec -T db psql --command 'DROP",
        "/srv/i-1.dump", "Applied by: ann, 2025-12-18T03:10:00Z", "3.5", "`/reports/i-1/record.html`", f"`{INCIDENT}`",
    ):  # fmt: skip
        assert word in text
    for word in ("Strategy", "failed release", "unknown", "ticket"):
        assert word not in text
    assert all(line.startswith("- ") for line in text.splitlines())


def test_abandoned_switch_is_an_entry_too() -> None:
    """An abandoned switch's entry says which release keeps running, what was removed, and that the fault remains."""
    title, text = entry(APPLIED._replace(kind=Kind.ABANDON, ticket=""), Facts.model_validate(APPLICATION), str)
    assert title == "shop: the switch from v2 to v1 was abandoned"
    assert "`v2` keeps running, and stays in quarantine. Its fault is not fixed." in text
    assert "All containers of `v1` were removed." in text
    assert "Strategy" not in text


def test_rollback_behind_an_abandoned_switch_has_an_entry_of_its_own(tmp_path: Path) -> None:
    """A rollback after an abandoned switch gets its own entry. Each is entered once."""
    path = tmp_path / "incidents.md"
    for kind, title in ((Kind.ABANDON, "abandoned"), (Kind.ROLLBACK, "rolled back")):
        change = log(file=path).documenting(INCIDENT, title, "- text", kind)
        assert change.already() is None
        assert change.message is not None
        change.message.send()
        assert change.already() is not None
    assert path.read_text().count("## ") == 2


def test_foreign_text_in_an_entry_is_no_markup() -> None:
    """Foreign text in an entry is neither Markdown nor HTML, and ends no comment."""
    facts = Facts.model_validate(DOWNGRADE | {"loss": [HOSTILE]})
    text = entry(APPLIED._replace(operator="ann -->\n## gone"), facts, lambda each: each.replace("octo", "[secret]"))[1]
    for word in ("**x**", "[a](", "<b>", "@here", "\n## gone", "octo"):
        assert word not in text


def test_entry_is_appended_once(tmp_path: Path) -> None:
    """An entry is appended once per incident, and the existing text stays unchanged."""
    path = tmp_path / "incidents.md"
    path.write_text("# Incidents\n\nhand-written, without a line end")
    change = log(file=path).documenting(INCIDENT, "shop: rolled back", "- it went back")
    assert change.already() is None
    write(path)
    assert "is in" in str(change.already())
    write(path)
    write(path, "20260101T000000Z-shop-rollback")
    text = path.read_text()
    assert text.startswith("# Incidents\n\nhand-written, without a line end\n\n## shop: rolled back\n\n<!-- ")
    assert text.count("## shop: rolled back") == 2
    assert text.endswith("- it went back\n")


def test_log_that_is_missing_is_made(tmp_path: Path) -> None:
    """A missing log is created."""
    assert write(tmp_path / "new.md") == f"entered in {tmp_path / 'new.md'}"
    assert (tmp_path / "new.md").read_text().startswith("## shop")


def test_two_at_once_lose_nothing(tmp_path: Path) -> None:
    """Runs that write at the same time leave one entry each."""
    path = tmp_path / "incidents.md"
    names = [f"20260101T0000{number:02}Z-shop-rollback" for number in range(8)]
    threads = [threading.Thread(target=write, args=(path, name, "x" * 20_000)) for name in names for _ in range(2)]
    for each in (*threads,):
        each.start()
    for each in threads:
        each.join()
    text = path.read_text()
    assert [text.count(f"<!-- rollback-runbook {name} -->") for name in names] == [1] * 8
    assert text.count("x" * 20_000) == 8


def test_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the partial entry is removed, and the error is reported."""
    path = tmp_path / "incidents.md"
    path.write_text("before\n")
    whole = os.write
    monkeypatch.setattr(os, "write", lambda file, data: whole(file, data[:5]))
    with pytest.raises(Inconclusive, match="could not be written") as caught:
        write(path)
    assert "by hand" in caught.value.next_step
    assert path.read_text() == "before\n"


def test_place_that_cannot_be_written_is_found_in_the_plan(tmp_path: Path) -> None:
    """A log file that cannot be created is refused in advance."""
    with pytest.raises(SettingsError, match="cannot be written"):
        log(file=tmp_path / "no-such-folder" / "log.md")


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link-to-nowhere"])
def test_what_takes_no_entry_is_found_in_the_plan(tmp_path: Path, kind: str) -> None:
    """A folder, a pipe, a device and a link to a missing folder are refused as a log."""
    path = tmp_path / "incidents.md"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/null")
    else:
        path.symlink_to(tmp_path / "no-such-folder" / "log.md")
    with pytest.raises(
        SettingsError, match=r"cannot be written: (it is not a|Is a directory|this user may not write to the folder)"
    ):
        log(file=path)


def test_command_that_is_not_there_is_found_in_the_plan() -> None:
    """A missing program is refused in advance, not at the end of a rollback."""
    with pytest.raises(SettingsError, match=r"the program no-such-program, .* → correct incident_log\.command"):
        log(command=["no-such-program", "--add"])


def test_link_is_followed(tmp_path: Path) -> None:
    """A link is followed, even to a missing file, and stays a link."""
    link, path = tmp_path / "link.md", tmp_path / "incidents.md"
    link.symlink_to(path)
    write(link)
    assert link.is_symlink()
    assert path.read_text().startswith("## shop: rolled back")


def test_line_ends_of_the_file_are_kept(tmp_path: Path) -> None:
    """A log with CRLF gets its entry with CRLF, once."""
    path = tmp_path / "incidents.md"
    path.write_bytes(b"# Incidents\r\n\r\nold")
    write(path)
    write(path)
    content = path.read_bytes()
    assert content.startswith(b"# Incidents\r\n\r\nold\r\n\r\n## shop: rolled back\r\n")
    assert content.count(b"\n") == content.count(b"\r\n") == 9


def test_lock_that_is_never_let_go_of_is_told(tmp_path: Path) -> None:
    """A log that another process has locked is given up after a deadline, and stays unchanged."""
    path = tmp_path / "incidents.md"
    path.write_text("before\n")
    change = IncidentLog(IncidentLogSettings(file=path), host(), 0.2).documenting(INCIDENT, "x", "y")
    assert change.message is not None
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Inconclusive, match="another process has held its lock"):
            change.message.send()
    assert path.read_text() == "before\n"


def test_file_that_is_replaced_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an editor replaces the file during writing, an error is reported. The next try writes to the new file."""
    path, lock = tmp_path / "incidents.md", fcntl.flock
    path.write_text("old\n")

    def meanwhile(file: int, how: int) -> None:
        (tmp_path / "saved").write_text("edited\n")
        (tmp_path / "saved").replace(path)
        lock(file, how)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", meanwhile)
        with pytest.raises(Inconclusive, match="replaced the file"):
            write(path)
    write(path)
    assert path.read_text().startswith("edited\n\n## shop: rolled back")


def test_text_that_is_no_unicode_is_written_all_the_same(tmp_path: Path) -> None:
    """Text that is not valid Unicode is written with a replacement."""
    write(tmp_path / "incidents.md", text="- \udce9")
    assert "- ?" in (tmp_path / "incidents.md").read_text()


def test_command_gets_the_entry(tmp_path: Path) -> None:
    """The command gets the entry with its marker on standard input. A command that fails is an error."""
    copy = f"import sys; open({str(tmp_path / 'copy')!r}, 'w').write(sys.stdin.read())"
    change = log(command=[sys.executable, "-c", copy]).documenting(INCIDENT, "shop: rolled back", "- back")
    assert change.already() is None
    assert change.message is not None
    assert "taken by" in change.message.send()
    marker = f"<!-- rollback-runbook {INCIDENT} -->"
    assert (tmp_path / "copy").read_text() == f"## shop: rolled back\n\n{marker}\n\n- back\n"
    failing = log(command=["false"]).documenting(INCIDENT, "x", "y")
    assert failing.message is not None
    with pytest.raises(CommandFailed):
        failing.message.send()
