"""The traffic gate: what pauses and resumes user traffic, and what the public address answers."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from runbook.actions import Action, Check, Observation
from runbook.errors import Inconclusive, NoAnswer
from runbook.hosts.http import HttpClient
from runbook.production.compose import Production
from runbook.production.gate_words import By, contradiction
from runbook.production.service.health_answers import BUSY
from runbook.production.service.hopeless import Hopeless
from runbook.settings.schema import ServiceCommand, TrafficSettings
from runbook.text import beginning

#: How long gate and public address may take to say the same, in seconds, while nobody turns the gate.
_AGREED = 5.0
_FIND = 'command -v -- "$1" >/dev/null 2>&1 && echo found || echo missing'


@dataclass(frozen=True)
class PublicAnswer:
    """What the public address answers, in words, and by whom.

    Its status (0: no answer), to where it redirects, and the release that it names, None without `release_header`.
    """

    seen: str
    by: By
    status: int = 0
    location: str = ""
    release: str | None = None


class TrafficGate:
    """The traffic gate of one production. Its state is asked each time, never remembered."""

    def __init__(self, production: Production, http: HttpClient, settings: TrafficSettings, deadline: float) -> None:
        """`deadline` is how long the public address may take to follow, in seconds."""
        self._production = production
        self._http = http
        self._settings = settings
        self._deadline = deadline

    def state(self) -> str:
        """Return `open` or `closed`. Raises Inconclusive when the gate says neither."""
        answer = self._production.host.run(self._production.exec_command(self._settings.state))
        said = answer.text.strip()
        if answer.exit_code != 0 or said not in ("open", "closed"):
            raise Inconclusive(
                f"the traffic gate does not say whether it is open or closed: {answer.last_line}",
                "run the command of traffic.state by hand; it must print `open` or `closed`",
            )
        return said

    def pause(self) -> Action:
        """The change that pauses user traffic."""
        return self._turning("user traffic is paused", self._settings.pause, "closed")

    def resume(self) -> Action:
        """The change that resumes user traffic."""
        return self._turning("user traffic is resumed", self._settings.resume, "open")

    def _turning(self, summary: str, call: ServiceCommand, wanted: str) -> Action:
        def already() -> str | None:
            return f"the gate is {wanted}" if self.state() == wanted else None

        return Action(summary, (self._production.exec_command(call),), already)

    def check_state(self, wanted: str) -> Check:
        """That the gate is `open` or `closed`, by its own word."""

        def observe() -> Observation:
            state = self.state()
            return Observation(state == wanted, f"the traffic gate is {state}")

        return Check(
            f"the traffic gate {wanted}", self._unless_down(observe), "look at the gateway by hand", self._deadline
        )

    def public_answer(self) -> PublicAnswer:
        """What the public address answers now, and by whom, as far as its answer tells."""
        try:
            answer = self._http.get(self._address)
        except NoAnswer as error:
            return PublicAnswer(error.seen, By.NOBODY)
        header = (self._settings.release_header or "").lower()
        if header:
            by = By.APPLICATION if header in answer.headers else By.GATEWAY if answer.status >= 500 else By.SOMEBODY
        else:
            # Without a header that tells who answers, an application's 500 must not pass for a closed gate.
            by = By.GATEWAY if answer.status == 503 else By.APPLICATION
        from_whom = " from the application" if header and by is By.APPLICATION else ""
        from_whom = f" without {self._settings.release_header}" if by is By.SOMEBODY else from_whom
        seen = f"{self._address} answers {answer.status}{from_whom}"
        location, release = answer.headers.get("location", ""), answer.headers.get(header) if header else None
        return PublicAnswer(seen, by, answer.status, location, release)

    def check_traffic_paused(self) -> Check:
        """That the gate is closed, and the public address answers with an error of the gateway's own."""

        def observe() -> Observation:
            state, public = self.state(), self.public_answer()
            if public.by is By.NOBODY:
                raise Inconclusive(public.seen, "is the address right, and is something listening?")
            kept_out = state == "closed" and public.by is By.GATEWAY
            return Observation(
                kept_out, contradiction(state, public.by, public.seen) or f"{public.seen}; the gate is {state}"
            )

        return Check(
            "the public address to keep users out",
            self._unless_down(observe),
            "look at the gateway: the gate must say closed, and let no request through",
            self._deadline,
        )

    def _unless_down(self, observe: Callable[[], Observation]) -> Callable[[], Observation]:
        """The same look, final where the gate's own container stands still: what is not so is not waited for then."""
        service, hopeless = self._settings.state.service, Hopeless()
        if service is None:
            return observe

        def down() -> list[str]:
            return hopeless.reasons([each for each in self._production.containers() if each.service == service])

        def looked() -> Observation:
            try:
                seen = observe()
            except Inconclusive as error:
                if reasons := down():
                    return Observation(ok=False, seen=f"{'; '.join(reasons)} ({error.seen})", final=True)
                raise
            if seen.ok or not (reasons := down()):
                return seen
            return Observation(ok=False, seen=f"{'; '.join(reasons)} ({seen.seen})", final=True)

        return looked

    def check_consistent(self, api_is_ready: Callable[[], bool]) -> Check:
        """That the gate's own word and the answers of the public address do not contradict each other.

        An open gate in front of an application that is down answers like a closed one: that speaks against nothing,
        unless `api_is_ready`. Then what `check_serves` will ask for is checked as well: no status such as 401 or
        404, which is not a failing release's, and the tag of a release that runs, where answers are to name it.
        """

        def observe() -> Observation:
            state, public = self.state(), self.public_answer()
            if public.by is By.NOBODY:
                raise Inconclusive(public.seen, "set traffic.public_url to an address that the production host reaches")
            said = f"the gate says {state}, and {public.seen}"
            if state == "closed":
                return Observation(public.by is By.GATEWAY, contradiction(state, public.by, public.seen) or said)
            if urlsplit(public.location).scheme == "https" and urlsplit(self._address).scheme == "http":
                return Observation(
                    ok=False, seen=f"{said}, to {public.location}: set traffic.public_url to that", final=True
                )
            refused = public.by is not By.APPLICATION and (public.status == 503 or public.by is By.SOMEBODY)
            never = self._never_served(public)
            if not (refused or never) or not api_is_ready():
                return Observation(ok=True, seen=said)
            if never:
                return Observation(ok=False, seen=f"{said}, with a ready api: {never}")
            return Observation(
                ok=False, seen=f"{contradiction(state, public.by, public.seen) or said}, with a ready api"
            )

        return Check(
            "a traffic gate that says what the public address shows",
            observe,
            "look at the gateway, traffic.state and traffic.release_header: nobody knows whether users can be kept out",
            _AGREED,
            arguable=True,
        )

    def _never_served(self, public: PublicAnswer) -> str | None:
        """What to set where no release's answer could be what `serving` asks for; None where one's could."""
        if public.by is not By.APPLICATION:
            return None
        if 400 <= public.status < 500 and public.status not in BUSY:
            return (
                "another release would answer the same, unless only the one that runs lost the path or turns users away"
                " (set traffic.check_path to a path that answers who has no credentials)"
            )
        if public.release is None:
            return None
        running = sorted({self._production.tag_of(each) for each in self._production.application()})
        if public.release in running:
            return None
        return (
            f"{self._settings.release_header} is {beginning(public.release, 100)!r}, and {', '.join(running)} runs (set"
            " traffic.release_header to a header whose value is the tag, or leave it out)"
        )

    def check_commands(self) -> Check:
        """That the programs which pause and resume traffic are there; neither is run."""

        def observe() -> Observation:
            found = {word: self._found(call) for word, call in self._turners().items()}
            return Observation(
                all(there is not False for there, _ in found.values()),
                "; ".join(f"{word}: {words}" for word, (_, words) in found.items()),
            )

        return Check(
            "programs that pause and resume traffic",
            observe,
            "mend traffic.pause and traffic.resume in the settings, or bring their service up",
        )

    def _turners(self) -> dict[str, ServiceCommand]:
        return {"pause": self._settings.pause, "resume": self._settings.resume}

    def _found(self, call: ServiceCommand) -> tuple[bool | None, str]:
        """Whether the program of a command is there, None when that cannot be told without running it; and in words."""
        program, place = call.command[0], call.service or "the host"
        if call.service is None:
            path = self._production.host.environment.get("PATH")
            here = PurePosixPath(self._production.directory)
            there = shutil.which(str(here / program) if "/" in program else program, path=path)
            return there is not None, f"{there or f'no {program}'} on the host"
        if (call.service, program) == (self._settings.state.service, self._settings.state.command[0]):
            self.state()  # raises when it does not start
            return True, f"{program} of {place}, which says how the gate is as well"
        find = ServiceCommand(service=call.service, command=("sh", "-c", _FIND, "sh", program))
        answer = self._production.host.run(self._production.exec_command(find))
        said = answer.text.strip()
        if answer.exit_code == 0 and said in ("found", "missing"):
            return said == "found", f"{program} is {said} in {place}"
        if answer.exit_code in (126, 127):
            return None, f"not known, {place} has no shell to look for {program}"
        return False, f"nothing can be run in {place}: {answer.last_line}"

    def check_serves(self, tag: str) -> Check:
        """That the public address answers well, and from release `tag` when answers say which release they are from."""
        header = self._settings.release_header

        def observe() -> Observation:
            answer = self._http.get(self._address)
            served = answer.headers.get(header.lower()) if header else None
            by = f" from {served or 'a release that it does not name'}" if header else ""
            good = answer.status < 400 and (header is None or served == tag)
            return Observation(good, f"{self._address} answers {answer.status}{by}")

        wanted = f"{self._address} to answer users{f' from {tag}' if header else ''}"
        return Check(wanted, self._unless_down(observe), "look at the gateway's and the api's logs", self._deadline)

    def check_answers(self) -> Check:
        """That the public address answers well, from whichever release."""

        def observe() -> Observation:
            answer = self._http.get(self._address)
            return Observation(answer.status < 400, f"{self._address} answers {answer.status}")

        return Check(
            f"{self._address} to answer users", observe, "look at the gateway's and the api's logs", self._deadline
        )

    @property
    def _address(self) -> str:
        return self._settings.address
