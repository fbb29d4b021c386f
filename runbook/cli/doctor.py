"""`runbook doctor`: could I roll back tonight? Tests every setting against production, and changes nothing.

It fetches no image, sends no message, opens no ticket and does not touch the traffic gate. It lists the commands that
it cannot test without a change.
"""

import argparse
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from runbook.actions import Check, Observation, recorded
from runbook.chapters import identify_target, migration_facts
from runbook.chapters.checks import compose_files, env_file
from runbook.chapters.context import Context
from runbook.chapters.migrating.schema_revisions import unchecked
from runbook.cli.check_settings import absent_from
from runbook.cli.one_look import add_settings, informed_redactor, looking, quiet
from runbook.command_hints import program
from runbook.errors import Inconclusive, RunbookError
from runbook.incident.options import Options
from runbook.polling import wait_for
from runbook.production.service.metrics import Metrics
from runbook.secrets.redactor import Redactor
from runbook.settings.loading.loader import load
from runbook.settings.loading.places import Key, lines_of
from runbook.settings.loading.reading import text_of
from runbook.settings.schema import Settings
from runbook.shared_state.lock import Lock
from runbook.text import counted, visible

#: Maximum seconds for which one check is repeated. No service depends on it.
_PATIENCE = 5.0
#: The settings key for the place of an image's migrations, per tool.
_MIGRATIONS = {"alembic": "config", "own": "heads", "none": "tool"}
#: The terminal style of each kind of line.
_STYLES = {r"(?m)^ok\b": "green", r"(?m)^(PROBLEM|no:).*$": "bold red", r"(?m)^not set .*(\n {9}.*)*": "dim"}
_NOT_TRIED = "not tested: traffic.pause and traffic.resume (test them by hand, in a quiet hour), and messages to people"


@dataclass(frozen=True)
class Finding:
    """The result of one check. `key` is the settings key that it tests, or that must change."""

    key: str
    expected: str
    ok: bool
    seen: str
    helps: str = ""

    @property
    def section(self) -> str:
        """The section of the settings that has the key."""
        return self.key.partition(".")[0]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    add_settings(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Test everything, print the results, and return 0 if a rollback is possible tonight, else 1."""
    lines, well = lines_of(text_of(chosen.settings)), True
    for host, settings in load(chosen.settings).on_each().items():
        redactor, _ = informed_redactor(settings)
        findings = examine(settings, redactor)
        places = {each.key: place_of(each.key, lines) for each in findings}
        told = [*([f"on {host}"] if host else []), *report(settings, findings, chosen.settings, places)]
        shown = Text(visible(redactor.text("\n".join(told))))
        for lines_with, style in _STYLES.items():
            shown.highlight_regex(lines_with, style)
        Console(highlight=False).print(shown, soft_wrap=True)
        well = well and all(each.ok for each in findings)
    return 0 if well else 1


def place_of(key: str, lines: Mapping[Key, int]) -> int:
    """Return the line of a key; for a missing key the line of its section, or the last line."""
    parts = tuple(key.split("."))
    known = next((parts[:end] for end in range(len(parts), 0, -1) if parts[:end] in lines), None)
    return lines[known] if known else max(lines.values(), default=1)


def examine(settings: Settings, redactor: Redactor) -> list[Finding]:
    """Test every setting. After a failure the others are still tested, as far as possible."""
    found = [_tried("project.name", recorded("the project on its host", lambda: _up(settings)))]
    if not found[0].ok:
        return found
    try:
        with looking(settings, redactor) as context:
            for key, make in looks(context):
                found.append(_tried(key, make))
    except RunbookError as error:
        needed = "an env file, and the secrets needed from the start"
        found.append(Finding("project.env_file", needed, ok=False, seen=error.seen, helps=error.next_step))
        return found
    for name in settings.switches:
        found += _switch(settings, redactor, name)
    return [each for each in found if each.expected]


def _switch(settings: Settings, redactor: Redactor, name: str) -> list[Finding]:
    """Check a kill switch like a run that turns it off, but do not turn it."""
    try:
        with looking(settings, redactor, Options(disable=name)) as context:
            switch = context.switch
            looks = (switch.check_in_place, switch.check_reaches_containers, switch.check_observable)
            return [_tried(f"switches.{name}", look) for look in looks]
    except RunbookError as error:
        return [Finding(f"switches.{name}", f"the switch {name}", ok=False, seen=error.seen, helps=error.next_step)]


def looks(context: Context) -> Iterator[tuple[str, Callable[[], Check] | Check]]:
    """Yield every check with the settings key that it tests, in the order of a rollback."""
    settings = context.settings
    yield "project.name", _free(settings)
    yield "project.directory", lambda: identify_target.project_running(context)
    yield "host.minimum_free_gib", lambda: identify_target.room_on_host(context)
    yield "project.tag_variable", lambda: env_file.decides(context)
    yield "project.env_file", lambda: env_file.replaceable(context)
    yield "project.compose_files", lambda: compose_files.files_known(context)
    for name in settings.secret_sources():
        yield key_of(name), recorded(f"the {name}", lambda name=name: _secret(context, name))  # type: ignore[misc]  # bound now
    yield "traffic.check_path", lambda: context.gate.check_consistent(context.health.is_ready)
    yield "traffic.pause", context.gate.check_commands
    yield "health", context.health.check_requests_fit
    yield "registry.url", recorded("the running release in its registry", lambda: _in_registry(context))
    if unchecked(context) is None:
        yield "database", lambda: migration_facts.read_revision(context)
        yield (
            f"migrations.{_MIGRATIONS[settings.migrations.tool]}",
            recorded("the migrations of the running release", lambda: _heads(context)),
        )
    where = "metrics.token" if settings.metrics and settings.metrics.token else "metrics"
    yield where, lambda: _metrics(context).check_with_token()
    yield where, lambda: _metrics(context).check_without_token()
    yield "logs", recorded("readable logs", lambda: f"{context.logs.recent().total} errors in them")
    if settings.announcement:
        yield "announcement.url", recorded("an incident channel", lambda: context.channel.service)
    if settings.ticket:
        yield "ticket.token", recorded("a tracker that answers", lambda: _ticket(context))
    yield "", recorded("a release to return to", lambda: _target(context))


def _tried(key: str, made: Callable[[], Check] | Check) -> Finding:
    expected = ""
    try:
        check = made if isinstance(made, Check) else made()
        if check.not_configured:
            return Finding(key, "", ok=True, seen="")
        expected = check.expected
        waited = wait_for(replace(check, deadline=min(check.deadline, _PATIENCE)))
    except RunbookError as error:
        key = getattr(error, "key", "") or key
        return Finding(key, expected or f"a usable {key}", ok=False, seen=error.seen, helps=error.next_step)
    helps = waited.unknown.next_step if waited.unknown else check.next_step
    key = (waited.unknown.key if waited.unknown else waited.seen.key) or key
    return Finding(key, expected, waited.seen.ok, waited.seen.seen, "" if waited.seen.ok else helps)


def _up(settings: Settings) -> str:
    return ", ".join(each.one_line for each in quiet(settings).running())


def _free(settings: Settings) -> Check:
    def observe() -> Observation:
        held = Lock(quiet(settings)).observe()
        return Observation(held is None, f"it is held by {held}" if held else "nobody holds it")

    return Check(
        "no run that holds the lock", observe, "see who holds it, and whether that run is alive: type runbook unlock"
    )


def key_of(secret: str) -> str:
    """Return the settings key for the source of the secret with that name."""
    plain = {
        "metrics token": "metrics.token", "announcement address": "announcement.url", "ticket token": "ticket.token",
        "ticket address": "ticket.url", "database address": "database.url", "registry password": "registry.password",
        "Vault login": "vault",
    }  # fmt: skip
    if secret in plain:
        return plain[secret]
    switch = secret.removeprefix("credential of ")
    return f"switches.{switch}.credential" if switch != secret else "targets"


def _secret(context: Context, name: str) -> str:
    context.ci_token(name)
    return "it is there"


def _in_registry(context: Context) -> str:
    images = context.production.images_with_tag(context.production.tag())
    return ", ".join(f"{service} {context.registry_of(image).digest(image)[:19]}" for service, image in images.items())


def _heads(context: Context) -> str:
    return f"its head is {', '.join(migration_facts.ask_running(context).heads)}"


def _metrics(context: Context) -> Metrics:
    # Created only when the check runs, because its token may be missing.
    return context.metrics


def _ticket(context: Context) -> str:
    tracker = context.tracker
    if tracker is not None:
        tracker.opening(context.incident.name, "", "", lambda _address: None).already()
    return "it lists its tickets"


def _target(context: Context) -> str:
    identify_target.record_before(context).observe()
    running = context.production.tag()
    try:
        release = identify_target.pin_target(context, None)
    except RunbookError as error:
        if any(each.tag == running for each in context.ledger.candidates()):
            return f"{running}, which runs and was validated: the next deploy can be rolled back to it"
        if context.options.target:
            raise
        helps = "if the running release works, enter it in the ledger, so that the next deploy can be rolled back: type"
        raise Inconclusive(error.seen, f"{helps} {program('runbook', Path.cwd())} validate") from None
    return f"{release.tag}, {', '.join(release.digests.values())}"


def report(settings: Settings, findings: Sequence[Finding], path: Path, places: dict[str, int]) -> list[str]:
    """Return the output: a line per check, for each problem what was seen and the line to change, and the answer."""
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    lines = [f"{settings.project.name}: could I roll back tonight?", ""]
    for each in findings:
        lines += _wrapped(
            "ok       " if each.ok else "PROBLEM  ", f"{each.section or 'ledger':<13}{each.expected}", width
        )
        if not each.ok:
            lines += _wrapped("           seen    ", each.seen, width)
            change = f"{path}:{places[each.key]} {each.key}: {each.helps}"
            lines += (
                _wrapped("           change  ", change, width)
                if each.key
                else _wrapped("           do      ", each.helps, width)
            )
    for absent in absent_from(settings):
        lines += _wrapped("not set  ", f"{absent.key}: {absent.follows}", width)
    bad = [each for each in findings if not each.ok]
    lines += ["", *textwrap.wrap(_NOT_TRIED, width), ""]
    answer = "yes: everything that can be tested was tested, and nothing was changed"
    problems = counted(len(bad), "problem")
    return [*lines, f"no: {problems}; nothing was changed" if bad else answer]


def _wrapped(head: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)
