"""The follow-up ticket as JSON to an address of the team's own. It cannot be asked: the journal remembers."""

from collections.abc import Callable

from pydantic import SecretStr

from runbook.actions import Check, Observation
from runbook.errors import Inconclusive
from runbook.hosts.http import HttpClient
from runbook.notify.markup import PLAIN
from runbook.notify.trackers.tracker import Tracker, member

_TAKEN = range(200, 300)


class WebhookTracker(Tracker):
    """An address that takes a POST of `incident`, `title` and `text`, and answers 2xx, with a `url` if it has one."""

    markup = PLAIN
    keys = "the secret that ticket.url names"

    def __init__(
        self, http: HttpClient, url: SecretStr, token: SecretStr | None, known: Callable[[], str | None]
    ) -> None:
        """`known` tells what is on record of this incident's ticket."""
        super().__init__(http, "webhook", 0)
        self._address = url
        self._headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._known = known

    def find(self, incident: str) -> str | None:  # noqa: ARG002 - the journal is the incident's own
        """What the journal has of its ticket."""
        return self._known()

    def create(self, incident: str, title: str, text: str) -> str:
        """Send it, and return the `url` of the answer, if it has one."""
        ticket = {"incident": incident, "title": title, "text": text}
        # An answer may be lost: whoever takes it can tell by this that it is the same again.
        headers = {"Idempotency-Key": incident, **self._headers}
        answer = self._ask("POST", self._address.get_secret_value(), headers, ticket, wanted=_TAKEN)
        try:
            return member(answer.json(), "url")
        except Inconclusive:
            return "webhook"  # it took the ticket, and need not say more

    def listed(self, incident: str, known: str = "") -> Check:
        """That the webhook took the ticket, as the journal has it."""

        def observe() -> Observation:
            taken = known or self.find(incident)
            return Observation(taken is not None, taken or "no ticket is on record")

        return Check("the webhook to have taken the ticket", observe, "open the ticket by hand", self._deadline)
