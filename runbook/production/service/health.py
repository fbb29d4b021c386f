"""Health checks: requests to each container of the application directly, behind the gate."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from runbook.actions import Check, Observation, left_out
from runbook.errors import Inconclusive, NoAnswer, RunbookError, Why
from runbook.hosts.http import HttpClient
from runbook.production.compose import Production
from runbook.production.containers import Container
from runbook.production.service.api_requests import ApiRequests, Judge
from runbook.production.service.health_answers import Objection, Waiting, bad_status, no_answer, not_ready
from runbook.production.service.stuck_containers import StuckContainers
from runbook.release import Release
from runbook.settings.absent import Absent
from runbook.settings.application import HealthSettings
from runbook.settings.schema import Deadlines

#: Seconds to wait while an answer may come from an application that is still starting.
_STARTING = 10.0
_NOT_MET = "users are not affected yet"
#: Seconds between two polls while a container does not run. No event reports that nothing will start it.
_GIVEN_UP = 0.5


class _Steady(NamedTuple):
    """Containers with their restart counts, healthy `since` a moment; `seen` is when that was last observed."""

    containers: tuple[tuple[str, int], ...]
    since: float
    seen: float


class Health(ApiRequests):
    """The health of the application's services."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is needed
        self,
        production: Production,
        http: HttpClient,
        settings: HealthSettings | None,
        headers: Mapping[str, str],
        deadlines: Deadlines,
        undisturbed_since: Callable[[float, Collection[str]], bool] = lambda _moment, _containers: False,
    ) -> None:
        """`headers` go with each request. Without settings no request is sent.

        `undisturbed_since` returns whether the engine would have reported any event of these containers since a moment
        of `time.monotonic`, and reported none.
        """
        super().__init__(production, http, settings, headers)
        self._undisturbed_since = undisturbed_since
        #: The containers that were last seen healthy for the required time.
        self._steady: list[_Steady] = []
        self._deadlines = deadlines

    def check_containers_healthy(self, users: str = _NOT_MET) -> Check:
        """Check that every container of the rolled-back services is healthy for `deadlines.stable` seconds.

        Ids and restart counts must stay the same meanwhile, because a crash loop looks like `running` between two
        restarts. The check fails early for a crash loop, and for a container that nothing restarts. Time that was
        already seen counts if the engine has reported no event of these containers since. `users` says in the next step
        whether users are affected.
        """
        return self._check_healthy(self._deadlines.stable, users)

    def check_healthy_now(self) -> Check:
        """Check that every container is healthy now. Its stable time counts from then on."""
        return self._check_healthy(0.0, _NOT_MET)

    def _check_healthy(self, steadily: float, users: str) -> Check:
        stuck = StuckContainers()
        before: tuple[tuple[str, int], ...] = ()
        since = 0.0

        def observe() -> Observation:
            nonlocal before, since
            began = time.monotonic()
            containers = self._containers()
            now = tuple(sorted((container.id, container.restarts) for container in containers))
            condition = "; ".join(container.one_line for container in containers)
            good = all(c.state == "running" and c.health in ("healthy", "none") for c in containers)
            if not good or before != now:
                before, since = now, time.monotonic()
                known = next((each for each in self._steady if each.containers == now), None)
                if good and known and self._undisturbed_since(known.seen, [each for each, _ in now]):
                    since = known.since
            if reasons := stuck.reasons(containers):
                return Observation(ok=False, seen=f"{'; '.join(reasons)} ({condition})", final=True)
            steady = time.monotonic() - since
            # A container that does not run is given up after a time. One that is not healthy yet gets so by an event.
            again = steadily - steady if good else None if _all_run(containers) else _GIVEN_UP
            stable = good and steady >= steadily
            if stable:
                self._steady[:] = [_Steady(now, since, began)]
            return Observation(stable, condition, again=again)

        for_so_long = f", without a restart for {steadily:g} s" if steadily else ""
        return Check(
            f"every container of {', '.join(self._production.project.services)} healthy{for_so_long}",
            observe,
            f"read the container's log; {users}",
            self._deadlines.healthy,
            told_by_engine=True,
        )

    def check_pinned_images(self, release: Release) -> Check:
        """Check that every rolled-back container runs the pinned digest, whatever its tag."""

        def observe() -> Observation:
            wanted = {service: self._production.image_id(release.pinned(service)) for service in release.digests}
            containers = self._containers()
            wrong = [c for c in containers if wanted[c.service] is None or c.image_id != wanted[c.service]]
            found = [f"{c.name} runs {c.image_name} ({c.image_id[:19]}…)" for c in wrong]
            found = found or [f"{c.name} runs {release.digests[c.service]}" for c in containers]
            return Observation(not wrong, "; ".join(found))

        return Check(
            f"every container of {', '.join(release.digests)} on the pinned digest of {release.tag}",
            observe,
            "somebody moved the tag or brought up another release: find out who else is deploying",
            acceptable=False,
            vouchable=False,
        )

    def check_live(self) -> Check:
        """Check that every api container answers 200 at `liveness_path`."""
        if self._given is None or not self._given.asks_liveness:
            return left_out("every container alive", Absent.LIVENESS if self._given else Absent.HEALTH)
        return self._every_api("alive", self._settings.liveness_path, bad_status)

    def check_ready(self, may_be_false: Collection[str] = ()) -> Check:
        """Check that every api container is ready, by the rule of `health.readiness`.

        Parts in `may_be_false` may be false, and the status may then be 503: old code on a newer schema.
        """
        if self._given is None:
            return left_out("every container ready", Absent.HEALTH)
        if self._by_container:
            return self._ready_by_container()
        rule = "ready"
        if may_be_false:
            rule = f"ready, though {' and '.join(may_be_false)} may be false, because the schema is newer"
        return self._every_api(rule, self._settings.readiness_path, self._readiness_judge(may_be_false))

    def _readiness_judge(self, may_be_false: Collection[str] = ()) -> Judge:
        settings = self._settings
        if settings.readiness == "status":
            return bad_status
        return lambda answer: not_ready(answer, settings.parts, may_be_false, settings.values)

    def _ready_by_container(self) -> Check:
        """Check that the engine reports every api container healthy. One without a health check never is."""
        stuck = StuckContainers()

        def observe() -> Observation:
            containers = self._containers(self._settings.service)
            seen = "; ".join(container.one_line for container in containers)
            blind = [each.name for each in containers if each.state == "running" and each.health == "none"]
            if blind:
                return Observation(ok=False, seen=f"{', '.join(blind)} has no health check ({seen})", final=True)
            if reasons := stuck.reasons(containers):
                return Observation(ok=False, seen="; ".join(reasons), final=True)
            return Observation(all(each.health == "healthy" for each in containers), seen)

        return Check(
            f"every {self._settings.service} container healthy by its own health check",
            observe,
            "read the container's log; if it has no health check, add one to the service in the Compose file, or set"
            " health.readiness to json or status",
            self._deadlines.healthy,
        )

    def is_ready(self) -> bool:
        """Return whether every api container is ready now; False when that is unknown."""
        try:
            if self._given is None:
                containers = self._containers()
                return all(each.state == "running" and each.health in ("healthy", "none") for each in containers)
            return self.check_ready().observe().ok
        except RunbookError:
            return False

    def check_requests_fit(self) -> Check:
        """Check in the plan that the health requests fit the application, by sending them to the running release.

        The running release may be broken: an error of its own, a `false` or no answer is the release's fault. An answer
        that no release would improve (404, a redirect) is the settings' fault and fails the check.
        """
        settings = self._given
        if settings is None:
            return left_out("requests that fit the application", Absent.HEALTH)
        if self._by_container and not settings.asks_liveness:
            return self._has_health_check()
        place = f"{settings.scheme}, port {settings.port}" if settings.through == "container" else settings.through
        asked = f"{place}{f', Host: {host}' if (host := self._headers.get('Host')) else ''}"

        def observe() -> Observation:
            judges: dict[str, tuple[Judge, str]] = {settings.liveness_path: (bad_status, "health.liveness_path")}
            if not self._by_container:
                judges[settings.readiness_path] = (self._readiness_judge(), "health.readiness_path")
            found = [
                (*self._fits(container, path, judge), f"{container.name} {path}", of_path)
                for container in self._containers(self._settings.service)
                for path, (judge, of_path) in judges.items()
            ]
            bad = [each for each in found if each[0] is not Waiting.HELPS]
            seen = "; ".join(f"{which}: {words}" for _, words, _, which, _ in bad or found)
            key = next((key or of_path for _, _, key, _, of_path in bad), "")
            return Observation(not bad, seen, final=any(each[0] is Waiting.NEVER for each in bad), key=key)

        return Check(
            f"requests for {self._settings.liveness_path} and {self._settings.readiness_path} to fit the application"
            f" ({self._settings.service}: {asked})",
            observe,
            "correct [health] in the settings, and plan again: execution sends these requests behind the closed gate",
            _STARTING,
            arguable=True,
        )

    def _has_health_check(self) -> Check:
        def observe() -> Observation:
            containers = self._containers(self._settings.service)
            blind = [each.name for each in containers if each.state == "running" and each.health == "none"]
            seen = "; ".join(container.one_line for container in containers)
            told = f"no health check: {', '.join(blind)}" if blind else seen
            return Observation(not blind, told, key="health.readiness")

        return Check(
            f"a health check in every {self._settings.service} container",
            observe,
            "add one to the service in the Compose file, or set health.readiness to json or status",
        )

    def _fits(self, container: Container, path: str, judge: Judge) -> tuple[Waiting, str, str]:
        """Return whether another release may answer better, what this one answers, and the setting to change."""
        if container.state != "running":
            return (
                Waiting.HELPS,
                f"unknown: {container.one_line}; only execution will show whether the request fits",
                "",
            )
        try:
            against = judge(self._ask(container, path))
        except NoAnswer as error:
            return self._unanswered(container, path, error)
        except Inconclusive as error:
            return Waiting.NEVER, error.seen, error.key
        if against is None:
            return Waiting.HELPS, "answers as required", ""
        if against.waiting is Waiting.HELPS:
            return Waiting.HELPS, f"{against.words}; the request fits, but the running release fails", ""
        return against.waiting, str(against), against.key

    def _unanswered(self, container: Container, path: str, error: NoAnswer) -> tuple[Waiting, str, str]:
        against = no_answer(error)
        if error.why is Why.NOT_HTTP and self._settings.scheme == "http" and self._speaks_tls(container, path):
            told = f'{against.words}, but the port speaks TLS (set health.scheme = "https")'
            return Waiting.NEVER, told, "health.scheme"
        # A healthy container listens somewhere. So does one without a health check after the time that a release gets.
        up = container.health == "healthy" or (
            container.health == "none"
            and container.running_seconds(self._production.host.now()) >= self._deadlines.healthy
        )
        never = error.why in (Why.REFUSED, Why.UNREACHABLE) and up
        if error.why is Why.TLS or never:
            return Waiting.SELDOM, str(against), against.key
        return Waiting.HELPS, f"unknown: {against.words}", ""

    def _speaks_tls(self, container: Container, path: str) -> bool:
        try:
            self._ask(container, path, scheme="https")
        except Inconclusive:
            return False
        return True

    def is_answering(self, container: Container) -> bool:
        """Return whether a container gives any answer at `readiness_path`, at its own address.

        If the settings ask for no such request, the container's health check decides.
        """
        if self._given is None or self._by_container:
            return container.health in ("healthy", "none")
        try:
            self._ask(container, self._settings.readiness_path, itself=True)
        except Inconclusive:
            return False
        return True

    def readiness(self) -> dict[str, Any]:
        """Return the current `status` of `readiness_path` and its `answer` as JSON, or why there is none.

        With readiness by container, `status` is None and `answer` is the container's state.
        """
        try:
            container = self._containers(self._settings.service)[0]
            if self._by_container:
                return {"status": None, "answer": container.one_line}
            answer = self._ask(container, self._settings.readiness_path)
            return {"status": answer.status, "answer": answer.json()}
        except Inconclusive as error:
            return {"status": None, "answer": error.seen}

    def _every_api(self, word: str, path: str, judge: Judge) -> Check:
        stuck = StuckContainers()

        def observe() -> Observation:
            containers = self._containers(self._settings.service)
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
            "read the logs of the api and the jobs; the answers are in the record",
            self._deadlines.healthy,
        )


def _all_run(containers: Sequence[Container]) -> bool:
    return all(container.state == "running" for container in containers)


def _said(against: Objection | Inconclusive) -> str:
    return against.seen if isinstance(against, Inconclusive) else str(against)


def _is_final(stuck: StuckContainers, container: Container, against: Objection | Inconclusive | None) -> bool:
    # Waiting cannot help: NEVER at once, SELDOM after the time that a start may take.
    waiting = against.waiting if isinstance(against, Objection) else Waiting.HELPS
    long = stuck.lasted(f"{container.id} answers", str(against) if waiting is Waiting.SELDOM else None, _STARTING)
    return waiting is Waiting.NEVER or long
