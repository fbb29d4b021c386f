"""Requests to the containers of the api directly, behind the gate."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Self

from runbook.errors import Inconclusive, NoAnswer, ProductionError, Why
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.production.compose import Production
from runbook.production.containers import Container
from runbook.production.service.health_answers import Objection, Waiting, no_answer
from runbook.settings.absent import Absent
from runbook.settings.application import HealthSettings

Judge = Callable[[HttpResponse], Objection | None]


class ApiRequests:
    """The containers of the application, and the health requests that the settings describe."""

    def __init__(
        self, production: Production, http: HttpClient, settings: HealthSettings | None, headers: Mapping[str, str]
    ) -> None:
        """`headers` go with each request. Without settings no request is sent."""
        self._production = production
        self._http = http
        self._given = settings
        self._headers = headers
        self._keep: Callable[[Container], bool] = lambda _container: True

    def of(self, keep: Callable[[Container], bool]) -> Self:
        """Return the health of only the containers for which `keep` returns True."""
        found = copy(self)
        found._keep = keep  # noqa: SLF001 - same class
        return found

    def _containers(self, *services: str) -> list[Container]:
        """Return the kept containers of these services, or of all. Raises ProductionError when a service has none."""
        there = self._production.of_services(services) if services else self._production.application()
        found = [each for each in there if self._keep(each)]
        if missing := {each.service for each in there} - {each.service for each in found}:
            raise ProductionError(
                f"no container of {', '.join(sorted(missing))} of the checked release",
                "find out who else is deploying",
            )
        return found

    @property
    def _settings(self) -> HealthSettings:
        if self._given is None:
            raise Inconclusive(Absent.HEALTH.told, "set the health requests in the settings: [health]")
        return self._given

    @property
    def _by_container(self) -> bool:
        return self._given is not None and self._given.readiness == "container"

    def _against(self, container: Container, path: str, judge: Judge) -> Objection | Inconclusive | None:
        try:
            return judge(self._ask(container, path))
        except NoAnswer as error:
            against = no_answer(error)
            return error if against.waiting is Waiting.HELPS else against
        except Inconclusive as error:
            return error

    def _ask(self, container: Container, path: str, scheme: str | None = None, *, itself: bool = False) -> HttpResponse:
        # Returns the answer of the first address that gives one. Raises NoAnswer when none does.
        scheme, through = scheme or self._settings.scheme, self._settings.through
        if "://" in through and not itself:
            return self._http.get(through.rstrip("/") + path, self._headers)
        worst: NoAnswer | None = None
        for place in self._places(container, published=through == "published" and not itself):
            try:
                # A certificate would name the public host. The address is right, because the engine gave it.
                return self._http.get(f"{scheme}://{place}{path}", self._headers, any_certificate=scheme == "https")
            except NoAnswer as error:
                worst = error if worst is None or _explains(error) > _explains(worst) else worst
        if worst is None and through == "published":
            seen = f"{container.one_line} but does not publish port {self._settings.port}"
            helps = "set health.port to the port inside the container, or health.through to container"
            raise Inconclusive(seen, helps, "health.port")
        if worst is None:
            raise Inconclusive(f"{container.one_line} but has no address", "wait, or read its log")
        raise worst

    def _places(self, container: Container, *, published: bool) -> Sequence[str]:
        # The addresses in its networks or the host's, and the published port.
        port = self._settings.port
        addresses = container.addresses
        if container.network_mode == "host":
            addresses = ("127.0.0.1",)
        elif container.network_mode.startswith("container:"):
            lender = container.network_mode.partition(":")[2]
            addresses = next((each.addresses for each in self._production.containers() if each.id == lender), ())
        outside = [container.ports[port]] if port in container.ports else []
        return outside if published else [*(f"{address}:{port}" for address in addresses), *outside]


def _explains(error: NoAnswer) -> int:
    return (Why.UNREACHABLE, Why.OTHER, Why.SILENT, Why.REFUSED, Why.NOT_HTTP, Why.TLS).index(error.why)
