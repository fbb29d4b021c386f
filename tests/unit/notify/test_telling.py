"""The messages for each event of a run: built-in templates, a team's own templates, and safe foreign text."""

from dataclasses import replace
from pathlib import Path

import pytest

from runbook.errors import SettingsError
from runbook.incident.facts import Facts
from runbook.incident.production_facts import TurnedSwitch
from runbook.notify.telling import Kind, Stopped, Telling, Templates
from runbook.notify.wording import restore_told, schema_told
from runbook.settings.people import Turn
from tests.support.incident_facts import HOSTILE, RESTORED

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
_FACTS = Facts.model_validate(RESTORED)
RESTORE = replace(
    KNOWN,
    kind=Kind.RESTORE,
    failed="the failed release",
    target="an unknown release",
    restore=restore_told(_FACTS),
    schema=tuple(schema_told(_FACTS, "Restore point: /srv/i-1.dump.")),
)
ABANDON = replace(KNOWN, kind=Kind.ABANDON, switched_off=("Switched off: exports.",))


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
    """Each built-in template has its title and facts, and names the incident."""
    told = ours().fill(turn, KNOWN)
    assert told.title == title
    assert [word for word in [*words, "i-1"] if word not in told.text] == []
    assert told.problem == ""


def test_forward_fix_and_emergency_are_told_as_such() -> None:
    """A forward-fix and an emergency are not called rollbacks."""
    forward = replace(KNOWN, forward=True, target="v3")
    assert ours().fill(Turn.DONE, forward).title == "shop: rolled forward to v3"
    assert "was rolled back" not in ours().fill(Turn.DONE, forward).text
    emergency = replace(KNOWN, emergency=True, switch=SWITCH)
    started, done = (ours().fill(turn, emergency) for turn in (Turn.STARTED, Turn.DONE))
    assert started.title == "shop: emergency, exports is being turned off"
    assert "is turning exports off (EXPORT_MODE=off)." in started.text
    assert done.title == "shop: exports is off"
    assert "exports of shop is off: EXPORT_MODE=off inside its containers" in done.text
    assert "orders team turns it on again." in done.text
    nobody = replace(emergency, switch=SWITCH.model_copy(update={"owner": None}))
    assert "The settings name no owner to turn it on again." in ours().fill(Turn.DONE, nobody).text
    on = replace(emergency, switch=SWITCH.model_copy(update={"state": "on"}))
    assert "turns it on again" not in ours().fill(Turn.DONE, on).text
    assert ours().fill(Turn.FAILED, emergency).title == "shop: the emergency failed"


@pytest.mark.parametrize(
    ("known", "turn", "title", "words"),
    [
        (
            RESTORE,
            Turn.STARTED,
            "shop: a dump is being restored",
            [
                "ann@desk is restoring /srv/shop/.runbook/good.dump, of 2025-12-17 03:00:00 UTC, beside",
                "everything written since then will be only in the kept database shop_before_20251218030000.",
                "until a person starts the application again",
            ],
        ),
        (RESTORE, Turn.FAILED, "shop: the restore failed", ["- traffic is paused", "saw b", "--resume i-1"]),
        (RESTORE, Turn.INTERRUPTED, "shop: the restore was interrupted", ["after changes to production"]),
        (RESTORE, Turn.HELD, "shop is held as it is", ["before any change"]),
        (
            RESTORE,
            Turn.DONE,
            "shop: restored from a dump of 2025-12-17 03:00:00 UTC; data written since then is not in it",
            [
                f"good.dump, 815 bytes, sha256 {'cd' * 32}.",
                "Data loss: everything written since then is only in the kept database shop_before_20251218030000",
                "r2 before, r1 now.",
                "public.orders 2, before 4; ",
                "Users are not served: the application is stopped.",
                "fits the schema r1, start it on the production host:\ncd /srv/shop && docker compose up -d api jobs\n",
                "remove the database shop_before_20251218030000:\ndocker compose exec -T db psql",
                f"journal head {'0' * 64}.",
            ],
        ),
        (
            ABANDON,
            Turn.STARTED,
            "shop: the switch to v1 is being abandoned",
            [
                "ann@desk is removing the containers of v1; v2 keeps running.",
                "Traffic to v2 is being resumed: the gate was closed by this",
            ],
        ),
        (ABANDON, Turn.FAILED, "shop: abandoning the switch failed", ["- traffic is paused", "--resume i-1"]),
        (ABANDON, Turn.INTERRUPTED, "shop: abandoning the switch was interrupted", ["--resume i-1"]),
        (ABANDON, Turn.TRAFFIC_RESUMED, "shop: traffic is resumed", ["Users reach v2 again.", "so far: 3.5"]),
        (
            ABANDON,
            Turn.DONE,
            "shop: the switch to v1 was abandoned, v2 keeps running",
            [
                "v2 keeps running in shop, and all containers of v1 were removed.",
                "v2 stays in quarantine. Its fault is not fixed.",
                "Switched off: exports.",
                f"journal head {'0' * 64}.",
            ],
        ),
    ],
)
def test_restore_and_abandoned_switch_are_told(known: Telling, turn: Turn, title: str, words: list[str]) -> None:
    """A restore and an abandoned switch mention neither a rollback nor an unknown release."""
    told = ours().fill(turn, known)
    assert (told.title, told.problem) == (title, "")
    assert [word for word in [*words, "i-1"] if word not in told.text] == []
    for word in ("rollback", "rolled back", "rolling back", "unknown release", "the failed release"):
        assert word not in f"{told.title}\n{told.text}"


def test_application_that_runs_again_is_not_to_be_started() -> None:
    """After a restore, the message does not ask to start an application that is already running."""
    assert RESTORE.restore is not None
    text = ours().fill(Turn.DONE, replace(RESTORE, restore=RESTORE.restore._replace(application_stopped=False))).text
    assert "stopped" not in text
    assert "docker compose up" not in text
    assert "DROP DATABASE" in text


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("turn", list(Turn))
def test_little_known_is_enough(turn: Turn, kind: Kind) -> None:
    """Every built-in template works with only incident, project and operator known."""
    told = ours().fill(turn, Telling(incident="i-1", project="shop", operator="ann", kind=kind))
    assert told.problem == ""
    assert "i-1" in told.text


def test_foreign_text_calls_nobody_and_is_one_line() -> None:
    """Foreign text mentions nobody, stays on one line, and has its secrets redacted first."""
    hostile = KNOWN.stopped._replace(why=f"{HOSTILE}\nsecond @line\x1b[2J p@ss@word \ud800") if KNOWN.stopped else None
    text = ours({"p@ss@word": "[secret X]"}).fill(Turn.HELD, replace(KNOWN, stopped=hostile)).text
    line = next(line for line in text.splitlines() if "octo-cat" in line)
    for word in ("@here", "<!channel", "@octo", "@line", "\x1b", "p@ss", "\ud800"):
        assert word not in line
    assert "second @ line" in line
    assert "[secret X]" in line


def test_foreign_link_says_where_it_leads() -> None:
    """Links in foreign text are broken up, because channels get Markdown and Slack notation unescaped."""
    why = "[reset](https://evil.example) ![x](javascript:alert(1)) <https://evil.example|log in> [a][b]"
    stopped = Stopped("1.1.1", "Given a step", why, "")
    text = ours().fill(Turn.HELD, replace(KNOWN, stopped=stopped)).text
    assert "[reset] (https://evil.example) ![x] (javascript:alert(1)) < https://evil.example|log in> [a] [b]" in text


@pytest.mark.parametrize(
    "template",
    [
        "{{ stopped }}",
        "{{ changes }} {{ switch }}",
        "{{ restore }} {{ restore.dump|upper }}",
        "{{ changes|join('; ') }}",
        "{{ stopped.why|upper }} {{ switch.owner|reverse }}",
        "{{ stopped.why|replace('-', '+') }} {{ '%s' % stopped.why }}",
        "{% for each in stopped %}{{ each }}{% endfor %}",
        "sEcret-4711",
    ],
)
def test_nothing_in_a_template_brings_back_a_secret_or_a_call(tmp_path: Path, template: str) -> None:
    """Values are made safe before a template gets them, including nested values."""
    secret = "sEcret-4711"
    (tmp_path / "held.jinja").write_text(f"title\n{template}")
    hostile = f"{secret} <!channel> @here"
    stopped = Stopped("1.1.1", "Given a step", hostile, hostile)
    switch = SWITCH.model_copy(update={"owner": hostile})
    restore = RESTORE.restore._replace(dump=hostile, remove=hostile) if RESTORE.restore else None
    told = Templates(tmp_path, lambda text: text.replace(secret, "[secret X]")).fill(
        Turn.HELD, replace(KNOWN, stopped=stopped, changes=(hostile,), switch=switch, restore=restore)
    )
    assert told.problem == ""
    for word in (secret, secret.upper(), secret[::-1], secret.replace("-", "+"), "<!channel", "@here", "@HERE"):
        assert word not in told.text


def test_team_has_templates_of_its_own(tmp_path: Path) -> None:
    """A team's template replaces the built-in one. Its own text may mention people."""
    (tmp_path / "held.jinja").write_text("@here {{ project }} HELD\n{{ stopped.why }}\n")
    templates = Templates(tmp_path, lambda text: text)
    templates.check(KNOWN)
    assert templates.fill(Turn.HELD, KNOWN)[:2] == ("@here shop HELD", "expected a, saw b")
    assert templates.fill(Turn.DONE, KNOWN).title == "shop: rolled back to v1"


def test_templates_of_a_team_are_for_one_kind_of_run(tmp_path: Path) -> None:
    """A team's rollback templates do not apply to a restore, which has its own folder and can include built-in ones."""
    (tmp_path / "done.jinja").write_text("rolled back to {{ target }}")
    (tmp_path / "failed.jinja").write_text("the rollback failed")
    templates = Templates(tmp_path, lambda text: text)
    assert templates.fill(Turn.DONE, KNOWN).title == "rolled back to v1"
    for known in (RESTORE, ABANDON):
        for turn in (Turn.DONE, Turn.FAILED):
            assert templates.fill(turn, known) == ours().fill(turn, known)
    (tmp_path / "restore").mkdir()
    (tmp_path / "restore" / "failed.jinja").write_text(
        '{{ what }} of {{ restore.database }} failed\n{% include "where_it_stopped.jinja" %}'
    )
    templates.check(RESTORE)
    told = templates.fill(Turn.FAILED, RESTORE)
    assert told.title == "the restore of shop failed"
    assert "At: Then every container runs it" in told.text
    assert templates.fill(Turn.FAILED, ABANDON).title == "shop: abandoning the switch failed"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("restored.jinja", "x", "restored.jinja matches no turn"),
        ("restore/hold.jinja", "x", "restore/hold.jinja matches no turn, expected restore/held.jinja"),
        ("restore/held.jinja", "{{ restore.dmp }}", "restore/held.jinja: .* has no attribute 'dmp'"),
    ],
)
def test_broken_template_of_a_restore_is_found_by_its_plan(tmp_path: Path, name: str, text: str, said: str) -> None:
    """A broken template of a restore is reported by its plan, with its folder."""
    (tmp_path / "restore").mkdir()
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=said):
        Templates(tmp_path, str).check(RESTORE)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("held.jinja", "{{ projct }}", "'projct' is undefined"),
        ("held.jinja", "{% if %}", "Expected an expression"),
        ("held.jinja", "\n\n", "it produces no text"),
        ("held.jinja", "{{ 1 // 0 }}", "zero"),
        ("held.jinja", "{{ ''.__class__.__mro__ }}", "unsafe"),
        ("held.jinja", "{% include '/etc/passwd' %}", "/etc/passwd"),
        ("hold.jinja", "x", "hold.jinja matches no turn, expected held.jinja"),
    ],
)
def test_broken_template_is_found_by_the_plan_and_does_not_silence_an_execution(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    """A plan reports a broken template. An execution uses the built-in one instead, and records the fault."""
    (tmp_path / name).write_text(text)
    templates = Templates(tmp_path, lambda each: each)
    with pytest.raises(SettingsError) as caught:
        templates.check(KNOWN)
    assert said in str(caught.value)
    told = templates.fill(Turn.HELD, KNOWN)
    assert told.title == "shop is held as it is"
    assert (said in told.problem) is (name == "held.jinja")


def test_folder_that_is_not_there_is_told() -> None:
    """A missing templates folder is reported with its setting."""
    with pytest.raises(SettingsError, match=r"announcement\.templates: /nowhere cannot be read"):
        Templates(Path("/nowhere"), str).check(KNOWN)
