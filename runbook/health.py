"""Whether the application lives and is ready, asked of each container directly, behind the gate."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from runbook.containers import Container
from runbook.errors import Inconclusive
from runbook.incident.redaction import beginning
from runbook.probes import Answer, Prober
from runbook.production import Production
from runbook.release import Release
from runbook.sentence import Expectation, Seen
from runbook.settings import Deadlines, HealthSettings


class Health:
    """The health of the application's services."""

    def __init__(self, production: Production, prober: Prober, settings: HealthSettings, deadlines: Deadlines) -> None:
        self._production = production
        self._prober = prober
        self._settings = settings
        self._deadlines = deadlines

    def containers_healthy(self) -> Expectation:
        """That every container of the rolled-back services is healthy, and stays so for `deadlines.stable` seconds.

        A crash loop looks like `running` between two restarts, so ids and restart counts must stay the same meanwhile.
        """
        since: list[float] = []
        before: list[tuple[tuple[str, int], ...]] = []

        def look() -> Seen:
            containers = self._production.of_services(self._production.project.services)
            now = tuple((container.id, container.restarts) for container in containers)
            condition = "; ".join(container.one_line for container in containers)
            good = all(c.state == "running" and c.health in ("healthy", "none") for c in containers)
            if not good or before != [now]:
                before[:], since[:] = [now], [time.monotonic()]
            steady = time.monotonic() - since[0]
            return Seen(good and steady >= self._deadlines.stable, condition)

        return Expectation(
            f"every container of {', '.join(self._production.project.services)} healthy,"
            f" without a restart for {self._deadlines.stable:g} s",
            look,
            "read the container's log; the traffic gate is still closed",
            self._deadlines.healthy,
        )

    def on_pinned_images(self, release: Release) -> Expectation:
        """That every container of the rolled-back services runs the image that was pinned, whatever its tag says."""

        def look() -> Seen:
            wanted = {service: self._production.image_id(release.pinned(service)) for service in release.digests}
            containers = self._production.of_services(release.digests)
            wrong = [c for c in containers if wanted[c.service] is None or c.image_id != wanted[c.service]]
            if wrong:
                return Seen(
                    ok=False,
                    seen="; ".join(f"{c.name} runs {c.image_name} ({c.image_id[:19]}…)" for c in wrong),
                )
            return Seen(ok=True, seen="; ".join(f"{c.name} runs {release.digests[c.service]}" for c in containers))

        return Expectation(
            f"every container of {', '.join(release.digests)} on the pinned digest of {release.tag}",
            look,
            "somebody moved the tag or brought up another release: look at who else is deploying",
            acceptable=False,
        )

    def live(self) -> Expectation:
        """That every api container says it is alive."""
        return self._every_api("alive", self._settings.liveness_path, bad_status)

    def ready(self, may_be_false: Collection[str] = ()) -> Expectation:
        """That every api container says it is ready: database, jobs and migrations.

        Parts in `may_be_false` may be false, and the answer's status is then not asked to be 200 (trap 4).
        """
        rule = "ready"
        if may_be_false:
            rule = f"ready, though {' and '.join(may_be_false)} may be false, because the schema is newer"

        def objection(answer: Answer) -> str | None:
            return not_ready(answer, self._settings.required, may_be_false)

        return self._every_api(rule, self._settings.readiness_path, objection)

    def readiness(self) -> dict[str, Any]:
        """What readiness says now, for the record: its status, and the JSON, or why there was none."""
        try:
            answer = self._prober.get(self._urls(self._settings.readiness_path)[0][1])
            return {"status": answer.status, "answer": answer.json()}
        except Inconclusive as error:
            return {"status": None, "answer": error.seen}

    def _every_api(self, word: str, path: str, objection: Callable[[Answer], str | None]) -> Expectation:
        def look() -> Seen:
            good, seen = True, []
            for container, url in self._urls(path):
                answer = self._prober.get(url)
                against = objection(answer)
                good = good and against is None
                seen.append(f"{container.name} {against or f'is {word}'}")
            return Seen(good, "; ".join(seen))

        return Expectation(
            f"every {self._settings.service} container {word}",
            look,
            "read the api's and the jobs' logs; the answers are in the record",
            self._deadlines.healthy,
        )

    def _urls(self, path: str) -> list[tuple[Container, str]]:
        urls = []
        for container in self._production.of_services([self._settings.service]):
            if not container.addresses:
                raise Inconclusive(f"{container.one_line} and has no address", "wait, or look at its log")
            urls.append((container, f"http://{container.addresses[0]}:{self._settings.port}{path}"))
        return urls


def bad_status(answer: Answer) -> str | None:
    """Say what the answer is when its status is not 200."""
    return None if answer.status == 200 else f"HTTP {answer.status}: {_short(answer.body)}"


def not_ready(answer: Answer, required: Collection[str], may_be_false: Collection[str] = ()) -> str | None:
    """Say what speaks against a readiness answer; None when nothing does.

    Its status must be 200, or 503 where something may be false. Each part of `required` must be true, and nothing may
    be false, but for those in `may_be_false`: what is missing or null is not known, and not good.
    """
    if answer.status != 200 and not (answer.status == 503 and may_be_false):
        return bad_status(answer)
    said = answer.json()
    if not isinstance(said, Mapping):
        return f"answers {_short(answer.body)}, where a JSON object was expected"
    bad = [str(name) for name, value in said.items() if value is False]
    bad = [name for name in bad if name not in may_be_false]
    bad += [f"{name} (is {said.get(name)!r})" for name in required if said.get(name) not in (True, False)]
    return f"answers {answer.status}, and not true for {', '.join(bad)}" if bad else None


def _short(text: str) -> str:
    return beginning(text, 200)
