"""Decisions of people: the options that overrode the runbook, with who, when and why."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runbook.incident.facts import Facts, Override
from runbook.journal.journal import Entry
from runbook.report.step_digest import step_digests

#: The options that are decisions of a person: their name in the journal, the option, its meaning.
_DECIDING = {
    "target": ("--to", "return to this release, whatever the ledger says"),
    "forward_fix": ("--forward-fix", "roll forward to this release instead of rolling back"),
    "accept_loss": (
        "--accept-loss",
        "accept the loss of what a downgrade below this revision, or a forward-fix to it, destroys",
    ),
    "strategy": ("--strategy", "relax the schema for the target, so that no data is lost"),
    "no_migrations": ("--no-migrations", "the target can live with the schema, which is not checked"),
    "verdict": ("--verdict", "the verdict on the migrations, because the runbook's is review"),
    "with_configuration": (
        "--with-configuration",
        "restore Compose files and env values to those with which the target was validated",
    ),
}
_ONLY_WHERE_ASKED = ("strategy", "verdict", "accept_loss", "no_migrations", "with_configuration")
_WITH_REASON = ("strategy", "verdict", "no_migrations")
_VOUCHED = "continue, although this step failed or was inconclusive"


@dataclass(frozen=True)
class Approval:
    """One decision of a person.

    `option` is the text typed, `meaning` its explanation, `by` the person, `at` the time (UTC). `because` is the
    reason, empty if the option takes none. `step` is the step vouched for, with its keyword; empty for other options.
    `used` is False if the decision was not needed in the end.
    """

    option: str
    meaning: str
    by: str
    at: str
    because: str = ""
    step: str = ""
    used: bool = True


def approvals(entries: Sequence[Entry]) -> list[Approval]:
    """Return the decisions, each once, in the order in which they were first typed."""
    found: dict[str, Approval] = {}
    for entry in entries:
        if entry["kind"] in ("opened", "resumed") and isinstance(entry.get("asked_for"), Mapping):
            for option, approval in _asked(entry, entries):
                found.setdefault(option, approval)
    return [*found.values(), *_vouched(entries)]


def _asked(begun: Entry, entries: Sequence[Entry]) -> Iterator[tuple[str, Approval]]:
    options, by = begun["asked_for"], str(begun.get("operator", ""))
    for name, (option, meaning) in _DECIDING.items():
        if options.get(name):
            because, value = str(options.get("because") or "") if name in _WITH_REASON else "", str(options[name])
            words = [option] if options[name] is True else [option, value]
            typed, used = shlex.join(words), _used(name, words, entries)
            yield typed, Approval(typed, meaning, by, begun["time"], because, used=used)


def _used(name: str, words: Sequence[str], entries: Sequence[Entry]) -> bool:
    """Return whether the decision was needed: a verdict if the runbook had none, an accepted loss if there was one."""
    decided = [entry.get("option") for entry in entries if entry["kind"] == "decision" and entry.get("by_human")]
    return name not in _ONLY_WHERE_ASKED or list(words) in decided


def _vouched(entries: Sequence[Entry]) -> Iterator[Approval]:
    words: dict[str, Override] = {}
    for entry in entries:
        words |= Facts.of([entry], ("overrides",)).overrides
    steps = {step.id: step for step in step_digests(entries)}
    for place, word in words.items():
        step = steps.get(place)
        said = f"{step.keyword} {step.text}" if step else ""
        used = step is not None and step.outcome in ("inconclusive", "failed") and not step.stopped
        option = shlex.join(["--override", place])
        yield Approval(option, _VOUCHED, word.by, word.at, word.because, said, used)
