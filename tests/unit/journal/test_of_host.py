"""The journal of an incident on several hosts: each host adds its name to its entries, and reads only its own."""

from pathlib import Path

import pytest

from runbook.journal.journal import Journal
from runbook.journal.of_host import HostJournal, entries_of, hosts_of
from runbook.journal.verify import verify
from runbook.secrets.redactor import Redactor


@pytest.fixture
def whole(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("opened", hosts=[{"name": "shop-1"}, {"name": "shop-2"}])
    return journal


def test_entries_have_their_host_and_are_one_chain(whole: Journal) -> None:
    """All hosts share one chain. Each entry names its host, except entries for all hosts."""
    first, second = HostJournal(whole, "shop-1"), HostJournal(whole, "shop-2")
    first.write("fact", name="schema", value=["1"])
    second.write("fact", name="schema", value=["2"])
    whole.write("closed", outcome="passed")
    assert [entry.get("on") for entry in whole.entries] == [None, "shop-1", "shop-2", None]
    assert [entry.get("on") for entry in second.entries] == [None, "shop-2", None]
    assert hosts_of(whole.entries) == ("shop-1", "shop-2")
    assert entries_of(whole.entries, "shop-1") == first.entries
    assert (first.head, first.path) == (whole.head, whole.path)
    first.close()
    assert verify(whole.path).whole


def test_a_step_for_all_hosts_is_of_none(whole: Journal) -> None:
    """A step for all hosts names no host. The entries within the step do."""
    first = HostJournal(whole, "shop-1")
    first.steps_of_all = True
    assert "on" not in first.write("step began", id="1.1.1")
    assert first.write("check", expected="all well")["on"] == "shop-1"
    first.steps_of_all = False
    assert first.write("step ended", outcome="passed")["on"] == "shop-1"
    whole.close()
