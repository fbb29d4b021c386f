"""Who is told at once what an incident does: the live view. The journal is told by the incident itself."""

from runbook.actions import Scope
from runbook.hosts.command import Command, Completed


class EventListener:
    """Is told everything, and lets it go. A view overrides what it shows; nothing that it does may raise."""

    def expecting(self, expected: str, deadline: float) -> None:
        """Something is looked at from now on, for at most `deadline` seconds; 0 means one look."""

    def changing(self, summary: str, scope: Scope, deadline: float) -> None:
        """A change begins; its commands have `deadline` seconds in all."""

    def changed(self, summary: str, scope: Scope, state: str) -> None:
        """A change is `done`, was `already so`, or is `planned`."""

    def command_began(self, command: Command) -> None:
        """A command begins."""

    def command_progressed(self, command: Command, line: str) -> None:
        """A command that talks said a line."""

    def command_ended(self, completed: Completed) -> None:
        """A command ended."""
