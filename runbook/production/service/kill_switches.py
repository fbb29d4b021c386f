"""Kill switches: set where production reads them, and checked inside the containers and at users' URLs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from pydantic import SecretStr

from runbook.actions import Action, ActionName, Artifact, Check, Observation, left_out
from runbook.errors import Inconclusive, SettingsError
from runbook.hosts.http import HttpClient
from runbook.production.compose import Production
from runbook.production.docker_engine import FOLDER
from runbook.production.env_file import EnvFileOnHost
from runbook.production.service.data_watch import DataWatch
from runbook.production.service.stored_switch import StoredSwitch
from runbook.production.service.switch_reach import effects_of
from runbook.secrets.stores.store import Store
from runbook.settings.absent import Absent
from runbook.settings.application import SwitchSettings


def choose(switches: Mapping[str, SwitchSettings], asked_for: str | None) -> str:
    """Return the name of the requested switch, or of the only one. Raises SettingsError otherwise."""
    known = ", ".join(sorted(switches)) or "none"
    if asked_for is None and len(switches) == 1:
        return next(iter(switches))
    if asked_for is None:
        raise SettingsError(f"the settings have these switches: {known}", "choose one with --disable SWITCH")
    if asked_for not in switches:
        raise SettingsError(f"no switch {asked_for} in the settings (there are: {known})", "check the spelling")
    return asked_for


def position_of(switch: SwitchSettings, value: str) -> dict[str, Any]:
    """Return a switch's position for the journal: variable, value, `on`, `off` or `other`, owner, reminder."""
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
    """How users call the switch's URLs.

    `public_url` has no trailing slash; None if the settings have none. `credential` is a user's bearer token.
    `deadline` is the seconds within which the URLs must follow the switch.
    """

    http: HttpClient
    public_url: str | None
    credential: SecretStr | None
    deadline: float


class KillSwitch:
    """One kill switch of one production, to be turned on or off."""

    def __init__(  # noqa: PLR0913 - each is needed
        self,
        production: Production,
        env_file: EnvFileOnHost,
        settings: SwitchSettings,
        users: Users,
        *,
        on: bool,
        store: Store | None = None,
    ) -> None:
        """`store` is the secret store of its value; None if only the env file has it."""
        self._production = production
        self._env_file = env_file
        self._settings = settings
        self._users = users
        self._on = on
        self.value = settings.on if on else settings.off
        self.variable = settings.variable
        self.services = settings.services
        self._stored = StoredSwitch(production, store, settings, self.value) if store else None
        urls = [users.public_url + path for path in settings.paths] if users.public_url else []
        self._data = DataWatch(urls, self._authorization(), users.http.deadline)

    @cached_property
    def _takes_from_store(self) -> StoredSwitch | None:
        """The value in the store if containers take it from there, which is so if the env file has no copy."""
        return None if self._stored and self._env_file.read().values.get(self.variable) else self._stored

    def check_in_place(self) -> Check:
        """Check that production's store or env file sets the switch, and that its value can be changed there."""
        if self._stored is None:
            return self.check_in_env_file()
        return self._stored.check(None if self._takes_from_store else self.check_in_env_file())

    def check_in_env_file(self) -> Check:
        """Check that the env file sets the switch, and that its value can be changed there."""

        def observe() -> Observation:
            env_file = self._env_file.read()
            value = env_file.value_of(self.variable)
            self._env_file.with_value(env_file, self.variable, self.value)  # raises when it cannot be changed
            return Observation(ok=True, seen=f"{env_file.path} says {self.variable}={value}")

        next_step = "production reads it from elsewhere: set it there by hand"
        return Check(f"{self.variable} in the env file", observe, next_step)

    def set_in_place(self, incident: str) -> Action:
        """Set the switch in its store, and in the env file if that has it. The old value is kept."""
        if self._stored is None:
            return self._watched(self.set_in_env_file(incident))
        copy = None if self._takes_from_store else self.set_in_env_file(incident)
        return self._watched(self._stored.turn(incident, copy))

    def _watched(self, change: Action) -> Action:
        """Return the change, with the answers with data counted meanwhile if it turns the switch off."""
        blind = self._users.credential is None or self._users.public_url is None
        return change if self._on or blind else replace(change, during=self._data.watching)

    def set_in_env_file(self, incident: str) -> Action:
        """Set the switch in the env file, and keep a copy of the file as `.runbook/INCIDENT.env`."""
        env_file = self._env_file.read()
        content = self._env_file.with_value(env_file, self.variable, self.value)

        def already() -> str | None:
            now = self._env_file.read().values.get(self.variable)
            return f"{env_file.path} says {self.variable}={now}" if now == self.value else None

        kept = f"{self._production.directory}/{FOLDER}/{incident}.env"
        return Action(
            ActionName.SET_KILL_SWITCH,
            f"{env_file.path} says {self.variable}={self.value}",
            self._env_file.replace_commands(env_file, content, kept),
            already,
            leaves=(Artifact(kept, "the old env file, with its secrets"),),
            resource=env_file.path,
            variable=self.variable,
            old=env_file.values.get(self.variable),
            new=self.value,
        )

    def redeploy(self, had: Mapping[str, int], before: Collection[str] = (), *, watched: bool = True) -> Action:
        """Recreate the switch's services on the running release, whatever the env file's tag.

        `had` is the number of containers of each service before, `before` are their ids. A container that takes the
        switch from a store looks unchanged to Compose and is recreated by force. With `watched`, the answers with data
        are counted meanwhile.
        """
        production, services = self._production, self.services
        running = production.running_tag(services)
        anew = production.has_temporary_name(services) or (
            self._takes_from_store is not None and any(c.id in before for c in production.of_services(services))
        )
        ups = production.switch_commands(services, had, anew=anew)
        commands = tuple(production.with_tag(running, up) for up in ups)

        def already() -> str | None:
            if anew or not production.is_settled(services, commands):
                return None
            containers = production.of_services(services)
            return f"{', '.join(c.name for c in containers)} run with {self.variable}={self.value}"

        names = ", ".join(services)
        summary = f"{names} are redeployed on {running or 'their images'}"
        change = Action(ActionName.REDEPLOY, summary, commands, already, resource=names, new=running)
        return self._watched(change) if watched else change

    def check_images_unchanged(self, before: Mapping[str, str]) -> Check:
        """Check that the services run the same images as before. `before` has image ids by container name."""

        def observe() -> Observation:
            containers = self._production.of_services(self.services)
            other = ", ".join(c.name for c in containers if before.get(c.name) != c.image_id)
            same = ", ".join(f"{c.name} runs {c.image_name}" for c in containers)
            return Observation(not other, f"another image: {other}" if other else same)

        expected = f"{', '.join(self.services)} on the images from before"
        return Check(expected, observe, "somebody else deployed meanwhile: find out who", acceptable=False)

    def check_reaches_containers(self) -> Check:
        """Check that the switch changes every container of its services, and that the change can be seen inside."""

        def observe() -> Observation:
            if self._takes_from_store:
                return self._takes_from_store.reaches()
            found = effects_of(self._production, self._settings, self.value, None)
            missed = [service for service in self.services if service not in found]
            blind = [s for s in self.services if s in found and not found[s].can_be_seen]
            others = sorted(set(found) - set(self.services))
            told = [f"{name}: {found[name].words}" for name in self.services if name in found]
            told += [f"no container of {', '.join(missed)}"] if missed else []
            told += [f"{', '.join(blind)}, but nothing of it can be seen inside a container"] if blind else []
            told += [f"{', '.join(others)} too, which switches.….services leaves out"] if others else []
            return Observation(not missed and not blind, f"{self.variable} reaches {'; '.join(told)}")

        return Check(
            f"{self.variable} to reach every container of {', '.join(self.services)}",
            observe,
            f"pass {self.variable} to the service in the Compose file, or correct the switch's variable and services"
            + ("; or set its `inside` to a command that prints the value in a container" if self._stored else ""),
        )

    def check_inside_containers(self) -> Check:
        """Check that every container of its services has what Compose or the store gives it for the value."""

        def observe() -> Observation:
            if self._takes_from_store:
                return self._takes_from_store.inside()
            tag = self._production.running_tag(self.services)
            follow = effects_of(self._production, self._settings, self.value, tag)
            containers = self._production.of_services(self.services)
            if left_out := [each.name for each in containers if each.service not in follow]:
                raise Inconclusive(
                    f"{self.variable} does not reach {', '.join(left_out)}",
                    "pass it to the service in the Compose file",
                )
            seen = [follow[container.service].seen_in(container) for container in containers]
            return Observation(all(good for good, _ in seen), "; ".join(words for _, words in seen))

        return Check(
            f"{self.variable}={self.value} inside every container of {', '.join(self.services)}",
            observe,
            "check that the Compose file passes the variable to the service",
        )

    def check_observable(self) -> Check:
        """Check that the switch's paths can show its effect: a credential is set, and the answers can change.

        Fails if all paths answer as disabled before the switch is turned off, because later that would prove nothing.
        """
        if self._users.public_url is None:
            return left_out(f"addresses that show whether {self.variable} has an effect", Absent.PUBLIC_ADDRESS)

        def observe() -> Observation:
            if self._users.credential is None:
                return Observation(ok=False, seen="the settings have no credential for its addresses", final=True)
            now: list[tuple[str, int | str]] = []
            for who, path in product(("without", "with"), self._settings.paths):
                try:
                    status: int | str = self._ask(path, with_credentials=who == "with")
                except Inconclusive:
                    status = "nothing"
                now.append((f"{path} answers {status} {who} credentials", status))
            turned = self._is_turned()
            proves_nothing = all(status in self._settings.disabled_statuses for _, status in now)
            return Observation(self._on or turned or not proves_nothing, "; ".join(words for words, _ in now))

        return Check(
            f"{', '.join(self._settings.paths)} to show whether {self.variable} has an effect",
            observe,
            "set the switch's credential and paths: a path that is always refused proves nothing",
        )

    def _is_turned(self) -> bool:
        if self._stored:
            return self._stored.is_turned()
        return self._env_file.read().value_of(self.variable) == self.value

    def _ask(self, path: str, *, with_credentials: bool) -> int:
        if with_credentials and self._users.credential is None:
            raise Inconclusive(
                "the settings have no credential for the switch's addresses", "set switches.….credential"
            )
        headers = self._authorization() if with_credentials else {}
        return self._users.http.get(f"{self._users.public_url}{path}", headers).status

    def _authorization(self) -> dict[str, str]:
        credential = self._users.credential
        return {"Authorization": f"Bearer {credential.get_secret_value()}"} if credential else {}

    def check_user_paths(self, *, with_credentials: bool) -> Check:
        """Check that the switch's paths answer according to its position, with or without credentials.

        Off: one of `disabled_statuses`. By default 401 is not one: it is about the user, not about the switch. On:
        below 400 with credentials; without them, no server error and no disabled status.
        """
        who = "with" if with_credentials else "without"
        if self._users.public_url is None:
            return left_out(f"the effect of {self.variable} at users' addresses", Absent.PUBLIC_ADDRESS)

        def observe() -> Observation:
            statuses = {path: self._ask(path, with_credentials=with_credentials) for path in self._settings.paths}
            good = all(self._as_wanted(status, with_credentials=with_credentials) for status in statuses.values())
            seen = [f"{path} answers {status}" for path, status in statuses.items()]
            seen += [self._data.words] if with_credentials and self._data.words else []
            return Observation(good, "; ".join(seen))

        state = "served to" if self._on else "disabled for"
        return Check(
            f"{', '.join(self._settings.paths)} {state} users {who} credentials",
            observe,
            "read the api's log; the value inside the container is in the record",
            self._users.deadline,
        )

    def _as_wanted(self, status: int, *, with_credentials: bool) -> bool:
        if not self._on:
            return status in self._settings.disabled_statuses
        return status < 400 if with_credentials else status < 500 and status not in self._settings.disabled_statuses
