"""The content of a journal, in the words that its page must have, read without the code that renders pages."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def squeezed(text: str) -> str:
    """Return the text without whitespace and hyphens, which line breaks and printing change."""
    return "".join(text.replace("\ufffe", "").replace("-", "").split())


def missing(wanted: list[str], text: str) -> list[str]:
    """Return those of `wanted` that are not in a squeezed text."""
    return [words for words in wanted if squeezed(words) not in text]


def out_of_order(wanted: list[str], text: str) -> str | None:
    """Return the first of `wanted` that does not come after the one before it in a squeezed text, or None."""
    place = 0
    for words in wanted:
        found = text.find(squeezed(words), place)
        if found < 0:
            return words
        place = found + len(squeezed(words))
    return None


@dataclass
class Step:
    """One step: its entry's number, its words, its outcome, its commands and requests, and its engine queries."""

    seq: int
    words: str
    outcome: str = "interrupted"
    commands: list[str] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    changed_production: bool = False


class Told:
    """The content of one journal."""

    def __init__(self, journal: Path) -> None:
        self.entries: list[dict[str, Any]] = [json.loads(line) for line in journal.read_text().splitlines()]
        self.facts = {entry["name"]: entry["value"] for entry in self._all("fact")}
        self.head: str = self.entries[-1]["sha256"]
        #: Chapters, scenarios and steps, in the order in which they ran.
        self.timeline: list[str] = []
        self.steps: list[Step] = []
        self._read_timeline()

    def _all(self, kind: str) -> Iterator[dict[str, Any]]:
        return (entry for entry in self.entries if entry["kind"] == kind)

    def _read_timeline(self) -> None:
        chapter, is_open = "", False
        for entry in self.entries:
            kind = entry["kind"]
            if kind == "resumed":
                chapter, is_open = "", False
            elif kind in ("scenario began", "scenario left out"):
                self.timeline += [entry["feature"]] if entry["feature"] != chapter else []
                self.timeline.append(entry["scenario"])
                chapter = entry["feature"]
            elif kind == "step began":
                words = f"{entry['keyword']} {entry['text']}"
                self.timeline.append(words)
                self.steps.append(Step(entry["seq"], words))
                is_open = True
            elif kind == "step ended":
                self.steps[-1].outcome, is_open = entry["outcome"], False
            elif is_open:
                self._within(self.steps[-1], entry)

    def _within(self, step: Step, entry: dict[str, Any]) -> None:
        if entry["kind"] == "command":
            step.commands.append(entry["command"])
        elif entry["kind"] == "engine request":
            step.looks.append(f"{entry['method']} {entry['path']}")
        elif entry["kind"] == "file look":
            step.looks.append(", ".join(entry["paths"]))
        elif entry["kind"] == "exchange":
            step.commands.append(f"{entry['method']} {entry['url']}")
        elif entry["kind"] == "action" and entry["scope"] == "production" and entry["state"] in ("begun", "done"):
            step.changed_production = True

    @property
    def releases(self) -> list[str]:
        """The release that failed and the target."""
        failed = self.facts.get("origin", self.facts.get("before", {})).get("tags", [])
        target = self.facts.get("target", {}).get("tag")
        return [*failed, target] if target else []

    @property
    def decisions(self) -> list[str]:
        """Each question's last answer, with its evidence, the rejected options, and the SQL that decided."""
        told = []
        for entry in {(entry["question"], entry.get("about")): entry for entry in self._all("decision")}.values():
            told += [entry["text"], entry["answer"], *entry["evidence"]]
            told += [words for over in entry.get("passed_over", []) for words in (over["candidate"], over["why"])]
            told += [words for found in entry.get("findings", []) for words in (found["rule"], found["sql"] or "")]
        return told

    @property
    def production(self) -> list[str]:
        """Before and after: releases, digests, containers, schema, gate, switches and the env file's fingerprint."""
        told = []
        for seen in (self.facts[name] for name in ("before", "after") if name in self.facts):
            digests = [digest.removeprefix("local:") for digest in seen["digests"].values()]
            told += [*seen["tags"], *digests, seen["gate"], seen["env_file"]["sha256"]]
            told += [words for each in seen["containers"] for words in (each["name"], each["id"][:12])]
            told += seen["schema"] if isinstance(seen["schema"], list) else [seen["schema"]["unknown"]]
            told += [f"{switch['variable']}={switch['value']}" for switch in seen.get("switches", {}).values()]
        return told

    @property
    def left_to_do(self) -> list[str]:
        """Messages to people, the quarantine, the restore point with its commands, and switches left off."""
        changes = [entry for entry in self._all("action") if "commands" in entry]
        messages = {entry["action"]: entry["message"] for entry in changes if "message" in entry}
        # Line by line: on paper a message may continue at the top of the next sheet.
        told = [line for message in messages.values() for line in (message["title"], *message["text"].splitlines())]
        quarantined = self.facts.get("quarantined") or {}
        told += [quarantined["tag"], *quarantined["digests"].values()] if quarantined else []
        if point := self.facts.get("restore point"):
            told += [point["path"], point["sha256"]]
            told += [step["command"] for part in point["restore"].values() for step in part]
        looks = [self.facts[name] for name in ("before", "after") if name in self.facts]
        for name, switch in (looks[-1] if looks else {}).get("switches", {}).items():
            told += [f"--enable {name}", switch["owner"]] if switch["state"] == "off" else []
        return told

    @property
    def commands(self) -> list[str]:
        """Every command and request, once each."""
        return list(dict.fromkeys(command for step in self.steps for command in step.commands))
