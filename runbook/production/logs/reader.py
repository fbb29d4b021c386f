"""Errors in recent logs, counted by signature."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from runbook.actions import Check, Observation
from runbook.errors import CommandSaidTooMuch, Inconclusive
from runbook.production.compose import Production
from runbook.production.logs.lines import LinesOfOne
from runbook.settings.schema import LogSettings

_PREFIX = re.compile(r"^(?P<container>[\w.-]+)\s*\|\s?(?P<line>.*)$")
# What differs between two occurrences of one error.
_VARIABLE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b(?:0x)?[0-9a-f]{8,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\d+"), "<n>"),
)
_LONGEST_SIGNATURE = 200
_MOST_BYTES = 64 << 20
_MOST_LINES = 50_000  # of each container: a release that floods its log must not delay its own rollback
# Compose's warnings that are not about reading logs.
_OF_NO_CONCERN = re.compile(r"variable is not set|is obsolete|orphan containers|config file|level=(?:info|debug)")
_WHERE_LOGS_GO = (
    "find out where its logs go and read them there; logs.services names the services whose logs can be read here"
)


@dataclass(frozen=True)
class LogErrors:
    """Errors in logs: occurrences by signature (service and message without variable parts).

    `cut` names the containers of which only the newest lines were read.
    """

    counts: Mapping[str, int]
    cut: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """The number of errors."""
        return sum(self.counts.values())

    def new_against(self, before: Mapping[str, int]) -> list[str]:
        """Return the signatures that are not in `before`, most frequent first."""
        new = [signature for signature in self.counts if signature not in before]
        return sorted(new, key=lambda signature: -self.counts[signature])


def errors_in(text: str, ignore: tuple[str, ...] = (), redact: Callable[[str], str] = str) -> LogErrors:
    """Count the errors in the output of `docker compose logs`, without lines that match a pattern of `ignore`.

    `redact` is called before numbers are taken out, because a secret is not recognised without them.
    """
    harmless = [re.compile(pattern) for pattern in ignore]
    counts: Counter[str] = Counter()
    containers: defaultdict[str, LinesOfOne] = defaultdict(LinesOfOne)
    read: Counter[str] = Counter()
    for raw in text.split("\n"):
        prefixed = _PREFIX.match(raw)
        container, line = (prefixed["container"], prefixed["line"]) if prefixed else ("", raw)
        read[container] += 1
        for error in containers[container].errors_in(line):
            if not any(pattern.search(error) for pattern in harmless):
                counts[signature_of(_service(container), redact(error))] += 1
    return LogErrors(dict(counts), tuple(name for name, lines in read.items() if name and lines >= _MOST_LINES))


def signature_of(service: str, line: str) -> str:
    """Return the line without what differs between occurrences, with its service in front.

    >>> signature_of("api", "ERROR order 17 failed")
    'api: ERROR order <n> failed'
    """
    text = line.strip()
    for pattern, word in _VARIABLE:
        text = pattern.sub(word, text)
    return f"{service}: {text}"[:_LONGEST_SIGNATURE]


def _service(container: str) -> str:
    # `docker compose logs` writes service-1, or project-service-1 with a container_name of its own.
    return re.sub(r"-\d+$", "", container)


class Logs:
    """The logs of the application's services."""

    def __init__(self, production: Production, settings: LogSettings, redact: Callable[[str], str]) -> None:
        self._production = production
        self._settings = settings
        self._redact = redact

    def recent(self) -> LogErrors:
        """Return the errors of the last `logs.window`, of containers that exist. Raises Inconclusive otherwise."""
        # `docker compose logs` of a service that is not there prints nothing and exits 0.
        containers = self._production.of_services(self._settings.services)
        if unkept := [each.name for each in containers if each.log_driver == "none"]:
            raise Inconclusive(f"no logs are kept of {', '.join(unkept)} (logging driver none)", _WHERE_LOGS_GO)
        text = self._read("--tail", str(_MOST_LINES), "--since", self._settings.window)
        # A quiet application is fine; one that never wrote a line logs somewhere else.
        if not text.strip() and not self._read("--tail", "1").strip():
            raise Inconclusive(
                f"{', '.join(each.name for each in containers)} never wrote a line to their logs", _WHERE_LOGS_GO
            )
        return errors_in(text, self._settings.ignore, self._redact)

    def _read(self, *options: str) -> str:
        services = self._settings.services
        command = replace(self._production.compose("logs", "--no-color", *options, *services), most_output=_MOST_BYTES)
        try:
            answer = self._production.host.run(command)
        except CommandSaidTooMuch as error:
            raise Inconclusive(f"the logs are too long to be read: {error.seen}", "shorten logs.window") from None
        # When a container's logs cannot be read, Compose only warns, with exit code 0.
        warnings = [line for line in answer.errors.splitlines() if line.strip() and not _OF_NO_CONCERN.search(line)]
        if answer.exit_code != 0 or warnings:
            said = warnings[0].strip() if warnings else answer.last_line
            raise Inconclusive(f"the logs of {', '.join(services)} cannot be read: {said}", _WHERE_LOGS_GO)
        return answer.text

    def check_no_new_errors(self, before: Mapping[str, int] | None) -> Check:
        """Check that the logs show no error that is not among `before`, which holds counts by signature.

        Without `before` (no switch in this run) there must be no error at all. The logs begin with the switch, because
        it made new containers.
        """

        def observe() -> Observation:
            now = self.recent()
            new = now.new_against(before or {})
            if now.cut and not new:
                window, services = self._settings.window, self._settings.services
                raise Inconclusive(
                    f"no new errors in what was read, but of {', '.join(now.cut)} only the newest {_MOST_LINES} lines"
                    f" of the last {window} were read",
                    f"read the rest: {self._production.compose('logs', '--since', window, *services)}; or set"
                    " logs.window to a time in which they write less",
                )
            known = now.total - sum(now.counts[signature] for signature in new)
            counted = f"{now.total} errors in the last {self._settings.window}"
            if before is not None:
                counted = (
                    f"{sum(before.values())} errors before the switch; {now.total} after it, {known} of them known"
                )
            cut = f" (of {', '.join(now.cut)} only the newest {_MOST_LINES} lines were read)" if now.cut else ""
            return Observation(not new, f"{counted}{cut}{': new: ' if new else ''}{'; '.join(new[:5])}")

        return Check(
            "no new errors in recent logs" if before is not None else "no errors in recent logs",
            observe,
            "read the logs; an error known to be harmless goes under logs.ignore",
        )
