"""What `docker inspect` says of a container, as far as a rollback cares."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PROJECT_LABEL = "com.docker.compose."
_WORKING_NAME = re.compile(r"[0-9a-f]{12}_.")


@dataclass(frozen=True)
class Container:
    """One container of the Compose project.

    `image_id` is the image that it really runs; `image_name` is only what that image was called when it started.
    `health` is `healthy`, `unhealthy`, `starting`, or `none` for a container without a health check.
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
    config_hash: str
    directory: str
    log_driver: str = ""

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> "Container":
        """Read one element of `docker inspect`'s answer (Docker Engine API, ContainerInspect)."""
        labels = found["Config"]["Labels"] or {}
        state = found["State"]
        networks = (found["NetworkSettings"].get("Networks") or {}).values()
        return cls(
            id=str(found["Id"]),
            name=str(found["Name"]).lstrip("/"),
            service=str(labels.get(f"{_PROJECT_LABEL}service", "")),
            image_id=str(found["Image"]),
            image_name=str(found["Config"]["Image"]),
            state=str(state["Status"]),
            health=str((state.get("Health") or {}).get("Status") or "none"),
            restarts=int(found.get("RestartCount") or 0),
            started_at=str(state["StartedAt"]),
            exit_code=int(state["ExitCode"]),
            addresses=tuple(network["IPAddress"] for network in networks if network.get("IPAddress")),
            config_hash=str(labels.get(f"{_PROJECT_LABEL}config-hash", "")),
            directory=str(labels.get(f"{_PROJECT_LABEL}project.working_dir", "")),
            log_driver=str(((found.get("HostConfig") or {}).get("LogConfig") or {}).get("Type", "")),
        )

    @property
    def half_replaced(self) -> bool:
        """Tell whether it still has the name under which Compose makes it, the old container's id before its own.

        An `up` that was cut short leaves such a name, and later ones keep it: only a recreation gives it its own again.
        """
        return _WORKING_NAME.match(self.name) is not None

    @property
    def one_line(self) -> str:
        """Its condition in words."""
        if self.state != "running":
            return f"{self.name} is {self.state} (exit code {self.exit_code})"
        again = f", {self.restarts} restarts" if self.restarts else ""
        health = "" if self.health == "none" else f", {self.health}"
        return f"{self.name} is running{health}{again}"

    def facts(self) -> dict[str, object]:
        """The container as the journal keeps it."""
        return {
            "id": self.id,
            "name": self.name,
            "service": self.service,
            "image_id": self.image_id,
            "image_name": self.image_name,
            "state": self.state,
            "health": self.health,
            "restarts": self.restarts,
            "started_at": self.started_at,
        }
