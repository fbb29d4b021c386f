"""What people are told at each turn: our templates, a team's own, and what is done with foreign text."""

from dataclasses import replace
from pathlib import Path

import pytest

from runbook.errors import SettingsError
from runbook.incident.facts import TurnedSwitch
from runbook.notify.telling import Stopped, Telling, Templates
from runbook.settings.people import Turn
from tests.support.incident_facts import HOSTILE

SWITCH = TurnedSwitch(name="exports", variable="EXPORT_MODE", value="off", state="off", owner="orders team")
KNOWN = Telling(
    incident="i-1",
    project="shop",
    operator="ann@desk",
    failed="v2",
    target="v1",
    strategy="image-only",
    verdict="additive",
    gate="closed by this incident since 2025-12-18T03:01:00Z",
    schema=("Verdict on migrations: additive.", "The schema stays at r2."),
    down="3.5",
    seconds="83",
    stopped=Stopped("2.4.4", "Then every container runs it", "expected a, saw b", "look at it"),
    next_why="to go on, type",
    next_command="pytest features --resume i-1",
    record="/reports/i-1/record.html",
    ticket="https://desk.example/7",
    head="0" * 64,
    changes=("traffic is paused",),
)


def ours(redact: dict[str, str] | None = None) -> Templates:
    def redacted(text: str) -> str:
        for secret, instead in (redact or {}).items():
            text = text.replace(secret, instead)
        return text

    return Templates(None, redacted)


@pytest.mark.parametrize(
    ("turn", "title", "words"),
    [
        (Turn.STARTED, "shop: rolling back to v1", ["interruption: not known"]),
        (
            Turn.STARTED,
            "shop: rolling back to v1",
            ["ann@desk", "from v2 to v1", "image-only", "migrations: additive."],
        ),
        (Turn.HELD, "shop is held as it is", ["before any change", "every container", "saw b", "--resume i-1"]),
        (Turn.FAILED, "shop: the rollback failed", ["- traffic is paused", "gate was closed by", "i-1/record.html"]),
        (Turn.INTERRUPTED, "shop: the rollback was interrupted", ["after changes to production", "--resume i-1"]),
        (Turn.DECISION_NEEDED, "shop: a decision is needed", ["a person must decide", "--resume i-1"]),
        (Turn.TRAFFIC_RESUMED, "shop: traffic is resumed", ["reach v1 again", "so far: 3.5"]),
        (
            Turn.DONE,
            "shop: rolled back to v1",
            [
                "shop was rolled back from v2 to v1.",
                "began: 83.",
                "measured: 3.5.",
                "https://desk.example/7",
                "/reports/i-1/record.html",
                f"journal head {'0' * 64}.",
            ],
        ),
    ],
)
def test_our_own_templates(turn: Turn, title: str, words: list[str]) -> None:
    """Each turn says what it is about, and names the incident."""
    told = ours().fill(turn, KNOWN)
    assert told.title == title
    assert [word for word in [*words, "i-1"] if word not in told.text] == []
    assert told.problem == ""


def test_forward_fix_and_emergency_are_told_as_such() -> None:
    """Nobody reads of a rollback where there is none."""
    forward = replace(KNOWN, forward=True, target="v3")
    assert ours().fill(Turn.DONE, forward).title == "shop: gone forward to v3"
    assert "was rolled back" not in ours().fill(Turn.DONE, forward).text
    emergency = replace(KNOWN, emergency=True, switch=SWITCH)
    started, done = (ours().fill(turn, emergency) for turn in (Turn.STARTED, Turn.DONE))
    assert started.title == "shop: emergency, exports is being turned off"
    assert done.title == "shop: exports is off"
    assert "exports of shop is off: EXPORT_MODE=off inside its containers" in done.text
    assert "orders team turns it on again." in done.text
    nobody = replace(emergency, switch=SWITCH.model_copy(update={"owner": None}))
    assert "Nobody is named who turns it on again." in ours().fill(Turn.DONE, nobody).text
    on = replace(emergency, switch=SWITCH.model_copy(update={"state": "on"}))
    assert "turns it on again" not in ours().fill(Turn.DONE, on).text
    assert ours().fill(Turn.FAILED, emergency).title == "shop: the emergency failed"


@pytest.mark.parametrize("turn", list(Turn))
def test_little_known_is_enough(turn: Turn) -> None:
    """A run that stopped before its first look at production can be told, too."""
    told = ours().fill(turn, Telling(incident="i-1", project="shop", operator="ann"))
    assert told.problem == ""
    assert "i-1" in told.text


def test_foreign_text_calls_nobody_and_is_one_line() -> None:
    """What stopped a run may hold anything; a secret in it is struck out before it could be taken apart."""
    hostile = KNOWN.stopped._replace(why=f"{HOSTILE}\nsecond @line\x1b[2J p@ss@word \ud800") if KNOWN.stopped else None
    text = ours({"p@ss@word": "[secret X]"}).fill(Turn.HELD, replace(KNOWN, stopped=hostile)).text
    line = next(line for line in text.splitlines() if "octo-cat" in line)
    for word in ("@here", "<!channel", "@octo", "@line", "\x1b", "p@ss", "\ud800"):
        assert word not in line
    assert "second @ line" in line
    assert "[secret X]" in line


def test_foreign_link_says_where_it_leads() -> None:
    """Discord and Mattermost get Markdown unescaped from Apprise, and Slack has a notation of its own."""
    why = "[reset](https://evil.example) ![x](javascript:alert(1)) <https://evil.example|log in> [a][b]"
    stopped = Stopped("1.1.1", "Given a step", why, "")
    text = ours().fill(Turn.HELD, replace(KNOWN, stopped=stopped)).text
    assert "[reset] (https://evil.example) ![x] (javascript:alert(1)) < https://evil.example|log in> [a] [b]" in text


@pytest.mark.parametrize(
    "template",
    [
        "{{ stopped }}",
        "{{ changes }} {{ switch }}",
        "{{ changes|join('; ') }}",
        "{{ stopped.why|upper }} {{ switch.owner|reverse }}",
        "{{ stopped.why|replace('-', '+') }} {{ '%s' % stopped.why }}",
        "{% for each in stopped %}{{ each }}{% endfor %}",
        "sEcret-4711",
    ],
)
def test_nothing_in_a_template_brings_back_a_secret_or_a_call(tmp_path: Path, template: str) -> None:
    """Values are made safe before the template gets them, also those that stand within others."""
    secret = "sEcret-4711"
    (tmp_path / "held.jinja").write_text(f"title\n{template}")
    hostile = f"{secret} <!channel> @here"
    stopped = Stopped("1.1.1", "Given a step", hostile, hostile)
    switch = SWITCH.model_copy(update={"owner": hostile})
    told = Templates(tmp_path, lambda text: text.replace(secret, "[secret X]")).fill(
        Turn.HELD, replace(KNOWN, stopped=stopped, changes=(hostile,), switch=switch)
    )
    assert told.problem == ""
    for word in (secret, secret.upper(), secret[::-1], secret.replace("-", "+"), "<!channel", "@here", "@HERE"):
        assert word not in told.text


def test_team_has_templates_of_its_own(tmp_path: Path) -> None:
    """Those that are in the folder take the place of ours; what they say themselves may call people."""
    (tmp_path / "held.jinja").write_text("@here {{ project }} HELD\n{{ stopped.why }}\n")
    templates = Templates(tmp_path, lambda text: text)
    templates.check(KNOWN)
    assert templates.fill(Turn.HELD, KNOWN)[:2] == ("@here shop HELD", "expected a, saw b")
    assert templates.fill(Turn.DONE, KNOWN).title == "shop: rolled back to v1"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("held.jinja", "{{ projct }}", "'projct' is undefined"),
        ("held.jinja", "{% if %}", "Expected an expression"),
        ("held.jinja", "\n\n", "it gives no text"),
        ("held.jinja", "{{ 1 // 0 }}", "zero"),
        ("held.jinja", "{{ ''.__class__.__mro__ }}", "unsafe"),
        ("held.jinja", "{% include '/etc/passwd' %}", "/etc/passwd"),
        ("hold.jinja", "x", "hold.jinja is for no turn, expected held.jinja"),
    ],
)
def test_broken_template_is_found_by_the_plan_and_does_not_silence_an_execution(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    """The plan names the file and the fault; an execution falls back on ours, and says why."""
    (tmp_path / name).write_text(text)
    templates = Templates(tmp_path, lambda each: each)
    with pytest.raises(SettingsError) as caught:
        templates.check(KNOWN)
    assert said in str(caught.value)
    told = templates.fill(Turn.HELD, KNOWN)
    assert told.title == "shop is held as it is"
    assert (said in told.problem) is (name == "held.jinja")


def test_folder_that_is_not_there_is_told() -> None:
    """By the key of the settings."""
    with pytest.raises(SettingsError, match=r"announcement\.templates: /nowhere cannot be read"):
        Templates(Path("/nowhere"), str).check(KNOWN)
