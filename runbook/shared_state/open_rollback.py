"""The open rollback: a note on the production host with the failed release and the target.

After an interrupted rollback, production no longer runs the failed release, so the next run reads it from this note.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from runbook.actions import Action, ActionName, Artifact, Check, Observation
from runbook.clock import utc_now
from runbook.errors import Inconclusive, RunbookError
from runbook.production.compose import Production
from runbook.shared_state.host_file import NoteFile

#: The facts in the note about production before the first switch.
_KEPT = ("tags", "digests", "log_errors")


def _is_note(found: Mapping[str, Any]) -> bool:
    return {"incident", "since", "target", "before"} <= set(found) and set(_KEPT) <= set(found["before"])


class OpenRollback:
    """The note of the rollback under way, `.runbook/open_incident.json` in the project's directory."""

    def __init__(self, production: Production) -> None:
        self._file = NoteFile(production, "open_incident.json")
        self.path = self._file.path

    def read(self) -> dict[str, Any] | None:
        """Return the note, or None if no rollback is open. Raises Inconclusive when it cannot be read."""
        try:
            return self._file.note(_is_note)
        except ValueError:
            raise Inconclusive(
                f"{self.path} cannot be read: it is not the note of a rollback",
                "look at it; remove it if no rollback is open",
            ) from None

    def of_another_incident(self, incident: str) -> dict[str, Any] | None:
        """Return the note if it is of another incident; None without one, or if it cannot be read."""
        try:
            found = self.read()
        except RunbookError:
            return None
        return found if found and found["incident"] != incident else None

    def for_running_tags(self, running_tags: Collection[str]) -> dict[str, Any] | None:
        """Return the note if it is about the running releases; None for a leftover about others."""
        found = self.read()
        earlier = [str(each["target"]) for each in _earlier(found)]
        if found is None or not set(running_tags) <= {*found["before"]["tags"], found["target"], *earlier}:
            return None
        return found

    def beside(self, note: Mapping[str, Any]) -> dict[str, int]:
        """Return each service's number of containers before the switch in mode `beside` that this note describes."""
        found = note.get("beside")
        return {str(name): int(number) for name, number in found.items()} if isinstance(found, dict) else {}

    def open(
        self,
        incident: str,
        origin: Mapping[str, Any],
        target: str,
        earlier: Mapping[str, Any] | None = None,
        beside: Mapping[str, int] | None = None,
    ) -> Action:
        """Return the change that writes the note before the switch: the failed release (`origin`) and the target's tag.

        `earlier` is the note of an interrupted rollback that this one continues; the new note keeps it. `beside` is the
        number of containers of each service that starts beside the failed release's.
        """
        others = []
        if earlier and earlier["incident"] != incident:
            others = [*_earlier(earlier), {name: earlier[name] for name in ("incident", "since", "target")}]
        note = {
            "incident": incident,
            "since": utc_now(),
            "target": target,
            "before": {key: origin[key] for key in _KEPT},
            "earlier": others or _earlier(earlier),
            **({"beside": dict(beside)} if beside else {}),
        }

        def already() -> str | None:
            found = self.read()
            same = found is not None and found["target"] == target and found["before"]["tags"] == origin["tags"]
            return f"incident {found['incident']} is open since {found['since']}" if found and same else None

        content = (json.dumps(note, sort_keys=True) + "\n").encode("utf-8")
        return Action(
            ActionName.OPEN_ROLLBACK,
            f"the rollback to {target} is written down on the production host",
            self._file.write_commands(content),
            already,
            leaves=(Artifact(self.path, "the note of the rollback under way"),),
            resource=self.path,
            new=target,
        )

    def close(self) -> Action:
        """Return the change that removes the note, at the end of the rollback."""

        def already() -> str | None:
            return None if self.read() else "no rollback is under way"

        summary = "the rollback is closed on the production host"
        return Action(
            ActionName.CLOSE_ROLLBACK,
            summary,
            (self._file.remove_command(),),
            already,
            removes=(self.path,),
            resource=self.path,
        )

    def check_closed(self) -> Check:
        """Check that no rollback is open."""

        def observe() -> Observation:
            found = self.read()
            if found is None:
                return Observation(ok=True, seen="no rollback is under way")
            return Observation(ok=False, seen=f"incident {found['incident']} is open since {found['since']}")

        return Check(
            "no rollback under way on the production host", observe, "somebody started another one: find out who"
        )


def _earlier(note: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    # The earlier interrupted rollbacks, oldest first.
    found = note.get("earlier") if note else None
    known = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [each for each in known if {"incident", "target"} <= set(each)]


def incidents_of(note: Mapping[str, Any]) -> list[str]:
    """Return the incidents of a note, oldest first."""
    return [*(str(each["incident"]) for each in _earlier(note)), str(note["incident"])]
