"""All sources are queried at the same time, and none of them can stop a rollback."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from runbook.errors import SourceError
from runbook.hosts.command import Command
from runbook.hosts.host import Host
from runbook.hosts.http import HttpClient
from runbook.hosts.local import LocalHost
from runbook.targets.asking import Answer, Held, ask_all
from runbook.targets.candidate import Candidate
from runbook.targets.sources.source import Through
from tests.support.parts import Heard, Reply, serving


@dataclass
class Scripted:
    """A source that yields its releases, waits, and then raises its error if it has one."""

    name: str
    tags: tuple[str, ...] = ()
    seconds: float = 0.0
    error: Exception | None = None
    url: str = ""
    remarks: list[str] = field(default_factory=list)

    def candidates(self, through: Through) -> Iterator[Candidate]:
        if self.url:
            through.http.get(self.url)
            through.run("echo", "a-secret-of-a-log", most_output=100)
        for tag in self.tags:
            yield Candidate(tag, {}, "scripted")
        time.sleep(self.seconds)
        self.remarks.append("done")
        if self.error:
            raise self.error


def asked(*sources: Scripted, heard: Heard | None = None, deadline: float = 0.5) -> list[Answer]:
    def connect(held: Held) -> tuple[HttpClient, Host]:
        return HttpClient(1.0, held), LocalHost({}, held)

    return ask_all(sources, heard or Heard(), connect, deadline)


def test_source_that_is_down_stops_nothing() -> None:
    """Each source has its own result or the reason why it is down, also after an unexpected error."""
    found = asked(
        Scripted("up", ("v1", "v2")),
        Scripted("down", error=SourceError("refused https://x.example/log?signature=canary", "log in")),
        Scripted("broken", ("v3",), error=ValueError("a-secret")),
    )
    assert [(each.source, [one.tag for one in each.found], each.down) for each in found] == [
        ("up", ["v1", "v2"], ""),
        ("down", [], "refused https://x.example/log?…"),
        ("broken", ["v3"], "its answer cannot be read (ValueError)"),
    ]


def test_signed_address_is_in_no_remark() -> None:
    """Remarks go into the journal, so signed URLs are cut."""
    (found,) = asked(Scripted("up", remarks=["https://x.example/log?signature=canary gave no answer"]))
    assert found.remarks == ["https://x.example/log?… gave no answer", "done"]


def test_slow_sources_are_waited_for_together_and_only_until_the_deadline() -> None:
    """Three sources that hang cost one deadline, and their releases until then count."""
    began = time.monotonic()
    found = asked(*(Scripted(name, ("v1",), seconds=30) for name in "abc"), Scripted("quick", ("v2",)))
    assert time.monotonic() - began < 3
    assert [each.down for each in found] == ["it did not answer within 0.5 s"] * 3 + [""]
    assert [len(each.found) for each in found] == [1, 1, 1, 1]


def test_what_sources_did_goes_on_record_in_their_order_and_without_answers() -> None:
    """URLs and exit codes are recorded in the order of the sources; answers are not, because they may have secrets."""
    heard = Heard()
    with serving(lambda _asked: Reply(200, b"another-secret")) as server:
        urls = (f"{server.url}/slow?token=x", f"{server.url}/quick")
        asked(Scripted("slow", url=urls[0], seconds=0.2), Scripted("quick", url=urls[1]), heard=heard, deadline=5)
    assert [url.rpartition("/")[2] for _, url, _, _ in heard.exchanges] == ["slow", "quick"]
    assert "another-secret" not in str(heard.exchanges)
    assert [completed.command.secret_output for completed in heard.ended] == [True, True]


def test_source_that_ends_late_is_not_recorded_any_more() -> None:
    """A source that ends after the deadline adds no entries to the record."""
    heard, late = Heard(), threading.Event()

    class Late(Scripted):
        def candidates(self, through: Through) -> Iterator[Candidate]:
            time.sleep(1)
            through.host.run(Command(("true",), 5))
            late.set()
            yield from ()

    asked(Late("late"), heard=heard, deadline=0.1)
    assert late.wait(10)
    assert heard.ended == []
