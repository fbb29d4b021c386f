"""The rollback that is under way, written down on the production host: who comes next goes on from it.

A run looks at production when it begins. When an earlier one broke off half way, what it finds running is not what
failed any more; only what was written down before the switch can tell.
"""

import json
from collections.abc import Mapping
from typing import Any

from runbook.actions import Action, Artifact, Check, Observation
from runbook.clock import utc_now
from runbook.errors import Inconclusive, RunbookError
from runbook.production.compose import Production
from runbook.production.docker_engine import FOLDER

#: What is kept of production as it was before the first switch.
_KEPT = ("tags", "digests", "log_errors")


class OpenRollback:
    """The note of the rollback under way, `.runbook/open_incident.json` in the project's directory."""

    def __init__(self, production: Production) -> None:
        self._production = production
        self._folder = f"{production.directory}/{FOLDER}"
        self.path = f"{self._folder}/open_incident.json"

    def read(self) -> dict[str, Any] | None:
        """What was written down, or None when no rollback is under way. Raises Inconclusive when it can't be read."""
        answer = self._production.host.run(self._production.command("cat", "--", self.path))
        if answer.exit_code != 0 and "No such file or directory" in answer.last_line:
            return None
        try:
            found: dict[str, Any] = json.loads(answer.text) if answer.exit_code == 0 else {}
            so = {"incident", "since", "target", "before"} <= set(found) and set(_KEPT) <= set(found["before"])
        except (ValueError, TypeError, RecursionError):
            so = False
        if not so:
            raise Inconclusive(
                f"{self.path} cannot be read: {answer.last_line}", "look at it; remove it if no rollback is under way"
            )
        return found

    def of_another(self, incident: str) -> dict[str, Any] | None:
        """What another incident than this one wrote down; None where that cannot be read, which others find out."""
        try:
            found = self.read()
        except RunbookError:
            return None
        return found if found and found["incident"] != incident else None

    def about(self, running_tags: list[str]) -> dict[str, Any] | None:
        """The same, when it speaks of what runs now; a note about other releases is left over and says nothing."""
        found = self.read()
        earlier = [str(each["target"]) for each in _earlier(found)]
        if found is None or not set(running_tags) <= {*found["before"]["tags"], found["target"], *earlier}:
            return None
        return found

    def open(
        self, incident: str, origin: Mapping[str, Any], target: str, earlier: Mapping[str, Any] | None = None
    ) -> Action:
        """The change that writes down what failed and what is returned to, before anything is switched.

        `earlier` is the note of a rollback that broke off and that this one goes on from: it is kept in the new one.
        """
        others = [*_earlier(earlier), _in_short(earlier)] if earlier and earlier["incident"] != incident else []
        note = {
            "incident": incident,
            "since": utc_now(),
            "target": target,
            "before": {key: origin[key] for key in _KEPT},
            "earlier": others or _earlier(earlier),
        }

        def already() -> str | None:
            found = self.read()
            same = found is not None and found["target"] == target and found["before"]["tags"] == origin["tags"]
            return f"incident {found['incident']} is open since {found['since']}" if found and same else None

        content = (json.dumps(note, sort_keys=True) + "\n").encode("utf-8")
        return Action(
            f"the rollback to {target} is written down on the production host",
            (
                self._production.command("mkdir", "--parents", "--mode=700", "--", self._folder),
                self._production.command("rm", "--force", "--", f"{self.path}.new"),
                self._production.command("dd", f"of={self.path}.new", "conv=excl,fsync", "status=none", stdin=content),
                self._production.command("mv", "--force", "--", f"{self.path}.new", self.path),
            ),
            already,
            leaves=(Artifact(self.path, "the note of the rollback under way"),),
        )

    def close(self) -> Action:
        """The change that takes the note away: users are back, and people know."""

        def already() -> str | None:
            return None if self.read() else "no rollback is under way"

        removing = self._production.command("rm", "--force", "--", self.path)
        return Action("the rollback is closed on the production host", (removing,), already, removes=(self.path,))

    def check_closed(self) -> Check:
        """That the note is gone."""

        def observe() -> Observation:
            found = self.read()
            if found is None:
                return Observation(ok=True, seen="no rollback is under way")
            return Observation(ok=False, seen=f"incident {found['incident']} is open since {found['since']}")

        return Check("no rollback under way on the production host", observe, "somebody began another one: look who")


def _earlier(note: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The rollbacks that broke off before the one of this note, oldest first."""
    found = note.get("earlier") if note else None
    known = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [each for each in known if {"incident", "target"} <= set(each)]


def _in_short(note: Mapping[str, Any]) -> dict[str, Any]:
    return {name: note[name] for name in ("incident", "since", "target")}


def chain(note: Mapping[str, Any]) -> list[str]:
    """The incidents of a note, the one that began first in front."""
    return [*(str(each["incident"]) for each in _earlier(note)), str(note["incident"])]
