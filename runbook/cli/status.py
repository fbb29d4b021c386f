"""`runbook status`: the running release, the gate, the lock, the open rollback, and the one command to type next."""

import argparse
import shlex
import shutil
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from runbook.chapters.context import Context
from runbook.chapters.migrating.bridge import bridge_in, state_of
from runbook.chapters.target import running_release
from runbook.cli.one_look import SETTINGS, add_settings, informed_redactor, looking, quiet
from runbook.errors import RunbookError
from runbook.journal.verify import verify
from runbook.production.service.kill_switches import position_of
from runbook.report.production_view import gate as left_gate
from runbook.settings.loading.loader import load
from runbook.settings.schema import Settings
from runbook.shared_state.lock import Held, Lock
from runbook.text import counted

_NEWEST = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    add_settings(parser)
    parser.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where records land")
    parser.set_defaults(run=status)


def status(chosen: argparse.Namespace) -> str:
    """Look at production, and return the text to print, without secrets. Raises errors that prevent any look."""
    found = []
    for host, settings in load(chosen.settings).on_each().items():
        try:
            found.append(_status(host, settings, chosen))
        except RunbookError as error:
            if not host:
                raise
            found.append(str(error.on(host)))
    return "\n\n".join(found)


def _status(host: str, settings: Settings, chosen: argparse.Namespace) -> str:
    redactor, _ = informed_redactor(settings)
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    with looking(settings, redactor) as context:
        where = f" on {host}" if host else ""
        lines = [f"{settings.project.name}{where} at {datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}"]
        for name, words in told(context):
            lines += textwrap.wrap(f"{name:<12}{words}", width, subsequent_indent=" " * 12, break_on_hyphens=False)
        lines += ["", following(context, chosen.settings, chosen.reports)]
    return redactor.text("\n".join(lines))


def told(context: Context) -> Iterator[tuple[str, str]]:
    """Yield each name with its state in words; a state that is unknown has the reason."""
    yield "runs", _or_why(lambda: _runs(context))
    yield from _of_traffic(context)
    yield "lock", _or_why(lambda: str(held) if (held := _held(context)) else "nobody holds it")
    yield "rollback", _or_why(lambda: _open(context))
    if words := _or_why(lambda: _bridge(context)):
        yield "bridge", words
    yield "quarantine", _or_why(lambda: _quarantine(context))
    yield "validated", _or_why(lambda: "; ".join(_validated(context)) or "no release yet: runbook validate")
    for name in context.settings.switches:
        if words := _or_why(lambda name=name: _switch(context, name)):  # type: ignore[misc]  # bound now
            yield "switch", words


def _of_traffic(context: Context) -> Iterator[tuple[str, str]]:
    gate, traffic = _or_why(context.gate.state), context.settings.traffic
    words = {"none": "none configured: requests can fail during a switch"}
    if traffic:
        words["held"] = f"held: a request waits for {traffic.hold_seconds:g} s at most, and is then refused"
    yield "gate", words.get(gate, gate)
    yield "users", context.gate.public_answer(held=gate == "held").seen


def _or_why(look: Callable[[], str]) -> str:
    try:
        return look()
    except RunbookError as error:
        return f"not known: {error.seen}"


def _runs(context: Context) -> str:
    found, now = [], context.host.now()
    for each in context.production.application():
        since = f"for {_age(each.running_seconds(now))}" if each.state == "running" else f"({each.state})"
        found.append(f"{each.service} {context.production.tag_of(each)} {since}")
    return f"{context.production.tag()} by the env file; {', '.join(found)}"


def _held(context: Context) -> Held | None:
    return Lock(quiet(context.settings)).observe()


def _open(context: Context) -> str:
    note = context.open_rollback.read()
    return f"incident {note['incident']} is open, target {note['target']}" if note else "none is open"


def _bridge(context: Context) -> str:
    """Return the relaxed parts of the schema; empty if nothing is relaxed."""
    note = context.bridge_note.read()
    if note is None:
        return ""
    bridge = bridge_in(note)
    told = f"for {note['target']} since {note['since']} ({note['incident']}): {'; '.join(bridge.told)}"
    return f"{told}; {state_of(context, bridge)}; a forward-fix removes it first (--forward-fix TAG)"


def _quarantine(context: Context) -> str:
    count = len(context.quarantine.incidents())
    failed = counted(count, "incident")
    reason = _reason(context)
    return f"{failed}; the running release is {f'in it: {reason}' if reason else 'not in it'}"


def _reason(context: Context) -> str | None:
    """Return why the running release is in quarantine; None if it is not."""
    return context.quarantine.reason([each for each in running_release(context).digests.values() if each])


def _failed_before(context: Context) -> bool:
    """Tell whether the running release is known to be in quarantine."""
    try:
        return _reason(context) is not None
    except RunbookError:
        return False


def _validated(context: Context) -> list[str]:
    newest = list(reversed(context.ledger.candidates()))[:_NEWEST]
    now = datetime.now(UTC)
    return [f"{each.tag}{f' {_age((now - each.time).total_seconds())} ago' if each.time else ''}" for each in newest]


def _switch(context: Context, name: str) -> str:
    """Return a switch that is not on in words; empty for one that is."""
    switch = context.settings.switches[name]
    value = context.env_file.read().values.get(switch.variable)
    if not value and switch.store:
        value = context.stores.read(switch.store).get_secret_value()
    position = position_of(switch, value or "(not set)")
    if position["state"] == "on":
        return ""
    owner = f"; {switch.owner} turns it on again" if switch.owner else ""
    return f"{name} is {position['state']} ({switch.variable}){owner}"


def following(context: Context, settings: Path, reports: Path) -> str:
    """Return the one command to type next, and the reason."""
    name, given = context.settings.project.name, ["--settings", str(settings)] if settings != SETTINGS else []
    try:
        note, held, gate = context.open_rollback.read(), _held(context), context.gate.state()
        newest = list(context.ledger.candidates())[-1:]
        tag = context.production.tag()
    except RunbookError:
        return f"next: {shlex.join(['runbook', 'doctor', *given])}\n{' ' * 6}part of the state is unknown"
    words, why = ["plan"], "nothing is open; use this after a bad deploy"
    if held and not held.abandoned:
        words, why = ["status"], f"the run of incident {held.holder.incident} is active: look at its terminal"
    elif note:
        incident = str(note["incident"])
        here = (reports / incident / "journal.jsonl").is_file()
        on = ["--resume", incident] if here else ["--to", str(note["target"])]
        words, why = ["rollback", *on, "--execute", name], "a rollback is open"
    elif held:
        words, why = ["unlock"], "an abandoned run holds the lock"
    elif gate in ("closed", "held"):
        why = "traffic is held" if gate == "held" else "traffic is paused"
        if gate == "held" and (incident := _emergency_that_holds(reports)):
            words = ["emergency", "--resume", incident, "--execute", name]
    elif _failed_before(context):
        why = "the running release has failed before, and is in quarantine"
    elif not newest or newest[0].tag != tag:
        words, why = ["validate"], "the running release is not the newest validated one"
    return f"next: {shlex.join(['runbook', *words, *given])}\n{' ' * 6}{why}"


def _emergency_that_holds(reports: Path) -> str:
    """Return the newest emergency on record here if it left traffic held. The host keeps no note of that."""
    newest = max(reports.glob("*-emergency/journal.jsonl"), default=None)
    if newest is None:
        return ""
    try:
        return newest.parent.name if left_gate(verify(newest).entries) == "held" else ""
    except RunbookError:
        return ""


def _age(seconds: float) -> str:
    unit, size = next(((u, s) for u, s in (("d", 86400), ("h", 3600), ("min", 60)) if seconds >= s), ("s", 1))
    return f"{seconds / size:.0f} {unit}"
