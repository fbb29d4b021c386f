"""The traffic gate: pause, hold and resume user traffic, and check what the public URL answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from runbook.actions import Action, ActionName, Check, Observation, left_out
from runbook.errors import Inconclusive, NoAnswer, Why
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.production.compose import Production
from runbook.production.service.gate_state import NO_GATE, By, contradiction
from runbook.production.service.health_answers import BUSY
from runbook.production.service.stuck_containers import StuckContainers
from runbook.settings.absent import Absent
from runbook.settings.application import Gate, ServiceCommand, TrafficSettings
from runbook.text import beginning

#: Seconds within which the gate and the public URL must agree while nobody changes the gate.
_AGREED = 5.0
#: Seconds without an answer after which a request counts as held. Short, because users wait meanwhile.
_BRIEFLY = 0.3
_FIND = 'command -v -- "$1" >/dev/null 2>&1 && echo found || echo missing'
_LOGS = "read the gateway's and the api's logs"


@dataclass(frozen=True)
class PublicAnswer:
    """The answer of the public URL, in words, and who gave it.

    `status` is 0 without an answer. `location` is the target of a redirect. `release` is the value of `release_header`.
    """

    seen: str
    by: By
    status: int = 0
    location: str = ""
    release: str | None = None


class TrafficGate:
    """The traffic gate of one production. Its state is read each time, never cached."""

    def __init__(
        self,
        production: Production,
        http: HttpClient,
        settings: TrafficSettings | None,
        deadline: float,
        http_there: HttpClient | None = None,
    ) -> None:
        """`deadline` is the seconds that the public URL may take to follow the gate.

        Without settings there is no public URL. Without commands in the settings there is no gate. `http_there` sends
        requests from the production host if that is another machine. It is used with `also_from_host`.
        """
        self._production = production
        self._http = http
        self._given = settings
        self._gate = settings.gate if settings else None
        self._deadline = deadline
        self._http_there = http_there if settings and settings.also_from_host else None

    @property
    def _settings(self) -> TrafficSettings:
        if self._given is None:
            raise Inconclusive(Absent.PUBLIC_ADDRESS.told, "set it in the settings: [traffic]")
        return self._given

    def state(self) -> str:
        """Return `open`, `closed` or `held`; `none` if there is no gate.

        Only a gate that can hold may report `held`. Raises Inconclusive when it reports anything else.
        """
        if self._gate is None:
            return NO_GATE
        answer = self._production.ask(self._gate.state)
        said = answer.text.strip()
        words = ("open", "closed", "held") if self._gate.hold else ("open", "closed")
        if answer.exit_code != 0 or said not in words:
            raise Inconclusive(
                f"expected {' or '.join(words)} from the traffic gate, saw: {answer.last_line}",
                f"run the command of traffic.state by hand; it must print {' or '.join(words)}",
            )
        return said

    @property
    def may_hold(self) -> bool:
        """Whether the gate can hold requests."""
        return self._gate is not None and self._gate.hold is not None

    def public_answer(self, *, held: bool = False) -> PublicAnswer:
        """Request the public URL, and return who answers, as far as the answer shows.

        Having no URL or no answer raises nothing. If the gate reports `held`, a request without an answer within a
        moment counts as held.
        """
        if self._given is None:
            return PublicAnswer(Absent.PUBLIC_ADDRESS.seen, By.NOBODY)
        try:
            answer = self._http.get(self._settings.address, patience=_BRIEFLY if held else None)
        except NoAnswer as error:
            if held and error.why is Why.SILENT:
                return PublicAnswer(f"{self._settings.address} holds requests", By.HELD)
            return PublicAnswer(error.seen, By.NOBODY)
        name = self._settings.release_header
        header = (name or "").lower()
        if header:
            by = By.APPLICATION if header in answer.headers else By.GATEWAY if answer.status >= 500 else By.SOMEBODY
        else:
            # Without a header that identifies the application, its 500 must not count as a closed gate.
            by = By.GATEWAY if answer.status == 503 else By.APPLICATION
        whose = {By.APPLICATION: " from the application", By.SOMEBODY: f" without {name}"}.get(by, "") if header else ""
        seen = f"{self._settings.address} answers {answer.status}{whose}"
        release = answer.headers.get(header) if header else None
        return PublicAnswer(seen, by, answer.status, answer.headers.get("location", ""), release)

    def pause(self) -> Action:
        """Pause user traffic."""
        return self._change(ActionName.PAUSE_TRAFFIC, "user traffic is paused", lambda gate: gate.pause, "closed")

    def hold(self) -> Action:
        """Hold user traffic until it is resumed or the gate's deadline passes. A closed gate stays closed."""
        change = self._change(
            ActionName.HOLD_TRAFFIC, "user traffic is held", lambda gate: gate.hold or gate.pause, "held", "closed"
        )
        return replace(change, longest_wait=self._settings.hold_seconds) if self.may_hold else change

    def resume(self) -> Action:
        """Resume user traffic."""
        return self._change(ActionName.RESUME_TRAFFIC, "user traffic is resumed", lambda gate: gate.resume, "open")

    def _change(
        self, name: ActionName, summary: str, call: Callable[[Gate], ServiceCommand], wanted: str, *enough: str
    ) -> Action:
        if self._gate is None:
            return Action(name, summary, not_configured=Absent.GATE)

        def already() -> str | None:
            return f"the gate is {now}" if (now := self.state()) in (wanted, *enough) else None

        commands = (self._production.exec_command(call(self._gate)),)
        return Action(name, summary, commands, already, resource="traffic gate", new=wanted)

    def check_open(self) -> Check:
        """Check that the gate reports open."""
        return self._check_state("open")

    def check_paused(self, *, held: bool) -> Check:
        """Check that the gate reports closed or, if requests may be `held`, held."""
        return self._check_state(*_paused(held=held))

    def _check_state(self, *wanted: str) -> Check:
        expected = f"the traffic gate {' or '.join(wanted)}"
        if self._gate is None:
            return left_out(expected, Absent.GATE)

        def observe() -> Observation:
            state = self.state()
            return Observation(state in wanted, f"the traffic gate is {state}")

        return self._check(expected, observe, "check the gateway by hand")

    def check_traffic_paused(self, *, held: bool) -> Check:
        """Check that the gate reports paused as for `check_paused`, and that no request reaches the application.

        The public URL must answer with the gateway's own error or, while the gate holds, not within a moment.
        """
        if self._gate is None:
            return left_out("traffic paused at the public address", Absent.GATE)

        def observe() -> Observation:
            state = self.state()
            public = self.public_answer(held=state == "held")
            if public.by is By.NOBODY:
                raise Inconclusive(public.seen, "check that the address is right and something listens there")
            told = contradiction(state, public.by, public.seen) or f"{public.seen}; the gate is {state}"
            return Observation(state in _paused(held=held) and public.by in (By.GATEWAY, By.HELD), told)

        return self._check(
            "traffic paused at the public address",
            observe,
            f"check the gateway: the gate must say {' or '.join(_paused(held=held))} and let no request through",
        )

    def check_serves(self, tag: str) -> Check:
        """Check that the public URL answers below 400, and from release `tag` when `release_header` names it."""
        if self._given is None:
            return left_out(f"users to be served by {tag}", Absent.PUBLIC_ADDRESS)
        header = self._settings.release_header

        def seen_in(answer: HttpResponse) -> Observation:
            served = answer.headers.get(header.lower()) if header else None
            by = f" from {served or 'an unnamed release'}" if header else ""
            good = answer.status < 400 and (header is None or served == tag)
            return Observation(good, f"{answer.status}{by}")

        wanted = f"{self._settings.address} to answer users{f' from {tag}' if header else ''}"
        return self._check(wanted, lambda: self._from_everywhere(seen_in), _LOGS)

    def check_answers(self) -> Check:
        """Check that the public URL answers below 400, from any release."""
        if self._given is None:
            return left_out("users to be served", Absent.PUBLIC_ADDRESS)

        def observe() -> Observation:
            return self._from_everywhere(lambda answer: Observation(answer.status < 400, str(answer.status)))

        return Check(f"{self._settings.address} to answer users", observe, _LOGS, self._deadline)

    def _from_everywhere(self, seen_in: Callable[[HttpResponse], Observation]) -> Observation:
        """Request the public URL from here and, with `also_from_host`, from the host. Both answers must be good."""
        address = self._settings.address
        found = seen_in(self._http.get(address))
        seen = f"{address} answers {found.seen}"
        if self._http_there is None or not found.ok:
            return Observation(found.ok, seen)
        there = seen_in(_asked_there(self._http_there, address))
        return Observation(there.ok, f"{seen}, and the host {there.seen}")

    def _check(self, expected: str, observe: Callable[[], Observation], next_step: str) -> Check:
        """Return a check that fails early when the gate's container is down and nothing restarts it."""
        service, stuck = self._gate.state.service if self._gate else None, StuckContainers()

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
        """Check that the gate's report and the public URL's answers do not contradict each other.

        An open gate in front of an application that is down answers like a closed gate. That is a contradiction only
        when `api_is_ready`. Then the requirements of `check_serves` are checked too: no status such as 401 or 404,
        which no release would change, and the tag of a running release if answers contain it. Without a gate, only
        these requirements are checked.
        """
        if self._given is None:
            return left_out("a traffic gate that agrees with the public address", Absent.PUBLIC_ADDRESS)

        def observe() -> Observation:
            state = self.state()
            if state == "held":
                # A request now would wait as users do. An interrupted switch can continue without it.
                return Observation(ok=True, seen="the gate says held: requests wait, so none was sent")
            public = self.public_answer()
            if public.by is By.NOBODY:
                raise Inconclusive(
                    public.seen,
                    "set traffic.public_url to an address that the production host reaches",
                    "traffic.public_url",
                )
            if self._http_there is not None:
                _asked_there(self._http_there, self._settings.address)
            said = f"the gate says {state}; {public.seen}" if self._gate else public.seen
            told = contradiction(state, public.by, public.seen) or said
            if state == "closed":
                return Observation(public.by is By.GATEWAY, told)
            if urlsplit(public.location).scheme == "https" and urlsplit(self._settings.address).scheme == "http":
                seen = f"{said}, to {public.location}: set traffic.public_url to that"
                return Observation(ok=False, seen=seen, final=True, key="traffic.public_url")
            refused = public.by is not By.APPLICATION and (public.status == 503 or public.by is By.SOMEBODY)
            never = self._never_served(public)
            if not (refused or never) or not api_is_ready():
                return Observation(ok=True, seen=said)
            key = "traffic.state" if self._gate else "traffic.public_url"
            if never:
                key = "traffic.release_header" if public.release else "traffic.check_path"
            return Observation(
                ok=False, seen=f"{said}, with a ready api: {never}" if never else f"{told}, with a ready api", key=key
            )

        gate = "a traffic gate that agrees with the public address"
        helps = (
            "check the gateway, traffic.state and traffic.release_header: it is unknown whether traffic can be paused"
        )
        without = "set traffic.public_url and traffic.check_path to an address that the application itself answers"
        return Check(
            gate if self._gate else "a public address that shows whether users are served",
            observe,
            helps if self._gate else without,
            _AGREED,
            arguable=True,
        )

    def _never_served(self, public: PublicAnswer) -> str | None:
        """Return what to set if no release could answer as `check_serves` requires; None if one could."""
        if public.by is not By.APPLICATION:
            return None
        if 400 <= public.status < 500 and public.status not in BUSY:
            return (
                "every release would answer the same, unless only the running one lost the path or refuses users"
                " (set traffic.check_path to a path that answers without credentials)"
            )
        if public.release is None:
            return None
        running = sorted({self._production.tag_of(each) for each in self._production.application()})
        if public.release in running:
            return None
        return (
            f"{self._settings.release_header} is {beginning(public.release, 100)!r}, but"
            f" {', '.join(running)} is running (set traffic.release_header to a header whose value"
            " is the tag, or leave it out)"
        )

    def check_commands(self) -> Check:
        """Check that the programs that pause, hold and resume traffic exist, without changing the gate."""
        gate = self._gate
        if gate is None:
            return left_out("programs that pause and resume traffic", Absent.GATE)

        def observe() -> Observation:
            calls = {"pause": gate.pause, "resume": gate.resume} | ({"hold": gate.hold} if gate.hold else {})
            programs = {word: (call.service, call.command[0]) for word, call in calls.items()}
            # Most gates have one program for all commands.
            each = {(call.service, call.command[0]): call for call in calls.values()}
            there = {program: self._program_found(call) for program, call in each.items()}
            found = {word: there[program] for word, program in programs.items()}
            return Observation(
                all(there is not False for there, _ in found.values()),
                "; ".join(f"{word}: {words}" for word, (_, words) in found.items()),
                key=next((f"traffic.{word}" for word, (there, _) in found.items() if there is False), ""),
            )

        return Check(
            "programs that pause and resume traffic",
            observe,
            "correct traffic.pause and traffic.resume in the settings, or bring their service up",
        )

    def _program_found(self, call: ServiceCommand) -> tuple[bool | None, str]:
        """Return whether a command's program exists, and that in words. None if only running it would show that."""
        program = call.command[0]
        if call.service is None:
            command = self._production.command("sh", "-c", 'command -v -- "$1"', "sh", program)
            there = self._production.host.run(command)
            found = there.exit_code == 0
            return found, f"{there.text.strip() if found else f'no {program}'} on the host"
        if self._gate and (call.service, program) == (self._gate.state.service, self._gate.state.command[0]):
            self.state()  # raises when it does not start
            return True, f"{program} of {call.service}, which also reports the gate's state"
        find = ServiceCommand(service=call.service, command=("sh", "-c", _FIND, "sh", program))
        answer = self._production.ask(find)
        said = answer.text.strip()
        if answer.exit_code == 0 and said in ("found", "missing"):
            return said == "found", f"{program} is {said} in {call.service}"
        if answer.exit_code in (126, 127):
            return None, f"unknown: {call.service} has no shell to find {program}"
        return False, f"no command runs in {call.service}: {answer.last_line}"


def _paused(*, held: bool) -> tuple[str, ...]:
    """Return the states in which a gate lets no request through."""
    return ("held", "closed") if held else ("closed",)


def _asked_there(http: HttpClient, address: str) -> HttpResponse:
    try:
        return http.get(address)
    except NoAnswer as error:
        raise NoAnswer(
            f"from the production host {error.seen}",
            "make it reachable from the host, or set traffic.also_from_host = false",
            error.why,
        ) from None
