"""The follow-up ticket as JSON to the team's own URL. It cannot be queried, so the journal remembers the ticket."""

from collections.abc import Callable

from pydantic import SecretStr

from runbook.actions import Check, Observation
from runbook.errors import Inconclusive
from runbook.hosts.http import HttpClient
from runbook.notify.markup import PLAIN
from runbook.notify.trackers.tracker import Tracker, member

_TAKEN = range(200, 300)


class WebhookTracker(Tracker):
    """A URL that takes a POST of `incident`, `title` and `text`, and answers 2xx, optionally with a `url`."""

    markup = PLAIN
    keys = "the secret that ticket.url names"

    def __init__(
        self, http: HttpClient, url: SecretStr, token: SecretStr | None, known: Callable[[], str | None]
    ) -> None:
        """`known` returns the recorded ticket of this incident."""
        super().__init__(http, "webhook", 0)
        self._address = url
        self._headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._known = known

    def find(self, incident: str) -> str | None:  # noqa: ARG002 - the journal has only this incident
        """Return the recorded ticket."""
        return self._known()

    def create(self, incident: str, title: str, text: str) -> str:
        """Send the ticket, and return the `url` of the answer, or "webhook" without one."""
        ticket = {"incident": incident, "title": title, "text": text}
        # If an answer is lost, the receiver can recognize the same ticket by this.
        headers = {"Idempotency-Key": incident, **self._headers}
        answer = self._ask("POST", self._address.get_secret_value(), headers, ticket, wanted=_TAKEN)
        try:
            return member(answer.json(), "url")
        except Inconclusive:
            return "webhook"  # a 2xx answer without a URL is a receipt too

    def listed(self, incident: str, known: str = "") -> Check:
        """Check that the webhook took the ticket, according to the journal."""

        def observe() -> Observation:
            taken = known or self.find(incident)
            return Observation(taken is not None, taken or "no ticket is on record")

        return Check("the webhook to have taken the ticket", observe, "open the ticket by hand", self._deadline)
