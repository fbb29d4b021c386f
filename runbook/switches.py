"""Kill switches: set where production takes them from, seen inside the container, and felt by users."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from runbook.containers import Container
from runbook.env_file import EnvFileOnHost
from runbook.errors import Inconclusive, SettingsError
from runbook.host_files import FOLDER
from runbook.probes import Prober
from runbook.production import Production
from runbook.sentence import Change, Expectation, Kept, Seen
from runbook.settings import SwitchSettings


def choose(switches: Mapping[str, SwitchSettings], asked_for: str | None) -> str:
    """The switch that this run turns: the one asked for, or the only one. Raises SettingsError otherwise."""
    known = ", ".join(sorted(switches)) or "none"
    if asked_for is None and len(switches) == 1:
        return next(iter(switches))
    if asked_for is None:
        raise SettingsError(f"the settings name these switches: {known}", "name one with --disable SWITCH")
    if asked_for not in switches:
        raise SettingsError(f"no switch {asked_for} in the settings (there are: {known})", "check the spelling")
    return asked_for


def position_of(switch: SwitchSettings, value: str) -> dict[str, str | None]:
    """A switch in the position that `value` of its variable means, with who turns it on again and when to remind."""
    states = {switch.off: "off", switch.on: "on"}
    return {
        "variable": switch.variable,
        "value": value,
        "state": states.get(value, "other"),
        "owner": switch.owner,
        "remind_after": switch.remind_after,
    }


@dataclass(frozen=True)
class Users:
    """How users reach the switch's addresses.

    `public_url` without a slash at its end; `credential` is a bearer token of theirs; `deadline` is how long the
    addresses may take to follow the switch, in seconds.
    """

    prober: Prober
    public_url: str
    credential: SecretStr | None
    deadline: float


class Switch:
    """One kill switch of one production, and the position that it is to have."""

    def __init__(
        self,
        production: Production,
        env_file: EnvFileOnHost,
        settings: SwitchSettings,
        users: Users,
        *,
        on: bool,
    ) -> None:
        self._production = production
        self._env_file = env_file
        self._settings = settings
        self._users = users
        self._on = on
        self.value = settings.on if on else settings.off
        self.variable = settings.variable
        self.services = settings.services

    def set_in_env_file(self) -> Expectation:
        """That the env file sets the switch at all: otherwise production takes it from elsewhere."""

        def look() -> Seen:
            env_file = self._env_file.read()
            value = env_file.value_of(self._settings.variable)
            return Seen(ok=True, seen=f"{env_file.path} says {self._settings.variable}={value}")

        return Expectation(
            f"{self._settings.variable} in the env file",
            look,
            "production takes it from elsewhere: set it there by hand",
        )

    def turning(self, incident: str) -> Change:
        """The change that sets the switch in the env file, and keeps a copy of the file as it was."""
        env_file = self._env_file.read()
        content = env_file.with_value(self._settings.variable, self.value)

        def already() -> str | None:
            now = self._env_file.read().values.get(self._settings.variable)
            return f"{env_file.path} says {self._settings.variable}={now}" if now == self.value else None

        folder = f"{self._production.directory}/{FOLDER}"
        kept = f"{folder}/{incident}.env"
        making = self._production.command("mkdir", "--parents", "--mode=700", "--", folder)
        return Change(
            f"{env_file.path} says {self._settings.variable}={self.value}",
            (making, *self._env_file.replacing(env_file, content, kept)),
            already,
            leaves=(Kept(kept, "the env file as it was before, with its secrets"),),
        )

    def redeploying(self) -> Change:
        """The change that recreates the switch's services on the release that runs now, whatever the env file's tag."""
        running = self._production.running_tag(self._settings.services)
        anew = self._production.half_replaced(self._settings.services)
        up = self._production.bringing_up(self._settings.services, anew=anew)

        def already() -> str | None:
            if anew:
                return None
            hashes = self._production.config_hashes(running)
            containers = self._production.of_services(self._settings.services)
            so = all(c.state == "running" and c.config_hash == hashes.get(c.service) for c in containers)
            return (
                f"{', '.join(c.name for c in containers)} run with {self._settings.variable}={self.value}"
                if so
                else None
            )

        return Change(
            f"{', '.join(self._settings.services)} are redeployed on {running}",
            (self._production.as_release(running, up),),
            already,
        )

    def same_images(self, before: Mapping[str, str]) -> Expectation:
        """That the services run the images that they ran before; `before` holds image ids by container name."""

        def look() -> Seen:
            containers = self._production.of_services(self._settings.services)
            other = [c.name for c in containers if before.get(c.name) != c.image_id]
            return Seen(not other, f"another image: {', '.join(other)}" if other else _names(containers))

        return Expectation(
            f"{', '.join(self._settings.services)} on the images from before",
            look,
            "somebody deployed meanwhile: look who",
            acceptable=False,
        )

    def seen_inside(self) -> Expectation:
        """That every container of the switch's services has the value in its own environment."""

        def look() -> Seen:
            containers = self._production.of_services(self._settings.services)
            values = {container.name: self._value_inside(container) for container in containers}
            return Seen(
                all(value == self.value for value in values.values()),
                "; ".join(f"{name} sees {self._settings.variable}={value}" for name, value in values.items()),
            )

        return Expectation(
            f"{self._settings.variable}={self.value} inside every container of {', '.join(self._settings.services)}",
            look,
            "does the Compose file hand the variable to the service?",
            self._users.deadline,
        )

    def _value_inside(self, container: Container) -> str:
        answer = self._production.host.run(
            self._production.command("docker", "exec", container.id, "printenv", self._settings.variable)
        )
        if answer.exit_code not in (0, 1):
            raise Inconclusive(
                f"the environment of {container.name} cannot be read: {answer.last_words}",
                f"look at it by hand: docker exec {container.name} env",
            )
        return answer.text.rstrip("\n") if answer.exit_code == 0 else "(not set)"

    def felt_by_users(self, *, with_credentials: bool) -> Expectation:
        """That the switch's addresses answer users as its position says, with or without credentials.

        Off means one of `disabled_statuses`; a 401 proves nothing, because it says who asks and not what is on. On
        means that who has credentials is served, and who has none gets anything but a server's error.
        """
        who = "with" if with_credentials else "without"

        def look() -> Seen:
            headers = {}
            if with_credentials:
                if self._users.credential is None:
                    raise Inconclusive(
                        "the settings name no credential for the switch's addresses", "set switches.….credential"
                    )
                headers = {"Authorization": f"Bearer {self._users.credential.get_secret_value()}"}
            statuses = {
                path: self._users.prober.get(self._users.public_url + path, headers).status
                for path in self._settings.paths
            }
            good = all(self._as_wanted(status, with_credentials=with_credentials) for status in statuses.values())
            return Seen(good, "; ".join(f"{path} answers {status}" for path, status in statuses.items()))

        state = "served to" if self._on else "disabled for"
        return Expectation(
            f"{', '.join(self._settings.paths)} {state} users {who} credentials",
            look,
            "read the api's log; the value inside the container is on record",
            self._users.deadline,
        )

    def _as_wanted(self, status: int, *, with_credentials: bool) -> bool:
        if not self._on:
            return status in self._settings.disabled_statuses
        return status < 400 if with_credentials else status < 500 and status not in self._settings.disabled_statuses


def _names(containers: list[Container]) -> str:
    return ", ".join(f"{container.name} runs {container.image_name}" for container in containers)
