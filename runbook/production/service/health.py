"""Whether the application lives and is ready, asked of each container directly, behind the gate."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from runbook.actions import Check, Observation
from runbook.errors import Inconclusive, NoAnswer, RunbookError, Why
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.production.compose import Production
from runbook.production.containers import Container
from runbook.production.service.health_answers import Hope, Objection, bad_status, no_answer, not_ready
from runbook.production.service.hopeless import Hopeless
from runbook.release import Release
from runbook.settings.schema import Deadlines, HealthSettings

_Judge = Callable[[HttpResponse], Objection | None]
#: An answer that only an application which is still starting may give is waited out for so long, in seconds.
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
        """`headers` are what each request carries."""
        self._production = production
        self._http = http
        self._settings = settings
        self._headers = headers
        self._deadlines = deadlines

    def check_containers_healthy(self) -> Check:
        """That every container of the rolled-back services is healthy, and stays so for `deadlines.stable` seconds.

        A crash loop looks like `running` between two restarts, so ids and restart counts must stay the same meanwhile.
        What nothing starts again, and a crash loop, are not waited for.
        """
        hopeless = Hopeless()
        since: list[float] = []
        before: list[tuple[tuple[str, int], ...]] = []

        def observe() -> Observation:
            containers = self._production.application()
            now = tuple((container.id, container.restarts) for container in containers)
            condition = "; ".join(container.one_line for container in containers)
            good = all(c.state == "running" and c.health in ("healthy", "none") for c in containers)
            if not good or before != [now]:
                before[:], since[:] = [now], [time.monotonic()]
            steady = time.monotonic() - since[0]
            if reasons := hopeless.reasons(containers):
                return Observation(ok=False, seen=f"{'; '.join(reasons)} ({condition})", final=True)
            return Observation(good and steady >= self._deadlines.stable, condition)

        return Check(
            f"every container of {', '.join(self._production.project.services)} healthy,"
            f" without a restart for {self._deadlines.stable:g} s",
            observe,
            "read the container's log; the traffic gate is still closed",
            self._deadlines.healthy,
        )

    def check_pinned_images(self, release: Release) -> Check:
        """That every container of the rolled-back services runs the image that was pinned, whatever its tag says."""

        def observe() -> Observation:
            wanted = {service: self._production.image_id(release.pinned(service)) for service in release.digests}
            containers = self._production.application()
            wrong = [c for c in containers if wanted[c.service] is None or c.image_id != wanted[c.service]]
            if wrong:
                return Observation(
                    ok=False,
                    seen="; ".join(f"{c.name} runs {c.image_name} ({c.image_id[:19]}…)" for c in wrong),
                )
            return Observation(
                ok=True, seen="; ".join(f"{c.name} runs {release.digests[c.service]}" for c in containers)
            )

        return Check(
            f"every container of {', '.join(release.digests)} on the pinned digest of {release.tag}",
            observe,
            "somebody moved the tag or brought up another release: look at who else is deploying",
            acceptable=False,
            vouchable=False,
        )

    def check_live(self) -> Check:
        """That every api container says it is alive."""
        return self._every_api("alive", self._settings.liveness_path, bad_status)

    def check_ready(self, may_be_false: Collection[str] = ()) -> Check:
        """That every api container says it is ready: database, jobs and migrations.

        Parts in `may_be_false` may be false, and the answer's status is then not asked to be 200 (trap 4).
        """
        rule = "ready"
        if may_be_false:
            rule = f"ready, though {' and '.join(may_be_false)} may be false, because the schema is newer"

        def judge(answer: HttpResponse) -> Objection | None:
            return not_ready(answer, self._settings.required, may_be_false)

        return self._every_api(rule, self._settings.readiness_path, judge)

    def is_ready(self) -> bool:
        """Tell whether every api container is ready now; False when that cannot be seen."""
        try:
            return self.check_ready().observe().ok
        except RunbookError:
            return False

    def check_requests_fit(self) -> Check:
        """That the requests which are made behind the gate fit the application, asked of what runs now.

        What runs now may be broken: an error of its own, a `false`, or no answer at all speak against the release, and
        not against the request. What no release would answer better speaks against the settings.
        """
        asked = f"{self._settings.scheme}, port {self._settings.port}, Host: {self._headers['Host']}"

        def observe() -> Observation:
            found = [
                (*self._fits(container, path, judge), f"{container.name} {path}")
                for container in self._production.of_services([self._settings.service])
                for path, judge in self._paths()
            ]
            bad = [each for each in found if each[0] is not Hope.SOME]
            seen = "; ".join(f"{which}: {words}" for _, words, which in bad or found)
            return Observation(not bad, seen, final=any(hope is Hope.NONE for hope, _, _ in bad))

        return Check(
            f"requests for {self._settings.liveness_path} and {self._settings.readiness_path} that fit the application"
            f" ({self._settings.service}: {asked})",
            observe,
            "mend [health] in the settings as it says, and plan again: behind the closed gate the same is asked",
            _STARTING,
            arguable=True,
        )

    def _paths(self) -> list[tuple[str, _Judge]]:
        def ready(answer: HttpResponse) -> Objection | None:
            return not_ready(answer, self._settings.required)

        return [(self._settings.liveness_path, bad_status), (self._settings.readiness_path, ready)]

    def _fits(self, container: Container, path: str, judge: _Judge) -> tuple[Hope, str]:
        """How much hope there is that another release answers this request better, and what this one answers."""
        if container.state != "running":
            return Hope.SOME, f"not known, {container.one_line}: whether the request fits is seen behind the gate only"
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
        # A container that says it is healthy listens somewhere, and accepts connections. One that says nothing has had
        # as long as a release behind the gate gets.
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

    def answers(self, container: Container) -> bool:
        """Tell whether a container answers a request for its readiness, whatever it answers."""
        try:
            self._ask(container, self._settings.readiness_path)
        except Inconclusive:
            return False
        return True

    def readiness(self) -> dict[str, Any]:
        """What readiness says now, for the record: its status, and the JSON, or why there was none."""
        try:
            container = self._production.of_services([self._settings.service])[0]
            answer = self._ask(container, self._settings.readiness_path)
            return {"status": answer.status, "answer": answer.json()}
        except Inconclusive as error:
            return {"status": None, "answer": error.seen}

    def _every_api(self, word: str, path: str, judge: _Judge) -> Check:
        hopeless = Hopeless()

        def observe() -> Observation:
            containers = self._production.of_services([self._settings.service])
            if reasons := hopeless.reasons(containers):
                return Observation(ok=False, seen="; ".join(reasons), final=True)
            against = [self._against(container, path, judge) for container in containers]
            seen = "; ".join(
                f"{container.name} {_said(each) if each else f'is {word}'}"
                for container, each in zip(containers, against, strict=True)
            )
            finals = [_is_final(hopeless, *each) for each in zip(containers, against, strict=True)]
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
        """Ask a container at the first of its addresses that answers. Raises NoAnswer when none does."""
        scheme = scheme or self._settings.scheme
        worst: NoAnswer | None = None
        for place in self._places(container):
            try:
                # The certificate names the public host, if anything; the address is the engine's own word for it.
                return self._http.get(f"{scheme}://{place}{path}", self._headers, any_certificate=scheme == "https")
            except NoAnswer as error:
                worst = error if worst is None or _telling(error) > _telling(worst) else worst
        if worst is None:
            raise Inconclusive(f"{container.one_line} and has no address", "wait, or look at its log")
        raise worst

    def _places(self, container: Container) -> Sequence[str]:
        """Where a container may be asked: on its networks, or on the host's, and where its port is published."""
        port = self._settings.port
        addresses = container.addresses
        if container.network_mode == "host":
            addresses = ("127.0.0.1",)
        elif container.network_mode.startswith("container:"):
            lender = container.network_mode.partition(":")[2]
            addresses = next((each.addresses for each in self._production.containers() if each.id == lender), ())
        published = [container.ports[port]] if port in container.ports else []
        return [*(f"{address}:{port}" for address in addresses), *published]


def _telling(error: NoAnswer) -> int:
    return (Why.UNREACHABLE, Why.OTHER, Why.REFUSED, Why.NOT_HTTP, Why.TLS).index(error.why)


def _said(against: Objection | Inconclusive) -> str:
    return against.seen if isinstance(against, Inconclusive) else str(against)


def _is_final(hopeless: Hopeless, container: Container, against: Objection | Inconclusive | None) -> bool:
    """Tell whether waiting cannot help any more: at once, or after what a start may take."""
    hope = against.hope if isinstance(against, Objection) else Hope.SOME
    long = hopeless.for_long(f"{container.id} answers", str(against) if hope is Hope.LITTLE else None, _STARTING)
    return hope is Hope.NONE or long
