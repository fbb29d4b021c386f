"""The output of Compose's dry run in several versions; unknown output never counts as good news."""

import pytest

from runbook.errors import Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.production.dry_run import DryRun, Effect, warnings_in

UP = Command(("docker", "compose", "up", "--dry-run"), 10)

PLAIN = """\
time="2026-11-28T14:06:05Z" level=warning msg="Found orphan containers ([shop-old-1]) for this project."
 DRY-RUN MODE -  Container shop-db-1  Running
 DRY-RUN MODE -  Container shop-tunnel-1  Stopping
 DRY-RUN MODE -  Container shop-tunnel-1  Stopped
 DRY-RUN MODE -  Container shop-api-1  Recreate
 DRY-RUN MODE -  Container shop-api-1  Recreated
 DRY-RUN MODE -  Container shop-tunnel-1  Recreate
 DRY-RUN MODE -  Container shop-tunnel-1  Recreated
 DRY-RUN MODE -  Container shop-jobs-2  Stopping
 DRY-RUN MODE -  Container shop-jobs-2  Removing
 DRY-RUN MODE -  Container shop-jobs-2  Removed
 DRY-RUN MODE -  Container shop-gateway-1  Stopping
 DRY-RUN MODE -  Container shop-new-1  Creating
 DRY-RUN MODE -  Container shop-new-1  Created
 DRY-RUN MODE -  Network shop_new  Created
"""
JSON = "\n".join(
    f'{{"dry-run":true,"id":"Container {name}","status":"{status}"}}'
    for name, status in [
        ("shop-db-1", "Running"), ("shop-api-1", "Recreate"), ("shop-api-1", "Recreated"),
        ("shop-jobs-2", "Stopping"), ("shop-jobs-2", "Removed"),
    ]
)  # fmt: skip
NEWER = """\
{"id":"Container shop-db-1","status":"Done","text":"Running"}
{"id":"Container shop-api-1","status":"Working","text":"Recreate"}
{"id":"Container shop-jobs-2","status":"Done","text":"Removed"}
"""


def said(stderr: str, exit_code: int = 0) -> Completed:
    return Completed(UP, exit_code, b"", stderr.encode(), 0.1)


def test_every_container_has_one_effect() -> None:
    """The strongest effect on a container counts, and an unchanged container is no difference."""
    found = DryRun.parse(said(PLAIN))
    assert found.differences == {
        "shop-api-1": Effect.RECREATED,
        "shop-tunnel-1": Effect.RECREATED,
        "shop-jobs-2": Effect.REMOVED,
        "shop-gateway-1": Effect.STOPPED,
        "shop-new-1": Effect.CREATED,
    }
    assert found.effects["shop-db-1"] is Effect.KEPT
    assert found.removes == ()


@pytest.mark.parametrize("lines", [JSON, NEWER], ids=["compose 2", "compose 5"])
def test_json_says_the_same(lines: str) -> None:
    """The JSON output of Compose 2 and 5 gives the same differences as the plain output."""
    differences = DryRun.parse(said(lines)).differences
    assert differences == {"shop-api-1": Effect.RECREATED, "shop-jobs-2": Effect.REMOVED}


def test_network_that_would_be_removed_is_named() -> None:
    """A network that Compose would recreate is named, because its containers would be stopped."""
    found = DryRun.parse(said(" DRY-RUN MODE -  Network shop_default  Removed\n"))
    assert (found.differences, found.removes) == ({}, ("network shop_default",))


@pytest.mark.parametrize(
    ("stderr", "exit_code", "words"),
    [
        (" DRY-RUN MODE -  Container shop-api-1  Levitating\n", 0, "an unknown line about shop-api-1"),
        ("Everything will be fine\n", 0, "an unknown line: Everything"),
        ("unknown flag: --dry-run\n", 16, "dry run failed: unknown flag"),
        ("", 1, "it printed nothing"),
    ],
)
def test_what_is_not_understood_is_inconclusive(stderr: str, exit_code: int, words: str) -> None:
    """An unknown word, line or exit is inconclusive, and never counts as `nothing changes`."""
    with pytest.raises(Inconclusive, match=words):
        DryRun.parse(said(stderr, exit_code))


def test_warnings_are_read_in_compose_s_own_words() -> None:
    """Each warning is listed once, without its quotes; messages of other levels are not listed."""
    line = r'time="2026-11-28T14:06:05Z" level={} msg="The \"NOPE\" variable is not set. Defaulting to a blank string."'
    found = warnings_in(said("\n".join([line.format("warning"), line.format("warning"), line.format("info"), "x"])))
    assert found == ['The "NOPE" variable is not set. Defaulting to a blank string.']


@pytest.mark.parametrize(
    ("words", "effect"),
    [
        ("Running Healthy Waiting Exited Starting Started", Effect.KEPT),
        ("Stopping Stopped Killing Killed Restarting Restarted", Effect.STOPPED),
        ("Creating Created Create", Effect.CREATED),
        ("Removing Removed", Effect.REMOVED),
        ("Recreate Recreated", Effect.RECREATED),
    ],
)
def test_every_word_of_compose_is_understood(words: str, effect: Effect) -> None:
    """Every status word of Compose, spelled exactly as printed, has its effect."""
    for word in words.split():
        assert DryRun.parse(said(f" DRY-RUN MODE -  Container shop-api-1  {word}\n")).effects == {"shop-api-1": effect}
