"""A container: the facts from the engine that a rollback needs."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from runbook.text import counted

_LABEL = "com.docker.compose."
_FACTS = (
    "id", "name", "service", "image_id", "image_name", "state", "health", "restarts", "started_at", "created",
)  # fmt: skip
_TEMPORARY_NAME = re.compile(r"[0-9a-f]{12}_.")


@dataclass(frozen=True)
class Container:
    """One container of the Compose project.

    `image_id` is the image that it runs, `image_name` the image name from which it was created. `health` is `healthy`,
    `unhealthy`, `starting`, or `none` without a health check. `addresses` have the form used in URLs. `ports` maps TCP
    ports to `address:port` on the host. `environment` contains secrets. `directory`, `config_files` and `env_files` are
    the absolute paths from which Compose created it, empty without labels. `joined` are the ids of containers whose
    network, PID or IPC namespace it shares.
    """

    id: str
    name: str
    service: str
    image_id: str
    image_name: str
    state: str
    health: str
    restarts: int
    started_at: str
    exit_code: int
    addresses: tuple[str, ...]
    directory: str = ""
    log_driver: str = ""
    restart_policy: str = ""
    network_mode: str = ""
    ports: Mapping[int, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    argv: tuple[str, ...] = field(default=(), repr=False)
    config_files: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    created: str = ""
    #: Whether it has a terminal. If so, its log is one stream.
    tty: bool = False
    #: Its number within its service, from Compose; 0 without labels.
    number: int = 0

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> "Container":
        """Parse the engine's ContainerInspect (Docker Engine API)."""
        config, state = found["Config"], found["State"]
        labels = config["Labels"] or {}
        networks = [each or {} for each in (found["NetworkSettings"].get("Networks") or {}).values()]
        host = found.get("HostConfig") or {}
        modes = [str(host.get(key) or "") for key in ("NetworkMode", "PidMode", "IpcMode")]
        directory = str(labels.get(f"{_LABEL}project.working_dir", ""))
        return cls(
            id=str(found["Id"]),
            name=str(found["Name"]).lstrip("/"),
            service=str(labels.get(f"{_LABEL}service", "")),
            image_id=str(found["Image"]),
            image_name=str(config["Image"]),
            state=str(state["Status"]),
            health=str((state.get("Health") or {}).get("Status") or "none"),
            restarts=int(found.get("RestartCount") or 0),
            started_at=str(state["StartedAt"]),
            exit_code=int(state["ExitCode"]),
            addresses=(
                *(str(each["IPAddress"]) for each in networks if each.get("IPAddress")),
                *(f"[{each['GlobalIPv6Address']}]" for each in networks if each.get("GlobalIPv6Address")),
            ),
            directory=directory,
            log_driver=str((host.get("LogConfig") or {}).get("Type", "")),
            restart_policy=str((host.get("RestartPolicy") or {}).get("Name") or "no"),
            network_mode=str(host.get("NetworkMode") or ""),
            ports=_ports(found["NetworkSettings"].get("Ports") or {}),
            environment=dict(str(each).partition("=")[::2] for each in config.get("Env") or ()),
            argv=tuple(map(str, (*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())))),
            config_files=_paths(directory, labels.get(f"{_LABEL}project.config_files")),
            env_files=_paths(directory, labels.get(f"{_LABEL}project.environment_file")),
            created=str(found.get("Created") or ""),
            tty=bool(config.get("Tty")),
            number=int(labels.get(f"{_LABEL}container-number") or 0),
            joined=tuple(mode.removeprefix("container:") for mode in modes if mode.startswith("container:")),
        )

    @property
    def has_temporary_name(self) -> bool:
        """Whether an interrupted `up` left the old container's id in front of its name."""
        return _TEMPORARY_NAME.match(self.name) is not None

    def running_seconds(self, now: float) -> float:
        """Return the seconds since its start; 0 when it is not running or the start is unknown.

        `now` is the time of the host's clock.
        """
        try:
            since = datetime.fromisoformat(self.started_at)
        except ValueError:
            return 0.0
        if self.state != "running" or since.tzinfo is None:
            return 0.0
        return max(now - since.timestamp(), 0.0)

    @property
    def one_line(self) -> str:
        """The container's state in words."""
        if self.state != "running":
            return f"{self.name} is {self.state} (exit code {self.exit_code})"
        again = f", {counted(self.restarts, 'restart')}" if self.restarts else ""
        health = "" if self.health == "none" else f", {self.health}"
        return f"{self.name} is running{health}{again}"

    def facts(self) -> dict[str, Any]:
        """Return the container in the form of the journal."""
        return {name: getattr(self, name) for name in _FACTS}


def _ports(published: Mapping[str, Any]) -> dict[int, str]:
    found: dict[int, str] = {}
    for port, places in published.items():
        number, _, protocol = str(port).partition("/")
        for place in places or ():
            address = str(place.get("HostIp") or "")
            address = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, address)  # noqa: S104 - read, not bound
            if protocol == "tcp" and number.isdigit() and place.get("HostPort"):
                found.setdefault(int(number), f"{address}:{place['HostPort']}")
    return found


class Named(Protocol):
    """A container's name and service, live or on record."""

    @property
    def name(self) -> str:
        """The container's name."""

    @property
    def service(self) -> str:
        """The container's service."""


def counts(containers: Iterable[Named]) -> dict[str, int]:
    """Count the containers of each service.

    The old and the new container that an interrupted `up` left together count as one.
    """
    names: dict[str, set[str]] = {}
    for each in containers:
        name = each.name
        names.setdefault(each.service, set()).add(name[13:] if _TEMPORARY_NAME.match(name) else name)
    return {service: len(found) for service, found in names.items()}


def _paths(directory: str, label: object) -> tuple[str, ...]:
    # Compose v1 wrote paths relative to the project's directory.
    words = [word for word in str(label or "").split(",") if word]
    return tuple(posixpath.normpath(posixpath.join(directory, word)) for word in words)
