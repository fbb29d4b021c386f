"""How a restore point is brought back: the commands as a person types them on the production host."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from runbook.hosts.command import Command
from runbook.migrations.database import Database, quoted
from runbook.production.compose import Production
from runbook.production.containers import counts
from runbook.settings.schema import DatabaseSettings, TrafficSettings

#: Who may make a database, the settings' own user first: its login is known to work.
_MAKERS = """
SELECT rolname FROM pg_roles WHERE rolcanlogin AND (rolsuper OR rolcreatedb)
ORDER BY rolname = current_user DESC, rolsuper DESC, rolname LIMIT 1
"""

RestoreStep = dict[str, str]
_T = TypeVar("_T")


class Restoring:
    """The how-to of one production. Nothing in it is ever run by the runbook: that is a person's decision."""

    def __init__(self, production: Production, database: DatabaseSettings, traffic: TrafficSettings) -> None:
        self._production = production
        self._database = database
        self._traffic = traffic

    def how_to(self, path: str, sha256: str, facts: Mapping[str, Any]) -> dict[str, list[RestoreStep]]:
        """The steps for the dump at `path`, each with `why` and `command`.

        `beside` makes a database of its own and overwrites nothing; `instead` then puts that in the live one's place,
        which stays under another name. `facts` are those of the incident. Raises nothing: a dump that was taken is put
        on record, whatever else is not known. Steps that cannot be told are left out, as a whole.
        """
        maker = self._maker()
        return {
            "beside": _or_none(lambda: self._beside(path, sha256, maker)),
            "instead": _or_none(lambda: self._instead(maker, facts)),
        }

    def _maker(self) -> str:
        """Who may make a database; the settings' own user where the database does not say it."""
        found = _or_none(lambda: Database(self._production, self._database).ask(_MAKERS))
        return found[0][0] if found and found[0] else self._database.user

    @property
    def _going_there(self) -> RestoreStep:
        return _step("go to the project's directory", shlex.join(("cd", self._production.directory)))

    @property
    def _restored(self) -> str:
        return f"{self._database.name}_restored"

    def _beside(self, path: str, sha256: str, maker: str) -> list[RestoreStep]:
        database, owner = self._restored, self._database.user
        instead = f", as {maker}, since {owner} may not" if maker != owner else ""
        check = f"echo {shlex.quote(f'{sha256}  {path}')} | sha256sum --check"
        # On standard input: the file is its owner's alone, and who that is inside the container differs.
        restore = self._inside("pg_restore", "--username", maker, "--exit-on-error", "--dbname", database)
        make = self._inside("createdb", "--username", maker, "--owner", owner, "--template", "template0", database)
        return [
            self._going_there,
            _step("make sure that the dump is the one of this record", check),
            _step(f"make an empty database beside the live one{instead}", make),
            _step("restore into it; the live one is not touched", f"{restore} < {shlex.quote(path)}"),
            _step(
                "look at what is in it", self._inside("psql", "--username", maker, "--dbname", database, "-c", r"\dt+")
            ),
        ]

    def _instead(self, maker: str, facts: Mapping[str, Any]) -> list[RestoreStep]:
        live = self._database.name
        schema, tags = _words(facts.get("schema")), _words(_known(facts, "origin").get("tags"))
        fits = f" ({schema}; {tags} ran on it)" if schema and tags else ""
        env_file = self._production.project.env_file
        return [
            self._going_there,
            _step("keep users out", str(self._production.exec_command(self._traffic.pause))),
            _step("stop what uses the database", str(self._production.stop_command())),
            _step(
                "put the live database aside; what was written since the dump is in it, and only there",
                self._renaming(maker, live, f"{live}_before_restore"),
            ),
            _step("put the restored one in its place", self._renaming(maker, self._restored, live)),
            _step(
                f"name a release that fits its schema{fits} in {env_file}, then start it",
                " && ".join(map(str, self._starting(facts))),
            ),
            _step("let users in, when it is ready", str(self._production.exec_command(self._traffic.resume))),
        ]

    def _starting(self, facts: Mapping[str, Any]) -> Sequence[Command]:
        production = self._production

        def switching() -> Sequence[Command]:
            return production.switch_commands(
                production.rolled_back, counts(_known(facts, "before").get("containers", ()))
            )

        # What Compose cannot tell now, or the record does not hold, is no reason to stop, either.
        return _or_none(switching) or (production.up_command(production.project.services, {}),)

    def _renaming(self, maker: str, name: str, new: str) -> str:
        statement = f"ALTER DATABASE {quoted(name)} RENAME TO {quoted(new)}"
        return self._inside("psql", "--username", maker, "--dbname", "postgres", "-c", statement)

    def _inside(self, *argv: str) -> str:
        return str(self._production.compose("exec", "-T", self._database.service, *argv))


def _or_none(told: Callable[[], Sequence[_T]]) -> list[_T]:
    """What it tells; nothing where it raises anything."""
    try:
        return list(told())
    except Exception:  # noqa: BLE001 - facts may be of any shape, and none of it may keep a dump off the record
        return []


def _known(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def _words(found: object) -> str:
    """Names in a list, or that of one; empty where it is neither."""
    return found if isinstance(found, str) else ", ".join(map(str, found)) if isinstance(found, list | tuple) else ""


def _step(why: str, command: str) -> RestoreStep:
    return {"why": why, "command": command}
