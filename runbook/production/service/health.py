"""Health checks: each container of the application is asked directly, behind the gate."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from runbook.actions import Check, Observation
from runbook.errors import Inconclusive, NoAnswer, RunbookError, Why
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.production.compose import Production
from runbook.production.containers import Container
from runbook.production.service.health_answers import Hope, Objection, bad_status, no_answer, not_ready
from runbook.production.service.stuck_containers import StuckContainers
from runbook.release import Release
from runbook.settings.schema import Deadlines, HealthSettings

_Judge = Callable[[HttpResponse], Objection | None]
#: Seconds to wait while an answer may come from an application that is still starting.
_STARTING = 10.0


class Health:
    """The health of the application's services."""

    def __init__(
        self,
        production: Production,
        http: HttpClient,
        settings: HealthSettings,
        headers: Mapping[str, str],
        deadlines: Deadlines,
    ) -> None:
        """`headers` go with each request."""
        self._production = production
        self._http = http
        self._settings = settings
        self._headers = headers
        self._deadlines = deadlines

    def check_containers_healthy(self) -> Check:
        """Check that every container of the rolled-back services is healthy for `deadlines.stable` seconds.

        Ids and restart counts must stay the same meanwhile, because a crash loop looks like `running` between two
        restarts. The check fails at once for a crash loop, and for a container that nothing starts again.
        """
        stuck = StuckContainers()
        before: tuple[tuple[str, int], ...] = ()
        since = 0.0

        def observe() -> Observation:
            nonlocal before, since
            containers = self._production.application()
            now = tuple((container.id, container.restarts) for container in containers)
            condition = "; ".join(container.one_line for container in containers)
            good = all(c.state == "running" and c.health in ("healthy", "none") for c in containers)
            if not good or before != now:
                before, since = now, time.monotonic()
            if reasons := stuck.reasons(containers):
                return Observation(ok=False, seen=f"{'; '.join(reasons)} ({condition})", final=True)
            return Observation(good and time.monotonic() - since >= self._deadlines.stable, condition)

        return Check(
            f"every container of {', '.join(self._production.project.services)} healthy,"
            f" without a restart for {self._deadlines.stable:g} s",
            observe,
            "read the container's log; the traffic gate is still closed",
            self._deadlines.healthy,
        )

    def check_pinned_images(self, release: Release) -> Check:
        """Check that every rolled-back container runs the pinned digest, whatever its tag says."""

        def observe() -> Observation:
            wanted = {service: self._production.image_id(release.pinned(service)) for service in release.digests}
            containers = self._production.application()
            wrong = [c for c in containers if wanted[c.service] is None or c.image_id != wanted[c.service]]
            found = [f"{c.name} runs {c.image_name} ({c.image_id[:19]}…)" for c in wrong]
            found = found or [f"{c.name} runs {release.digests[c.service]}" for c in containers]
            return Observation(not wrong, "; ".join(found))

        return Check(
            f"every container of {', '.join(release.digests)} on the pinned digest of {release.tag}",
            observe,
            "somebody moved the tag or brought up another release: look at who else is deploying",
            acceptable=False,
            vouchable=False,
        )

    def check_live(self) -> Check:
        """Check that every api container answers 200 at `liveness_path`."""
        return self._every_api("alive", self._settings.liveness_path, bad_status)

    def check_ready(self, may_be_false: Collection[str] = ()) -> Check:
        """Check that every api container is ready: its answer says `true` for each of `health.required`.

        Parts in `may_be_false` may be false, and the status may then be 503: old code behind a newer schema.
        """
        rule = "ready"
        if may_be_false:
            rule = f"ready, though {' and '.join(may_be_false)} may be false, because the schema is newer"
        return self._every_api(rule, self._settings.readiness_path, self._readiness_judge(may_be_false))

    def _readiness_judge(self, may_be_false: Collection[str] = ()) -> _Judge:
        return lambda answer: not_ready(answer, self._settings.required, may_be_false)

    def is_ready(self) -> bool:
        """Tell whether every api container is ready now; False when that is not known."""
        try:
            return self.check_ready().observe().ok
        except RunbookError:
            return False

    def check_requests_fit(self) -> Check:
        """Check in the plan that the health requests fit the application, by asking what runs now.

        What runs now may be broken: its own error, a `false`, or no answer is the release's fault. An answer that no
        release would improve (404, a redirect) is the settings' fault, and fails the check.
        """
        asked = f"{self._settings.scheme}, port {self._settings.port}, Host: {self._headers['Host']}"

        def observe() -> Observation:
            judges = {self._settings.liveness_path: bad_status, self._settings.readiness_path: self._readiness_judge()}
            found = [
                (*self._fits(container, path, judge), f"{container.name} {path}")
                for container in self._production.of_services([self._settings.service])
                for path, judge in judges.items()
            ]
            bad = [each for each in found if each[0] is not Hope.SOME]
            seen = "; ".join(f"{which}: {words}" for _, words, which in bad or found)
            return Observation(not bad, seen, final=any(hope is Hope.NONE for hope, _, _ in bad))

        return Check(
            f"requests for {self._settings.liveness_path} and {self._settings.readiness_path} that fit the application"
            f" ({self._settings.service}: {asked})",
            observe,
            "correct [health] in the settings as it says, and plan again: the same is asked behind the closed gate",
            _STARTING,
            arguable=True,
        )

    def _fits(self, container: Container, path: str, judge: _Judge) -> tuple[Hope, str]:
        """Tell how much hope there is that another release answers better, and what this one answers."""
        if container.state != "running":
            return Hope.SOME, f"not known, {container.one_line}: whether the request fits shows only behind the gate"
        try:
            against = judge(self._ask(container, path))
        except NoAnswer as error:
            return self._unanswered(container, path, error)
        except Inconclusive as error:
            return Hope.NONE, error.seen
        if against is None:
            return Hope.SOME, "answers as it should"
        if against.hope is Hope.SOME:
            return Hope.SOME, f"{against.words}; the request fits, and the release that runs now fails"
        return against.hope, str(against)

    def _unanswered(self, container: Container, path: str, error: NoAnswer) -> tuple[Hope, str]:
        against = no_answer(error)
        if error.why is Why.NOT_HTTP and self._settings.scheme == "http" and self._speaks_tls(container, path):
            return Hope.NONE, f'{against.words}, and the port speaks TLS (set health.scheme = "https")'
        # A healthy container listens somewhere. One without a health check has had as long as a release gets.
        up = container.health == "healthy" or (
            container.health == "none" and container.running_seconds() >= self._deadlines.healthy
        )
        never = error.why in (Why.REFUSED, Why.UNREACHABLE) and up
        if error.why is Why.TLS or never:
            return Hope.LITTLE, str(against)
        return Hope.SOME, f"not known: {against.words}"

    def _speaks_tls(self, container: Container, path: str) -> bool:
        try:
            self._ask(container, path, scheme="https")
        except Inconclusive:
            return False
        return True

    def is_answering(self, container: Container) -> bool:
        """Tell whether a container answers at `readiness_path`, whatever it answers."""
        try:
            self._ask(container, self._settings.readiness_path)
        except Inconclusive:
            return False
        return True

    def readiness(self) -> dict[str, Any]:
        """Return the `status` of `readiness_path` now, and its `answer` as JSON, or the reason for none."""
        try:
            container = self._production.of_services([self._settings.service])[0]
            answer = self._ask(container, self._settings.readiness_path)
            return {"status": answer.status, "answer": answer.json()}
        except Inconclusive as error:
            return {"status": None, "answer": error.seen}

    def _every_api(self, word: str, path: str, judge: _Judge) -> Check:
        stuck = StuckContainers()

        def observe() -> Observation:
            containers = self._production.of_services([self._settings.service])
            if reasons := stuck.reasons(containers):
                return Observation(ok=False, seen="; ".join(reasons), final=True)
            against = [self._against(container, path, judge) for container in containers]
            seen = "; ".join(
                f"{container.name} {_said(each) if each else f'is {word}'}"
                for container, each in zip(containers, against, strict=True)
            )
            finals = [_is_final(stuck, *each) for each in zip(containers, against, strict=True)]
            final = any(finals)
            unknown = [each for each in against if isinstance(each, Inconclusive)]
            if unknown and not final:
                raise Inconclusive(seen, unknown[0].next_step)
            return Observation(not any(against), seen, final=final)

        return Check(
            f"every {self._settings.service} container {word}",
            observe,
            "read the api's and the jobs' logs; the answers are in the record",
            self._deadlines.healthy,
        )

    def _against(self, container: Container, path: str, judge: _Judge) -> Objection | Inconclusive | None:
        try:
            return judge(self._ask(container, path))
        except NoAnswer as error:
            against = no_answer(error)
            return error if against.hope is Hope.SOME else against
        except Inconclusive as error:
            return error

    def _ask(self, container: Container, path: str, scheme: str | None = None) -> HttpResponse:
        # At the first of its addresses that answers; NoAnswer when none does.
        scheme = scheme or self._settings.scheme
        worst: NoAnswer | None = None
        for place in self._places(container):
            try:
                # The certificate names the public host, if anything; the engine vouches for the address.
                return self._http.get(f"{scheme}://{place}{path}", self._headers, any_certificate=scheme == "https")
            except NoAnswer as error:
                worst = error if worst is None or _explains(error) > _explains(worst) else worst
        if worst is None:
            raise Inconclusive(f"{container.one_line} and has no address", "wait, or look at its log")
        raise worst

    def _places(self, container: Container) -> Sequence[str]:
        # On its networks, or on the host's, and where its port is published.
        port = self._settings.port
        addresses = container.addresses
        if container.network_mode == "host":
            addresses = ("127.0.0.1",)
        elif container.network_mode.startswith("container:"):
            lender = container.network_mode.partition(":")[2]
            addresses = next((each.addresses for each in self._production.containers() if each.id == lender), ())
        published = [container.ports[port]] if port in container.ports else []
        return [*(f"{address}:{port}" for address in addresses), *published]


def _explains(error: NoAnswer) -> int:
    return (Why.UNREACHABLE, Why.OTHER, Why.REFUSED, Why.NOT_HTTP, Why.TLS).index(error.why)


def _said(against: Objection | Inconclusive) -> str:
    return against.seen if isinstance(against, Inconclusive) else str(against)


def _is_final(stuck: StuckContainers, container: Container, against: Objection | Inconclusive | None) -> bool:
    # Waiting cannot help: at once, or after what a start may take.
    hope = against.hope if isinstance(against, Objection) else Hope.SOME
    long = stuck.lasted(f"{container.id} answers", str(against) if hope is Hope.LITTLE else None, _STARTING)
    return hope is Hope.NONE or long
