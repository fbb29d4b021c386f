"""Kill switches: set where production takes them from, seen inside the container, and felt by users."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from runbook.actions import Action, Artifact, Check, Observation
from runbook.errors import Inconclusive, SettingsError
from runbook.hosts.http import HttpClient
from runbook.production.compose import FOLDER, Production
from runbook.production.containers import Container
from runbook.production.env_file import EnvFileOnHost
from runbook.production.service.switch_reach import inside
from runbook.settings.schema import SwitchSettings


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

    http: HttpClient
    public_url: str
    credential: SecretStr | None
    deadline: float


class KillSwitch:
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

    def check_in_env_file(self) -> Check:
        """That the env file sets the switch at all: otherwise production takes it from elsewhere."""

        def observe() -> Observation:
            env_file = self._env_file.read()
            value = env_file.value_of(self._settings.variable)
            # That it can be changed there is found out here, and not when it is to be.
            self._env_file.with_value(env_file, self._settings.variable, self.value)
            return Observation(ok=True, seen=f"{env_file.path} says {self._settings.variable}={value}")

        return Check(
            f"{self._settings.variable} in the env file",
            observe,
            "production takes it from elsewhere: set it there by hand",
        )

    def set_in_env_file(self, incident: str) -> Action:
        """The change that sets the switch in the env file, and keeps a copy of the file as it was."""
        env_file = self._env_file.read()
        content = self._env_file.with_value(env_file, self._settings.variable, self.value)

        def already() -> str | None:
            now = self._env_file.read().values.get(self._settings.variable)
            return f"{env_file.path} says {self._settings.variable}={now}" if now == self.value else None

        kept = f"{self._production.directory}/{FOLDER}/{incident}.env"
        return Action(
            f"{env_file.path} says {self._settings.variable}={self.value}",
            self._env_file.replace_commands(env_file, content, kept),
            already,
            leaves=(Artifact(kept, "the env file as it was before, with its secrets"),),
        )

    def redeploy(self, had: Mapping[str, int]) -> Action:
        """The change that recreates the switch's services on the release that runs now, whatever the env file's tag.

        `had` is how many containers each service had before.
        """
        production, services = self._production, self._settings.services
        running = production.running_tag(services)
        anew = production.has_temporary_name(services)
        ups = production.switch_commands(services, had, anew=anew)
        commands = tuple(production.with_tag(running, up) for up in ups)

        def already() -> str | None:
            if anew or not production.is_settled(services, commands):
                return None
            containers = production.of_services(services)
            return f"{', '.join(c.name for c in containers)} run with {self._settings.variable}={self.value}"

        return Action(
            f"{', '.join(services)} are redeployed on {running or 'their images'}",
            commands,
            already,
        )

    def check_images_unchanged(self, before: Mapping[str, str]) -> Check:
        """That the services run the images that they ran before; `before` holds image ids by container name."""

        def observe() -> Observation:
            containers = self._production.of_services(self._settings.services)
            other = [c.name for c in containers if before.get(c.name) != c.image_id]
            return Observation(not other, f"another image: {', '.join(other)}" if other else _names(containers))

        return Check(
            f"{', '.join(self._settings.services)} on the images from before",
            observe,
            "somebody deployed meanwhile: look who",
            acceptable=False,
        )

    def check_reaches_containers(self) -> Check:
        """That the switch reaches the containers of its services: by which variables, or by what else."""

        def observe() -> Observation:
            found = inside(self._production, self._settings, self.value, None)
            missed = [service for service in self._settings.services if service not in found]
            blind = [s for s in self._settings.services if s in found and not found[s].can_be_seen]
            others = sorted(set(found) - set(self._settings.services))
            told = [f"{name}: {found[name].words}" for name in self._settings.services if name in found]
            told += [f"no container of {', '.join(missed)}"] if missed else []
            told += [f"in {', '.join(blind)} by nothing that can be looked at inside a container"] if blind else []
            told += [f"{', '.join(others)} as well, which switches.….services leaves out"] if others else []
            return Observation(not missed and not blind, f"{self.variable} reaches {'; '.join(told)}")

        return Check(
            f"{self.variable} to reach every container of {', '.join(self._settings.services)}",
            observe,
            f"let the Compose file hand {self.variable} to the service, or correct variable and services of the switch",
        )

    def check_inside_containers(self) -> Check:
        """That every container of the switch's services has what Compose makes of the value for it."""

        def observe() -> Observation:
            tag = self._production.running_tag(self._settings.services)
            follow = inside(self._production, self._settings, self.value, tag)
            containers = self._production.of_services(self._settings.services)
            if left_out := [each.name for each in containers if each.service not in follow]:
                raise Inconclusive(
                    f"{self.variable} reaches nothing in {', '.join(left_out)}", "hand it over in the Compose file"
                )
            seen = [follow[container.service].seen_in(container) for container in containers]
            return Observation(all(good for good, _ in seen), "; ".join(words for _, words in seen))

        return Check(
            f"{self.variable}={self.value} inside every container of {', '.join(self._settings.services)}",
            observe,
            "does the Compose file hand the variable to the service?",
        )

    def check_observable(self) -> Check:
        """That users' answers can tell later whether the switch is felt: a credential is there, and they can change.

        What the addresses answer now is told. Only where all of them answer as disabled ones before the switch is
        turned off does that stop: it would prove nothing afterwards.
        """

        def observe() -> Observation:
            if self._users.credential is None:
                return Observation(ok=False, seen="the settings name no credential for its addresses", final=True)
            now = {who: self._answers(with_credentials=who == "with") for who in ("without", "with")}
            seen = "; ".join(f"{path} answers {status} {who} credentials" for who in now for path, status in now[who])
            turned = self._env_file.read().value_of(self._settings.variable) == self.value
            statuses = [status for answers in now.values() for _, status in answers]
            proves_nothing = all(status in self._settings.disabled_statuses for status in statuses)
            return Observation(self._on or turned or not proves_nothing, seen)

        return Check(
            f"{', '.join(self._settings.paths)} to show whether {self.variable} is felt",
            observe,
            "set credential and paths of the switch: a path that is always refused shows nothing",
        )

    def _answers(self, *, with_credentials: bool) -> list[tuple[str, int | str]]:
        """What each of the switch's addresses answers now; in words where there is no answer."""
        answers: list[tuple[str, int | str]] = []
        for path in self._settings.paths:
            try:
                answers.append((path, self._ask(path, with_credentials=with_credentials)))
            except Inconclusive:
                answers.append((path, "nothing"))
        return answers

    def _ask(self, path: str, *, with_credentials: bool) -> int:
        headers = {}
        if with_credentials:
            if self._users.credential is None:
                raise Inconclusive(
                    "the settings name no credential for the switch's addresses", "set switches.….credential"
                )
            headers = {"Authorization": f"Bearer {self._users.credential.get_secret_value()}"}
        return self._users.http.get(self._users.public_url + path, headers).status

    def check_user_paths(self, *, with_credentials: bool) -> Check:
        """That the switch's addresses answer users as its position says, with or without credentials.

        Off means one of `disabled_statuses`; a 401 proves nothing, because it says who asks and not what is on. On
        means that who has credentials is served, and who has none gets anything but a server's error.
        """
        who = "with" if with_credentials else "without"

        def observe() -> Observation:
            statuses = {path: self._ask(path, with_credentials=with_credentials) for path in self._settings.paths}
            good = all(self._as_wanted(status, with_credentials=with_credentials) for status in statuses.values())
            return Observation(good, "; ".join(f"{path} answers {status}" for path, status in statuses.items()))

        state = "served to" if self._on else "disabled for"
        return Check(
            f"{', '.join(self._settings.paths)} {state} users {who} credentials",
            observe,
            "read the api's log; the value inside the container is on record",
            self._users.deadline,
        )

    def _as_wanted(self, status: int, *, with_credentials: bool) -> bool:
        if not self._on:
            return status in self._settings.disabled_statuses
        return status < 400 if with_credentials else status < 500 and status not in self._settings.disabled_statuses


def _names(containers: list[Container]) -> str:
    return ", ".join(f"{container.name} runs {container.image_name}" for container in containers)
