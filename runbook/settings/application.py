"""The settings of the application's outside: traffic, health, metrics, logs, kill switches."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from runbook.settings.secret_source import SecretSource, Section
from runbook.settings.stores import SwitchStore
from runbook.settings.words import HeaderName, HostHeader, HttpUrl, Reminder, UrlPath, VariableName, Window, Word

#: A value in a JSON answer. Numbers are compared as numbers.
JsonValue = str | bool | int | float


class ServiceCommand(Section):
    """A command in a service's running container; without `service`, on the host."""

    service: Word | None = None
    command: tuple[Word, ...] = Field(min_length=1)


class Gate(Section):
    """The commands that pause, hold and resume user traffic, and print its state."""

    pause: ServiceCommand
    resume: ServiceCommand
    state: ServiceCommand
    hold: ServiceCommand | None = None


class TrafficSettings(Section):
    """The public URL, and the commands that pause, hold and resume its traffic. Without them there is no traffic gate.

    `follows` is how the gateway learns of new and removed containers: it resolves their `addresses` repeatedly, or
    sends requests only to those with good `health`. A held request waits `hold_seconds` at most.
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
            raise ValueError(f"expected {' and '.join(missing)} as well: a gate needs pause, resume and state")
        if self.hold is not None and missing:
            raise ValueError("expected pause, resume and state as well: a gate with hold needs these too")
        return self

    @property
    def gate(self) -> Gate | None:
        """The gate's commands; None without a gate."""
        if self.pause is None or self.resume is None or self.state is None:
            return None
        return Gate(pause=self.pause, resume=self.resume, state=self.state, hold=self.hold)

    @property
    def address(self) -> str:
        """The public URL that the traffic checks request."""
        return self.public_url.rstrip("/") + self.check_path


class SwitchoverSettings(Section):
    """The switch mode: how the target replaces the failed release.

    `auto` starts the target `beside` the failed release if the facts allow it, else `behind-closed-gate`. With
    `jobs_may_overlap` the services other than the api also start beside those of the failed release.
    """

    mode: Literal["auto", "beside", "behind-closed-gate"] = "auto"
    jobs_may_overlap: bool = False


class HealthSettings(Section):
    """Liveness and readiness of the api.

    `through` is where requests go: the `container`'s addresses, the host's `published` port, or a base URL. `readiness`
    says what decides: the answer's `json`, only its `status`, or the `container`'s health check.
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
            raise ValueError("expected no Host here: use host_header")
        return headers

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.readiness != "json" and (given := self.model_fields_set & {"required", "values"}):
            raise ValueError(f'expected {" and ".join(sorted(given))} only with readiness = "json"')
        return self

    @property
    def asks_liveness(self) -> bool:
        """Whether the liveness path is requested; with `readiness = "container"` only if the settings name it."""
        return self.readiness != "container" or "liveness_path" in self.model_fields_set

    @property
    def parts(self) -> tuple[str, ...]:
        """The members of the answer that must be true; by default none if `values` is set."""
        return () if self.values and "required" not in self.model_fields_set else self.required


class MetricsSettings(Section):
    """The metrics page, at the public URL or at its own URL, and its token."""

    path: UrlPath = "/metrics"
    url: HttpUrl | None = None
    token: SecretSource | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.url and "path" in self.model_fields_set:
            raise ValueError("expected either path, below traffic.public_url, or url, the whole address")
        return self


class LogSettings(Section):
    """The logs that are read for errors, and the errors to ignore."""

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
    """A kill switch: its variable in the env file, or its place in a secret store, and the paths that it turns off."""

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
