"""The commands that a person types on the production host to restore a restore point."""

import shlex
from collections.abc import Callable, Sequence
from typing import TypeVar

from runbook.hosts.command import Command
from runbook.incident.facts import Facts
from runbook.incident.schema_facts import HowToRestore, RestoreStep
from runbook.migrations.database import Database, quoted
from runbook.production.compose import Production
from runbook.production.containers import counts
from runbook.settings.application import Gate, ServiceCommand

#: The role to create a database with. The configured user comes first: its login is known to work.
_CREATORS = """
SELECT rolname FROM pg_roles WHERE rolcanlogin AND (rolsuper OR rolcreatedb)
ORDER BY rolname = current_user DESC, rolsuper DESC, rolname LIMIT 1
"""

_T = TypeVar("_T")


class Restoring:
    """The restore steps for one production. The runbook never runs them. That is a human decision."""

    def __init__(self, production: Production, database: Database, gate: Gate | None) -> None:
        """`gate` has the commands that pause and resume traffic, or is None if there are none."""
        self._production = production
        self._database = database
        self._gate = gate

    def how_to(self, path: str, sha256: str, facts: Facts) -> HowToRestore:
        """Return the steps for the dump at `path`.

        `beside` restores into a new database and overwrites nothing. `instead` then swaps it in by renaming both: the
        live database is kept under another name. `facts` are those of the incident. Never raises, because every dump
        must be recorded: if steps cannot be built, their list is empty.
        """
        creator = self._creator()
        return HowToRestore(
            beside=_or_empty(lambda: self._beside(path, sha256, creator)),
            instead=_or_empty(lambda: self._instead(creator, facts)),
        )

    def _creator(self) -> str:
        """Return a role that may create a database, or the configured user if the database does not answer."""
        found = _or_empty(lambda: self._database.ask(_CREATORS))
        return found[0][0] if found and found[0] else self._database.server.user

    @property
    def _going_there(self) -> RestoreStep:
        return _step("go to the project's directory", shlex.join(("cd", self._production.directory)))

    @property
    def _restored(self) -> str:
        return f"{self._database.server.name}_restored"

    def _beside(self, path: str, sha256: str, creator: str) -> list[RestoreStep]:
        database, owner = self._restored, self._database.server.user
        instead = f", as {creator}, because {owner} may not" if creator != owner else ""
        check = f"echo {shlex.quote(f'{sha256}  {path}')} | sha256sum --check"
        # On standard input, because only its owner can read the file, and users differ inside the container.
        restore = self._inside("pg_restore", "--username", creator, "--exit-on-error", "--dbname", database)
        make = self._inside("createdb", "--username", creator, "--owner", owner, "--template", "template0", database)
        return [
            self._going_there,
            _step("check that the dump matches this record", check),
            _step(f"create an empty database next to the live one{instead}", make),
            _step("restore into it; the live one is not touched", f"{restore} < {shlex.quote(path)}"),
            _step(
                "check its contents",
                self._inside("psql", "--username", creator, "--dbname", database, "-c", r"\dt+"),
            ),
        ]

    def _instead(self, creator: str, facts: Facts) -> list[RestoreStep]:
        live = self._database.server.name
        schema, tags = ", ".join(facts.revisions or ()), ", ".join(facts.origin.tags if facts.origin else ())
        fits = f" ({schema}; {tags} ran on it)" if schema and tags else ""
        env_file = self._production.project.env_file
        return [
            self._going_there,
            *self._turning("pause traffic", self._gate.pause if self._gate else None),
            _step("stop the services that use the database", str(self._production.stop_command())),
            _step(
                "rename the live database; rows written since the dump are only in it",
                self._renaming(creator, live, f"{live}_before_restore"),
            ),
            _step("give the restored database the live one's name", self._renaming(creator, self._restored, live)),
            _step(
                f"set a release that fits its schema{fits} in {env_file}, then start it",
                " && ".join(map(str, self._starting(facts))),
            ),
            *self._turning("resume traffic when it is ready", self._gate.resume if self._gate else None),
        ]

    def _turning(self, why: str, call: ServiceCommand | None) -> list[RestoreStep]:
        return [_step(why, str(self._production.exec_command(call)))] if call else []

    def _starting(self, facts: Facts) -> Sequence[Command]:
        production = self._production

        def switching() -> Sequence[Command]:
            return production.switch_commands(
                production.rolled_back, counts(facts.before.containers if facts.before else ())
            )

        # A failing Compose command or a gap in the record must not stop this.
        return _or_empty(switching) or (production.up_command(production.project.services, {}),)

    def _renaming(self, creator: str, name: str, new: str) -> str:
        statement = f"ALTER DATABASE {quoted(name)} RENAME TO {quoted(new)}"
        return self._inside("psql", "--username", creator, "--dbname", "postgres", "-c", statement)

    def _inside(self, program: str, *argv: str) -> str:
        return self._database.server.typed(program, *argv)


def _or_empty(steps: Callable[[], Sequence[_T]]) -> tuple[_T, ...]:
    try:
        return tuple(steps())
    except Exception:  # noqa: BLE001 - no error here may keep a dump from being recorded
        return ()


def _step(why: str, command: str) -> RestoreStep:
    return RestoreStep(why=why, command=command)
