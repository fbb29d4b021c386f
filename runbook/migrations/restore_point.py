"""The restore point: a database dump, taken and read back before a destructive change, and kept on the host."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import PurePosixPath

from runbook.actions import Action, ActionName, Artifact, Check, Observation, Question
from runbook.errors import CheckFailed, Inconclusive
from runbook.hosts.command import Command
from runbook.incident.executor import Executor
from runbook.incident.schema_facts import DatabaseState, RestorePointFact
from runbook.migrations.database import Database
from runbook.migrations.database_state import is_unchanged, read_state
from runbook.migrations.restore_steps import Restoring
from runbook.migrations.restoring.dump_file import DATA_OF, SEAL
from runbook.production.docker_engine import FOLDER
from runbook.settings.database import DatabaseSettings
from runbook.settings.schema import Deadlines
from runbook.text import counted

#: The largest schema that is read, in bytes of SQL.
_MOST_SCHEMA = 64 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
# $1 is the dump, $2 its final name, $3 the file for its hash. With the hash, a later incident, which does not have this
# journal, can verify the dump.
_SEALING = """
set -eu
hash=$(sha256sum < "$1")
printf '%s  %s\\n' "${hash%% *}" "$2" > "$3.new"
mv -f -- "$3.new" "$3"
"""


class RestorePoint:
    """The dumps of one incident, taken in the database's container with the server's own tools.

    The dump of an external database is written directly to the host. An older dump is never overwritten or removed.
    Restoring is a human decision. The record has the commands.
    """

    def __init__(
        self,
        database: Database,
        settings: DatabaseSettings,
        deadlines: Deadlines,
        incident: Executor,
        restoring: Restoring,
    ) -> None:
        self._production = production = database.server.production
        self._settings = settings
        self._deadlines = deadlines
        self._incident = incident
        self._restoring = restoring
        self._database = database
        self._folder = f"{production.directory}/{FOLDER}"
        #: The database's state before the dump at `path` started, if this run took that dump.
        self._before = DatabaseState()
        self._taking = ""

    @property
    def path(self) -> str:
        """The host path of the dump that this run takes, or else of the incident's newest one, or else of its first."""
        return self._taking or (found.path if (found := self._on_record()) else self._numbered(1))

    def _numbered(self, number: int) -> str:
        return f"{self._folder}/{self._incident.name}{f'.{number}' if number > 1 else ''}.dump"

    def _inside(self, path: str) -> str:
        return f"{self._settings.dump_directory.rstrip('/')}/{PurePosixPath(path).name}"

    def _on_record(self) -> RestorePointFact | None:
        """Return the newest recorded dump that this incident took, or None."""
        fact = self._incident.facts.restore_point
        return fact if fact and fact.path.startswith(f"{self._folder}/{self._incident.name}.") else None

    def can_be_taken(self) -> Check:
        """Return the check that pg_dump can read every table: its version, its rights, and no lock that blocks it.

        The check runs while users are served. It dumps only the schema and stores no output.
        """
        server = self._database.server

        def observe() -> Observation:
            command = server.command("pg_dump", "--schema-only", "--lock-wait-timeout", "10s")
            done = self._production.host.run(replace(command, secret_output=True, most_output=_MOST_SCHEMA))
            seen = "it reads the schema" if done.exit_code == 0 else done.last_line
            return Observation(done.exit_code == 0, f"pg_dump of {server.name} at {server.told}: {seen}", final=True)

        by_hand = server.typed("pg_dump", "--username", server.user, "--dbname", server.name, "--schema-only")
        return Check(
            "a pg_dump that reads the whole database",
            observe,
            f"to see why, run: {by_hand}",
            acceptable=False,
            vouchable=False,
        )

    def taking(self, reached: Callable[[], str | None]) -> Action:
        """Return the action that takes a dump and copies it to the host, unless the recorded one is intact and current.

        `reached` returns a reason if nothing is left to destroy, otherwise None. The action takes a dump under a new
        name if rows may have been written since the last one, or if that one differs in size or SHA-256 from the
        record. The dump is in PostgreSQL's custom format
        (https://www.postgresql.org/docs/current/app-pgdump.html).
        """
        server, production, deadline = self._database.server, self._production, self._deadlines.dump
        evidence = reached() or self._still_good()
        if evidence is None:
            self._taking = next(path for path in map(self._numbered, count(1)) if not self._is_there(path))

        def already() -> str | None:
            if evidence is None:
                self._before = read_state(self._database, deadline)
            return evidence

        new, seal = f"{self.path}.new", f"{self.path}{SEAL}"
        inside = () if server.elsewhere else (f"{self._settings.service}:{self._inside(self.path)}",)
        return Action(
            ActionName.TAKE_RESTORE_POINT,
            f"a restore point of {server.name} is taken",
            (
                production.command("mkdir", "--parents", "--mode=700", "--", self._folder),
                *self._dumping(new),
                production.command("chmod", "600", "--", new),
                production.command("sync", "--", new),
                production.command("sh", "-c", _SEALING, "sh", new, self.path, seal, deadline=deadline),
                production.command("mv", "--force", "--", new, self.path),
            ),
            already,
            leaves=(
                Artifact(self.path, "the restore point: all data of the database"),
                Artifact(seal, "the SHA-256 of the restore point"),
                *(Artifact(path, "the dump inside the database's container") for path in inside),
            ),
            resource=server.name,
            new=self.path,
        )

    def _dumping(self, new: str) -> tuple[Command, ...]:
        """Return the commands that write a dump to `new` on the host."""
        server, deadline, inside = self._database.server, self._deadlines.dump, self._inside(self.path)
        how = ("--format", "custom", "--lock-wait-timeout", "30s")
        if server.elsewhere:
            return (server.to_file(new, server.command("pg_dump", *how, deadline=deadline)),)
        return (
            server.command("pg_dump", *how, "--file", inside, deadline=deadline),
            self._production.compose("cp", f"{self._settings.service}:{inside}", new, deadline=deadline),
        )

    @property
    def _in_container(self) -> tuple[str, ...]:
        return ("exec", "-T", self._settings.service)

    def _is_there(self, path: str) -> bool:
        return self._production.host.run(self._production.command("test", "-e", path)).exit_code == 0

    def _still_good(self) -> str | None:
        """Return the evidence that the recorded dump is intact and holds all rows. Otherwise record why not."""
        fact = self._on_record()
        if fact is None:
            return None
        if not self._whole(fact):
            why = f"{fact.path} is missing, or differs in size or SHA-256 from the record"
        elif is_unchanged(fact.state, self._database, self._deadlines.dump):
            return f"{fact.path} is intact (size and SHA-256 match), and nothing was written since it was taken"
        else:
            why = f"rows may have been written since {fact.path} was taken; it is kept"
        self._incident.record_decision(
            Question.RESTORE_POINT,
            "Does the restore point of an earlier run of this incident still hold all rows?",
            "no",
            [why],
        )
        return None

    def _whole(self, fact: RestorePointFact) -> bool:
        try:
            return self.facts(fact.path) == (fact.size, fact.sha256)
        except CheckFailed:
            return False

    def reads_back(self, tables: tuple[str, ...], reached: Callable[[], str | None]) -> Check:
        """Return the check that the dump on the host equals the one in the container and lists every table.

        It records size and SHA-256. `tables` names the tables whose data the dump must hold, as `Database.tables`
        returns them. `reached` is as for `taking`.
        """

        def observe() -> Observation:
            fact, done = self._on_record(), reached()
            if done and fact is None:
                return Observation(ok=True, seen=f"{done}, and this incident took no restore point: none is needed")
            if done and fact and not self._whole(fact):
                # Nothing is left to destroy, so the dump is no longer required. Someone may have moved it.
                return Observation(
                    ok=True, seen=f"{done}; the restore point {fact.path} is missing, or differs from the recorded one"
                )
            size, digest = self.facts(self.path)
            if fact and (fact.path, fact.size, fact.sha256) == (self.path, size, digest):
                # The same bytes were read back before. The dump in the container may have been removed since.
                return Observation(
                    ok=True, seen=f"{self.path}: {size} bytes, sha256 {digest}, unchanged since it was read back"
                )
            listed = self._production.host.run(self._listing())
            inside = digest if self._database.server.elsewhere else self._hash_inside()
            if listed.exit_code != 0 or inside is None:
                raise Inconclusive(f"the dump cannot be read back: {listed.last_line}", "check the database's disk")
            held = set(DATA_OF.findall(listed.text))
            missing = sorted(set(tables) - held)
            good = inside == digest and not missing
            lacks = f"; no data for {', '.join(missing)}" if missing else ""
            if good:
                self._put_on_record(self.path, size, digest, self._before)
            differs = "" if inside == digest else "; it differs from the one in the container"
            holds = f"{size} bytes, sha256 {digest}, {counted(len(held), 'table')}"
            return Observation(good, f"{self.path}: {holds}{lacks}{differs}")

        return Check(
            "a restore point that lists every table",
            observe,
            "nothing has been undone; free disk space and resume",
            acceptable=False,
            vouchable=False,
        )

    def _listing(self) -> Command:
        deadline = self._deadlines.dump
        if self._database.server.elsewhere:
            return self._database.server.reading(self.path, "pg_restore", "--list", deadline=deadline)
        inside = self._inside(self.path)
        return self._production.compose(*self._in_container, "pg_restore", "--list", inside, deadline=deadline)

    def tidying(self) -> Action:
        """Return the action that removes the dump in the database's container. The one on the host is kept."""
        inside = self._inside(self.path)
        if self._database.server.elsewhere:
            return Action(
                ActionName.REMOVE_DUMP,
                "the dump inside the database's container is removed",
                already=lambda: "the dump was written directly to the host; no container has one",
                resource=self.path,
            )

        def already() -> str | None:
            answer = self._production.host.run(self._production.compose(*self._in_container, "test", "!", "-e", inside))
            return f"{inside} does not exist" if answer.exit_code == 0 else None

        return Action(
            ActionName.REMOVE_DUMP,
            "the dump inside the database's container is removed",
            (self._production.compose(*self._in_container, "rm", "--force", "--", inside),),
            already,
            removes=(f"{self._settings.service}:{inside}",),
            resource=f"{self._settings.service}:{inside}",
        )

    def remember(self, earlier: str) -> None:
        """Record the restore points of an earlier incident that this one continues.

        A dump counts only if it matches the SHA-256 stored next to it. Any other is recorded as not intact.
        """
        find = ("find", self._folder, "-maxdepth", "1", "-type", "f", "-name", f"{earlier}.*dump")
        listed = self._production.host.run(self._production.command(*find))
        for path in sorted(listed.text.splitlines()) if listed.exit_code == 0 else []:
            if not re.fullmatch(rf"{re.escape(f'{self._folder}/{earlier}')}(\.[0-9]+)?\.dump", path):
                continue
            checking = self._production.command(
                "sha256sum", "--check", "--strict", "--status", "--", f"{path}{SEAL}", deadline=self._deadlines.dump
            )
            if self._production.host.run(checking).exit_code == 0:
                self._put_on_record(path, *self.facts(path))
            else:
                why = f"{path} does not match the SHA-256 in {path}{SEAL}"
                text = f"Is the restore point of incident {earlier} intact?"
                self._incident.record_decision(Question.RESTORE_POINT, text, "no", [why], about=earlier)

    def _put_on_record(self, path: str, size: int, digest: str, state: DatabaseState | None = None) -> None:
        restore = self._restoring.how_to(path, digest, self._incident.facts)
        state = state or DatabaseState()
        fact = RestorePointFact(path=path, size=size, sha256=digest, restore=restore, state=state)
        self._incident.record_fact("restore point", fact)

    def facts(self, path: str) -> tuple[int, str]:
        """Return the size in bytes and the SHA-256 of a dump on the host. Raises CheckFailed when it is missing."""
        stat = self._production.host.run(self._production.command("stat", "--format=%s", "--", path))
        hashed = self._production.host.run(
            self._production.command("sha256sum", "--", path, deadline=self._deadlines.dump)
        )
        digest = hashed.text[:64]
        if stat.exit_code != 0 or not _SHA256.fullmatch(digest):
            raise CheckFailed(f"there is no restore point at {path}", "take one before undoing anything")
        return int(stat.text), digest

    def _hash_inside(self) -> str | None:
        hashing = (*self._in_container, "sha256sum", self._inside(self.path))
        answer = self._production.host.run(self._production.compose(*hashing, deadline=self._deadlines.dump))
        return answer.text[:64] if answer.exit_code == 0 and _SHA256.fullmatch(answer.text[:64]) else None
