"""The traffic gate: what pauses and resumes user traffic, and what the public address answers."""

from runbook.errors import Inconclusive
from runbook.probes import Prober
from runbook.production import Production
from runbook.sentence import Change, Expectation, Seen
from runbook.settings import ServiceCommand, TrafficSettings


class TrafficGate:
    """The traffic gate of one production. Its state is asked each time, never remembered."""

    def __init__(self, production: Production, prober: Prober, settings: TrafficSettings, deadline: float) -> None:
        """`deadline` is how long the public address may take to follow, in seconds."""
        self._production = production
        self._prober = prober
        self._settings = settings
        self._deadline = deadline

    def state(self) -> str:
        """Return `open` or `closed`. Raises Inconclusive when the gate says neither."""
        answer = self._production.host.run(self._production.inside(self._settings.state))
        said = answer.text.strip()
        if answer.exit_code != 0 or said not in ("open", "closed"):
            raise Inconclusive(
                f"the traffic gate does not say whether it is open or closed: {answer.last_words}",
                "run the command of traffic.state by hand; it must print `open` or `closed`",
            )
        return said

    def pausing(self) -> Change:
        """The change that pauses user traffic."""
        return self._turning("user traffic is paused", self._settings.pause, "closed")

    def resuming(self) -> Change:
        """The change that resumes user traffic."""
        return self._turning("user traffic is resumed", self._settings.resume, "open")

    def _turning(self, summary: str, call: ServiceCommand, wanted: str) -> Change:
        def already() -> str | None:
            return f"the gate is {wanted}" if self.state() == wanted else None

        return Change(summary, (self._production.inside(call),), already)

    def being(self, wanted: str) -> Expectation:
        """That the gate is `open` or `closed`, by its own word."""

        def look() -> Seen:
            state = self.state()
            return Seen(state == wanted, f"the traffic gate is {state}")

        return Expectation(f"the traffic gate {wanted}", look, "look at the gateway by hand", self._deadline)

    def keeping_users_out(self) -> Expectation:
        """That the public address answers with an error of the gateway's own, and not from the application."""

        def look() -> Seen:
            answer = self._prober.get(self._address)
            header = (self._settings.release_header or "").lower()
            from_application = header != "" and header in answer.headers
            seen = f"{self._address} answers {answer.status}{' from the application' if from_application else ''}"
            # Without a header that tells who answers, an application's 500 must not pass for a closed gate.
            kept_out = answer.status >= 500 if header else answer.status == 503
            return Seen(kept_out and not from_application, seen)

        return Expectation(
            "the public address to keep users out",
            look,
            "the gate says closed and lets requests through: look at the gateway",
            self._deadline,
        )

    def serving(self, tag: str) -> Expectation:
        """That the public address answers well, and from release `tag` when answers say which release they are from."""
        header = self._settings.release_header

        def look() -> Seen:
            answer = self._prober.get(self._address)
            served = answer.headers.get(header.lower()) if header else None
            by = f" from {served or 'a release that it does not name'}" if header else ""
            good = answer.status < 400 and (header is None or served == tag)
            return Seen(good, f"{self._address} answers {answer.status}{by}")

        wanted = f"{self._address} to answer users{f' from {tag}' if header else ''}"
        return Expectation(wanted, look, "look at the gateway's and the api's logs", self._deadline)

    def answering(self) -> Expectation:
        """That the public address answers well, from whichever release."""

        def look() -> Seen:
            answer = self._prober.get(self._address)
            return Seen(answer.status < 400, f"{self._address} answers {answer.status}")

        return Expectation(
            f"{self._address} to answer users", look, "look at the gateway's and the api's logs", self._deadline
        )

    @property
    def _address(self) -> str:
        return self._settings.address
