"""The traffic gate: pause and resume user traffic, and check what the public URL answers."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from runbook.actions import Action, ActionName, Check, Observation
from runbook.errors import Inconclusive, NoAnswer
from runbook.hosts.http import HttpClient
from runbook.production.compose import Production
from runbook.production.gate_state import By, contradiction
from runbook.production.service.health_answers import BUSY
from runbook.production.service.stuck_containers import StuckContainers
from runbook.settings.schema import ServiceCommand, TrafficSettings
from runbook.text import beginning

#: Seconds within which the gate and the public URL must agree while nobody changes the gate.
_AGREED = 5.0
_FIND = 'command -v -- "$1" >/dev/null 2>&1 && echo found || echo missing'
_LOGS = "look at the gateway's and the api's logs"


@dataclass(frozen=True)
class PublicAnswer:
    """What the public URL answers, in words, and who answers.

    `status` is 0 without an answer; `location` is where it redirects; `release` is the value of `release_header`.
    """

    seen: str
    by: By
    status: int = 0
    location: str = ""
    release: str | None = None


class TrafficGate:
    """The traffic gate of one production. Its state is asked each time, never remembered."""

    def __init__(self, production: Production, http: HttpClient, settings: TrafficSettings, deadline: float) -> None:
        """`deadline` is the seconds that the public URL may take to follow the gate."""
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

    def public_answer(self) -> PublicAnswer:
        """Ask the public URL, and tell who answers as far as the answer shows it. No answer is no error."""
        try:
            answer = self._http.get(self._settings.address)
        except NoAnswer as error:
            return PublicAnswer(error.seen, By.NOBODY)
        name = self._settings.release_header
        header = (name or "").lower()
        if header:
            by = By.APPLICATION if header in answer.headers else By.GATEWAY if answer.status >= 500 else By.SOMEBODY
        else:
            # Without a header that tells who answers, an application's 500 must not pass for a closed gate.
            by = By.GATEWAY if answer.status == 503 else By.APPLICATION
        whose = {By.APPLICATION: " from the application", By.SOMEBODY: f" without {name}"}.get(by, "") if header else ""
        seen = f"{self._settings.address} answers {answer.status}{whose}"
        release = answer.headers.get(header) if header else None
        return PublicAnswer(seen, by, answer.status, answer.headers.get("location", ""), release)

    def pause(self) -> Action:
        """Pause user traffic."""
        return self._change(ActionName.PAUSE_TRAFFIC, "user traffic is paused", self._settings.pause, "closed")

    def resume(self) -> Action:
        """Resume user traffic."""
        return self._change(ActionName.RESUME_TRAFFIC, "user traffic is resumed", self._settings.resume, "open")

    def _change(self, name: ActionName, summary: str, call: ServiceCommand, wanted: str) -> Action:
        def already() -> str | None:
            return f"the gate is {wanted}" if self.state() == wanted else None

        commands = (self._production.exec_command(call),)
        return Action(name, summary, commands, already, resource="traffic gate", new=wanted)

    def check_state(self, wanted: str) -> Check:
        """Check that the gate says `wanted`, which is `open` or `closed`."""

        def observe() -> Observation:
            state = self.state()
            return Observation(state == wanted, f"the traffic gate is {state}")

        return self._check(f"the traffic gate {wanted}", observe, "look at the gateway by hand")

    def check_traffic_paused(self) -> Check:
        """Check that the gate says closed, and that the public URL answers with the gateway's own error."""

        def observe() -> Observation:
            state, public = self.state(), self.public_answer()
            if public.by is By.NOBODY:
                raise Inconclusive(public.seen, "check that the address is right and something listens there")
            told = contradiction(state, public.by, public.seen) or f"{public.seen}; the gate is {state}"
            return Observation(state == "closed" and public.by is By.GATEWAY, told)

        return self._check(
            "traffic paused at the public address",
            observe,
            "look at the gateway: the gate must say closed, and let no request through",
        )

    def check_serves(self, tag: str) -> Check:
        """Check that the public URL answers below 400, and from release `tag` when `release_header` names it."""
        header = self._settings.release_header

        def observe() -> Observation:
            answer = self._http.get(self._settings.address)
            served = answer.headers.get(header.lower()) if header else None
            by = f" from {served or 'a release that it does not name'}" if header else ""
            good = answer.status < 400 and (header is None or served == tag)
            return Observation(good, f"{self._settings.address} answers {answer.status}{by}")

        wanted = f"{self._settings.address} to answer users{f' from {tag}' if header else ''}"
        return self._check(wanted, observe, _LOGS)

    def check_answers(self) -> Check:
        """Check that the public URL answers below 400, from whichever release."""

        def observe() -> Observation:
            answer = self._http.get(self._settings.address)
            return Observation(answer.status < 400, f"{self._settings.address} answers {answer.status}")

        return Check(f"{self._settings.address} to answer users", observe, _LOGS, self._deadline)

    def _check(self, expected: str, observe: Callable[[], Observation], next_step: str) -> Check:
        """Make a check that fails at once when the gate's own container is down and nothing starts it again."""
        service, stuck = self._settings.state.service, StuckContainers()

        def observe_unless_down() -> Observation:
            unknown = None
            try:
                found = observe()
            except Inconclusive as error:
                found, unknown = Observation(ok=False, seen=error.seen), error
            if found.ok:
                return found
            ours = [each for each in self._production.containers() if each.service == service]
            if reasons := stuck.reasons(ours):
                return Observation(ok=False, seen=f"{'; '.join(reasons)} ({found.seen})", final=True)
            if unknown:
                raise unknown
            return found

        return Check(expected, observe if service is None else observe_unless_down, next_step, self._deadline)

    def check_consistent(self, api_is_ready: Callable[[], bool]) -> Check:
        """Check that the gate's own word and the answers of the public URL do not contradict each other.

        An open gate in front of an application that is down answers like a closed one; that is a contradiction only
        when `api_is_ready`. Then what `check_serves` will ask for is checked too: no status such as 401 or 404, which
        no release would change, and the tag of a release that runs, where answers name it.
        """

        def observe() -> Observation:
            state, public = self.state(), self.public_answer()
            if public.by is By.NOBODY:
                raise Inconclusive(public.seen, "set traffic.public_url to an address that the production host reaches")
            said = f"the gate says {state}, and {public.seen}"
            told = contradiction(state, public.by, public.seen) or said
            if state == "closed":
                return Observation(public.by is By.GATEWAY, told)
            if urlsplit(public.location).scheme == "https" and urlsplit(self._settings.address).scheme == "http":
                seen = f"{said}, to {public.location}: set traffic.public_url to that"
                return Observation(ok=False, seen=seen, final=True)
            refused = public.by is not By.APPLICATION and (public.status == 503 or public.by is By.SOMEBODY)
            never = self._never_served(public)
            if not (refused or never) or not api_is_ready():
                return Observation(ok=True, seen=said)
            return Observation(
                ok=False, seen=f"{said}, with a ready api: {never}" if never else f"{told}, with a ready api"
            )

        return Check(
            "a traffic gate that says what the public address shows",
            observe,
            "look at the gateway, traffic.state and traffic.release_header: nobody knows whether traffic can be paused",
            _AGREED,
            arguable=True,
        )

    def _never_served(self, public: PublicAnswer) -> str | None:
        """Say what to set when no release could answer what `check_serves` asks for; None when one could."""
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
        """Check that the programs which pause and resume traffic exist; neither is run."""

        def observe() -> Observation:
            calls = {"pause": self._settings.pause, "resume": self._settings.resume}
            found = {word: self._program_found(call) for word, call in calls.items()}
            return Observation(
                all(there is not False for there, _ in found.values()),
                "; ".join(f"{word}: {words}" for word, (_, words) in found.items()),
            )

        return Check(
            "programs that pause and resume traffic",
            observe,
            "correct traffic.pause and traffic.resume in the settings, or bring their service up",
        )

    def _program_found(self, call: ServiceCommand) -> tuple[bool | None, str]:
        """Tell whether a command's program exists, None when that shows only by running it; and say so in words."""
        program = call.command[0]
        if call.service is None:
            path = self._production.host.environment.get("PATH")
            here = PurePosixPath(self._production.directory)
            there = shutil.which(str(here / program) if "/" in program else program, path=path)
            return there is not None, f"{there or f'no {program}'} on the host"
        if (call.service, program) == (self._settings.state.service, self._settings.state.command[0]):
            self.state()  # raises when it does not start
            return True, f"{program} of {call.service}, which also says the gate's state"
        find = ServiceCommand(service=call.service, command=("sh", "-c", _FIND, "sh", program))
        answer = self._production.host.run(self._production.exec_command(find))
        said = answer.text.strip()
        if answer.exit_code == 0 and said in ("found", "missing"):
            return said == "found", f"{program} is {said} in {call.service}"
        if answer.exit_code in (126, 127):
            return None, f"not known, {call.service} has no shell to look for {program}"
        return False, f"nothing can be run in {call.service}: {answer.last_line}"
