"""Events of an incident, for the live view. The incident writes the journal itself."""

from runbook.actions import Scope
from runbook.hosts.command import Command, Completed
from runbook.hosts.engine.request import EngineRequest


class EventListener:
    """A listener that ignores every event. A view overrides the methods that it needs; no method may raise."""

    def expecting(self, expected: str, deadline: float) -> None:
        """A check begins, for at most `deadline` seconds. 0 means one look."""

    def changing(self, summary: str, scope: Scope, deadline: float) -> None:
        """An action begins; its commands have `deadline` seconds in total."""

    def changed(self, summary: str, scope: Scope, state: str) -> None:
        """An action is `done`, was `already so`, or is `planned`."""

    def command_began(self, command: Command) -> None:
        """A command begins."""

    def command_progressed(self, command: Command, line: str) -> None:
        """A command that streams its progress wrote a line."""

    def command_ended(self, completed: Completed) -> None:
        """A command ended."""

    def engine_asked(self, request: EngineRequest) -> None:
        """A request to the engine ended. It is quick, and not a command."""
