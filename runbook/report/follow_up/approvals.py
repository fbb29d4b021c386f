"""Decisions of people: the options that overrode the runbook, with who, when and why."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runbook.incident.facts import Facts, Override
from runbook.journal.journal import Entry
from runbook.report.step_digest import in_short

#: The options that are a person's decision, with the option that says so and what it means.
_DECIDING = {
    "target": ("--to", "return to this release, whatever the ledger says"),
    "forward_fix": ("--forward-fix", "go on with this release instead of going back"),
    "accept_loss": (
        "--accept-loss",
        "what a downgrade below this revision, or a forward-fix to it, destroys may be lost",
    ),
    "strategy": ("--strategy", "the schema is relaxed for the target, and nothing that the database holds is lost"),
    "no_migrations": ("--no-migrations", "the target can live with the schema, at which nobody looks"),
    "verdict": ("--verdict", "the verdict on the migrations where the runbook's is review"),
    "with_configuration": (
        "--with-configuration",
        "Compose files and env values go back too, to what the target was validated with",
    ),
}
_ONLY_WHERE_ASKED = ("strategy", "verdict", "accept_loss", "no_migrations", "with_configuration")
_WITH_REASON = ("strategy", "verdict", "no_migrations")
_VOUCHED = "this step could not be checked, or is not so, and the run may go on"


@dataclass(frozen=True)
class Approval:
    """One decision of a person.

    `option` is what they typed, `meaning` what it says, `by` who they are, `at` when (UTC), `because` why, empty where
    no reason is asked for. `step` is the step that they vouched for, with its keyword, if they did. `used` is
    False for what was not needed in the end.
    """

    option: str
    meaning: str
    by: str
    at: str
    because: str = ""
    step: str = ""
    used: bool = True


def approvals(entries: Sequence[Entry]) -> list[Approval]:
    """Return the decisions in the order in which they were first typed, each once."""
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
    steps = {step.id: step for step in in_short(entries)}
    for place, word in words.items():
        step = steps.get(place)
        said = f"{step.keyword} {step.text}" if step else ""
        used = step is not None and step.outcome in ("inconclusive", "failed") and not step.stopped
        option = shlex.join(["--override", place])
        yield Approval(option, _VOUCHED, word.by, word.at, word.because, said, used)
