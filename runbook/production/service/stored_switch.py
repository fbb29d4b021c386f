"""A kill switch whose value is in a secret store: set and read back there, and checked inside the containers."""

import posixpath
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runbook.actions import Action, ActionName, Artifact, Call, Check, Observation
from runbook.errors import CommandTimedOut, Inconclusive, StoreError
from runbook.production.compose import Production, unescaped
from runbook.production.containers import Container
from runbook.production.docker_engine import FOLDER
from runbook.secrets.stores.host_file import HostFile
from runbook.secrets.stores.store import MOST_BYTES, Found, Store
from runbook.settings.application import SwitchSettings

# Seconds to read the value back, and between attempts: a store of several machines may return the old value at first.
_READ_BACK, _AGAIN = 5.0, 0.2
_MOUNTED_AT = {"secrets": "/run/secrets", "configs": "/"}


class StoredSwitch:
    """The value of one kill switch in its store."""

    def __init__(self, production: Production, store: Store, settings: SwitchSettings, value: str) -> None:
        self._production = production
        self._store = store
        self._settings = settings
        self._value = value

    def check(self, copy: Check | None) -> Check:
        """Check that the store has the switch, and tell whether it may be set. `copy` is the check of the env file."""

        def observe() -> Observation:
            value = self._store.read().value.get_secret_value()
            seen = f"{self._store.name} says {self._shown(value)}; {self._store.settable()}"
            return Observation(ok=True, seen=f"{seen}; copy in the env file: {copy.observe().seen}" if copy else seen)

        return Check(
            f"{self._settings.variable} in its secret store", observe, "correct the switch's `store` in the settings"
        )

    def is_turned(self) -> bool:
        """Return whether the store has the wanted value."""
        return self._store.read().value.get_secret_value() == self._value

    def turn(self, incident: str, copy: Action | None) -> Action:
        """Set the value, unless somebody else changes it meanwhile.

        The old value is kept as `.runbook/INCIDENT.VARIABLE`. `copy` then sets the value in the env file.
        """
        seen, name, variable = self._store.read(), self._store.name, self._settings.variable
        old = seen.value.get_secret_value()
        kept = f"{self._production.directory}/{FOLDER}/{incident}.{variable}"
        says = f"{name} says {self._value}"

        def make() -> str:
            if not self.is_turned():
                self._keep(old, kept)
                self._set(seen)
                self._read_back()
            return f"{says}, read back"

        def already() -> str | None:
            there = says if self.is_turned() else None
            here = copy.already() if copy else ""
            return None if there is None or here is None else "; ".join(filter(None, (there, here)))

        return Action(
            ActionName.SET_KILL_SWITCH,
            f"{says}; {copy.summary}" if copy else says,
            commands=copy.commands if copy else (),
            already=already,
            leaves=(Artifact(kept, "the switch's old value"), *(copy.leaves if copy else ())),
            resource=name,
            variable=variable,
            old=old if self._is_public(old) else None,
            new=self._value,
            call=Call(self._store.by_hand(self._value), 2 * self._store.longest + _READ_BACK, make),
        )

    def _set(self, seen: Found) -> None:
        try:
            self._store.set(self._value, seen)
        except (Inconclusive, CommandTimedOut):
            # The answer was lost, but maybe not the change. If the change was lost too, the store still has `seen`.
            if not self.is_turned():
                self._store.set(self._value, seen)

    def _read_back(self) -> None:
        until = time.monotonic() + _READ_BACK
        while not self.is_turned():
            if time.monotonic() > until:
                raise StoreError(
                    f"{self._store.name} was set to {self._value}, but has another value {_READ_BACK:g} s later",
                    f"find out who changes it, or set it by hand: {self._store.by_hand(self._value)}",
                )
            time.sleep(_AGAIN)

    def _keep(self, old: str, path: str) -> None:
        """Write the old value to `path`, unless an earlier run of the incident wrote one: that is older."""
        folder, command, host = posixpath.dirname(path), self._production.command, self._production.host
        linked = StoreError(f"{folder} is a symbolic link, so no secret is written there", f"rm {folder}")
        content = old.encode(errors="surrogateescape")
        host.check(command("mkdir", "--parents", "--mode=700", "--", folder))
        host.check(replace(command("test", "!", "-L", folder), means=((1, linked),)))
        if host.run(command("test", "-s", path)).exit_code != 0:
            host.check(command("install", "--mode=600", "--no-target-directory", "/dev/null", path))
            host.check(command("dd", f"of={path}", "conv=fsync", "oflag=nofollow", "status=none", stdin=content))

    def _is_public(self, value: str) -> bool:
        return value in (self._settings.on, self._settings.off)

    def _shown(self, value: str) -> str:
        return value if self._is_public(value) else "neither of the switch's two values"

    # -- inside the containers -------------------------------------------------------------------------------------

    def looks(self) -> dict[str, tuple[str, ...]]:
        """Return, for each service that takes the value from the store, the command that prints it in a container."""
        if self._settings.inside:
            return dict.fromkeys(self._settings.services, self._settings.inside)
        if isinstance(self._store, HostFile):
            mounted = mounts_of(self._production.config(), self._store.path)
            return {service: ("cat", target) for service, target in mounted.items()}
        return {}

    def reaches(self) -> Observation:
        """Check that every container of the switch's services shows a value, whichever it is."""
        looks, services = self.looks(), self._settings.services
        if missed := [service for service in services if service not in looks]:
            return Observation(ok=False, seen=f"no command shows what a container of {', '.join(missed)} reads from it")
        told = [self.seen_in(container, looks)[1] for container in self._production.of_services(services)]
        if others := sorted(looks.keys() - set(services)):
            told.append(f"{', '.join(others)} too, which switches.….services leaves out")
        return Observation(ok=True, seen="; ".join(told))

    def inside(self) -> Observation:
        """Check that every container of the switch's services has the wanted value."""
        looks, containers = self.looks(), self._production.of_services(self._settings.services)
        seen = [self.seen_in(container, looks) for container in containers]
        return Observation(all(good for good, _ in seen), "; ".join(words for _, words in seen))

    def seen_in(self, container: Container, looks: Mapping[str, tuple[str, ...]]) -> tuple[bool, str]:
        """Return whether a container has the wanted value, and which value it has, in words.

        Raises Inconclusive when its command fails or prints nothing.
        """
        asking = self._production.command("docker", "exec", container.id, *looks[container.service])
        done = self._production.host.run(replace(asking, secret_output=True, most_output=MOST_BYTES))
        value = done.text.strip("\r\n")
        if done.exit_code != 0 or not value:
            raise Inconclusive(
                f"{container.name} does not show the value of {self._settings.variable}: `{asking}` ended with exit"
                f" code {done.exit_code} and printed {len(done.stdout)} bytes",
                "set the switch's `inside` in the settings to a command that prints it in the container",
            )
        return value == self._value, f"{container.name} sees {self._shown(value)}"


def mounts_of(config: Mapping[str, Any], path: str) -> dict[str, str]:
    """Return the path of a host's file inside each service that has it as a secret, a config or in a bind mount.

    `config` is the output of `docker compose config`.

    >>> project = {"secrets": {"mode": {"file": "/srv/mode"}}, "services": {"api": {"secrets": [{"source": "mode"}]}}}
    >>> mounts_of(project, "/srv/mode")
    {'api': '/run/secrets/mode'}
    """
    wanted, found = posixpath.normpath(path), {}
    for name, service in config["services"].items():
        for part, folder in _MOUNTED_AT.items():
            kept = config.get(part) or {}
            for each in (service or {}).get(part) or ():
                if _is(wanted, (kept.get(each["source"]) or {}).get("file")):
                    found[name] = posixpath.join(folder, unescaped(each.get("target") or each["source"]))
        for each in (service or {}).get("volumes") or ():
            inside = _inside(wanted, each.get("source")) if each.get("type") == "bind" else None
            if inside is not None:
                found[name] = posixpath.normpath(posixpath.join(unescaped(each["target"]), inside))
    return found


def _inside(wanted: str, mounted: object) -> str | None:
    """Return the file's path relative to a mounted path: `.` for the file itself, None when it is not below it."""
    path = None if mounted is None else posixpath.relpath(wanted, posixpath.normpath(unescaped(mounted)))
    return None if path is None or path.split("/")[0] == ".." else path


def _is(wanted: str, path: object) -> bool:
    return path is not None and posixpath.normpath(unescaped(path)) == wanted
