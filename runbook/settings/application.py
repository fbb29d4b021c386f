"""The part of the settings about the application as it is met: traffic, health, metrics, logs, kill switches."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from runbook.settings.secret_source import SecretSource, Section
from runbook.settings.stores import SwitchStore
from runbook.settings.words import HeaderName, HostHeader, HttpUrl, Reminder, UrlPath, VariableName, Window, Word

#: A value in a JSON answer; a number is compared as one.
JsonValue = str | bool | int | float


class ServiceCommand(Section):
    """A command inside a service's running container, or on the host without `service`."""

    service: Word | None = None
    command: tuple[Word, ...] = Field(min_length=1)


class Gate(Section):
    """The commands that pause, hold and resume user traffic, and that say which of it is so."""

    pause: ServiceCommand
    resume: ServiceCommand
    state: ServiceCommand
    hold: ServiceCommand | None = None


class TrafficSettings(Section):
    """The public URL, and the commands that pause, hold and resume its traffic; without these there is no gate.

    `follows` is how the gateway learns of containers that come and go: it asks for their `addresses` again and again,
    or sends requests to those of good `health` alone. A held request waits for `hold_seconds` at most.
    """

    public_url: HttpUrl
    check_path: UrlPath = "/"
    release_header: Word | None = None
    probe_interval: Annotated[float, Field(ge=0, le=60)] = 0.25
    also_from_host: bool = False
    pause: ServiceCommand | None = None
    resume: ServiceCommand | None = None
    state: ServiceCommand | None = None
    hold: ServiceCommand | None = None
    hold_seconds: Annotated[float, Field(gt=0, le=300)] = 10
    follows: Literal["addresses", "health"] | None = None

    @model_validator(mode="after")
    def _whole_gate(self) -> Self:
        given = {"pause": self.pause, "resume": self.resume, "state": self.state}
        missing = [name for name, command in given.items() if command is None]
        if missing and len(missing) < len(given):
            raise ValueError(f"expected {' and '.join(missing)} as well: pause, resume and state are one gate, or none")
        if self.hold is not None and missing:
            raise ValueError("expected pause, resume and state beside hold: a gate that holds can do these too")
        return self

    @property
    def gate(self) -> Gate | None:
        """The gate's commands; None without a gate."""
        if self.pause is None or self.resume is None or self.state is None:
            return None
        return Gate(pause=self.pause, resume=self.resume, state=self.state, hold=self.hold)

    @property
    def address(self) -> str:
        """The public URL that is asked to check whether traffic is served."""
        return self.public_url.rstrip("/") + self.check_path


class SwitchoverSettings(Section):
    """How the target takes the failed release's place.

    `auto` lets it prove itself `beside` the failed release where the facts allow that, else `behind-closed-gate`.
    With `jobs_may_overlap` the other services than the api come up beside the failed release's as well.
    """

    mode: Literal["auto", "beside", "behind-closed-gate"] = "auto"
    jobs_may_overlap: bool = False


class HealthSettings(Section):
    """Liveness and readiness of the api.

    `through` is where it is asked: at its `container`'s addresses, at the host's `published` port, or at a base URL.
    `readiness` says what makes an answer good: its `json`, its `status` alone, or the `container`'s own health check.
    """

    service: Word = "api"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    through: Literal["container", "published"] | HttpUrl = "container"
    scheme: Literal["http", "https"] = "http"
    host_header: HostHeader | None = None
    headers: dict[HeaderName, Word] = Field(default_factory=dict)
    liveness_path: UrlPath = "/healthz"
    readiness_path: UrlPath = "/readyz"
    readiness: Literal["json", "status", "container"] = "json"
    behind_schema_may_be_false: tuple[Word, ...] = ("ready", "migrations_current")
    required: tuple[Word, ...] = ("database", "jobs", "migrations_current")
    values: dict[Word, JsonValue] = Field(default_factory=dict)

    @field_validator("headers")
    @classmethod
    def _no_host(cls, headers: dict[str, str]) -> dict[str, str]:
        if any(name.lower() == "host" for name in headers):
            raise ValueError("expected no Host among them: that is host_header")
        return headers

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.readiness != "json" and (given := self.model_fields_set & {"required", "values"}):
            raise ValueError(f'expected {" and ".join(sorted(given))} beside readiness = "json" only')
        return self

    @property
    def asks_liveness(self) -> bool:
        """Tell whether the liveness path is asked: by the container's health alone, only if it is named."""
        return self.readiness != "container" or "liveness_path" in self.model_fields_set

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the answer that must be true; by default none where `values` says what must be there."""
        return () if self.values and "required" not in self.model_fields_set else self.required


class MetricsSettings(Section):
    """The metrics page, at the public URL or at an address of its own, and its token."""

    path: UrlPath = "/metrics"
    url: HttpUrl | None = None
    token: SecretSource | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.url and "path" in self.model_fields_set:
            raise ValueError("expected either path, below traffic.public_url, or url, the whole address")
        return self


class LogSettings(Section):
    """Which logs are read for errors, and which errors are harmless."""

    services: tuple[Word, ...] = Field(default=("api", "jobs"), min_length=1)
    window: Window = "10m"
    ignore: tuple[str, ...] = ()

    @field_validator("ignore")
    @classmethod
    def _patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression ({error})") from None
        return patterns


class SwitchSettings(Section):
    """A kill switch: its variable in the env file, or its place in a secret store, and the paths that follow it."""

    variable: VariableName
    store: SwitchStore | None = None
    inside: tuple[Word, ...] = ()
    off: Word = "off"
    on: Word = "on"
    services: tuple[Word, ...] = Field(default=("api",), min_length=1)
    paths: tuple[UrlPath, ...] = Field(min_length=1)
    credential: SecretSource | None = None
    disabled_statuses: tuple[int, ...] = Field(default=(404, 410), min_length=1)
    owner: Word | None = None
    remind_after: Reminder | None = None
