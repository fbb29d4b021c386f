"""The restore point: a dump of the database, taken before anything is undone, read back, and kept on the host."""

import re

from runbook.errors import CheckFailed, Inconclusive
from runbook.host_files import FOLDER
from runbook.incident.incident import Incident
from runbook.migrations.restoring import Restoring
from runbook.production import Production
from runbook.sentence import Change, Expectation, Kept, Seen
from runbook.settings import DatabaseSettings, Deadlines

_SHA256 = re.compile(r"[0-9a-f]{64}")


class RestorePoint:
    """The dump of one incident. It is made inside the database's own container, with that server's own tools.

    `path` is where it is kept on the production host. Restoring is a human's decision; the record says how.
    """

    def __init__(
        self,
        production: Production,
        settings: DatabaseSettings,
        deadlines: Deadlines,
        incident: Incident,
        restoring: Restoring,
    ) -> None:
        self._production = production
        self._settings = settings
        self._deadlines = deadlines
        self._incident = incident
        self._restoring = restoring
        self._inside = f"{settings.dump_directory.rstrip('/')}/{incident.name}.dump"
        self._folder = f"{production.directory}/{FOLDER}"
        self.path = f"{self._folder}/{incident.name}.dump"

    def taking(self) -> Change:
        """The change that takes the dump and brings it to the host; one that is there whole already counts.

        The dump is in PostgreSQL's custom format (https://www.postgresql.org/docs/current/app-pgdump.html).
        """
        database, production, deadline = self._settings, self._production, self._deadlines.dump
        inside = ("exec", "-T", database.service)
        return Change(
            f"a restore point of {database.name} is taken",
            (
                production.command("mkdir", "--parents", "--mode=700", "--", self._folder),
                production.compose(
                    *inside, "pg_dump", "--username", database.user, "--dbname", database.name,
                    "--format", "custom", "--lock-wait-timeout", "30s", "--file", self._inside, deadline=deadline,
                ),
                production.compose("cp", f"{database.service}:{self._inside}", f"{self.path}.new", deadline=deadline),
                production.command("chmod", "600", "--", f"{self.path}.new"),
                production.command("sync", "--", f"{self.path}.new"),
                production.command("mv", "--force", "--", f"{self.path}.new", self.path),
            ),
            self._taken_already,
            leaves=(
                Kept(self.path, "the restore point: all data of the database"),
                Kept(f"{database.service}:{self._inside}", "the dump inside the database's container"),
            ),
        )  # fmt: skip

    def _taken_already(self) -> str | None:
        # Taken once and never again: a second dump, after the downgrade, would replace what it is there to save.
        exists = self._production.host.run(self._production.command("test", "-s", self.path))
        return f"{self.path} is there from before" if exists.exit_code == 0 else None

    def reads_back(self, tables: tuple[str, ...]) -> Expectation:
        """That the dump on the host is the one inside, byte for byte, lists every table, and has a size and a hash.

        `tables` are the names of tables whose data it must hold.
        """

        def look() -> Seen:
            size, digest = self.facts(self.path)
            known = self._incident.facts.get("restore point", {})
            if (known.get("path"), known.get("sha256")) == (self.path, digest):
                # The one inside may be removed by then; it was compared, and listed, before.
                return Seen(ok=True, seen=f"{self.path}: {size} bytes, sha256 {digest}, as it was read back before")
            listed = self._production.host.run(
                self._production.compose(
                    "exec",
                    "-T",
                    self._settings.service,
                    "pg_restore",
                    "--list",
                    self._inside,
                    deadline=self._deadlines.dump,
                )
            )
            inside = self._hash_inside()
            if listed.exit_code != 0 or inside is None:
                raise Inconclusive(f"the dump cannot be read back: {listed.last_words}", "look at the database's disk")
            held = set(re.findall(r"TABLE DATA \S+ (\S+)", listed.text))
            missing = sorted(set(tables) - held)
            good = inside == digest and not missing
            lacks = f"; no data of {', '.join(missing)}" if missing else ""
            if good:
                self._put_on_record(self.path, size, digest)
            differs = "" if inside == digest else "; it is not the one inside the container"
            return Seen(good, f"{self.path}: {size} bytes, sha256 {digest}, {len(held)} tables{lacks}{differs}")

        return Expectation(
            "a restore point that lists every table",
            look,
            "nothing was undone yet; free disk space and go on",
            acceptable=False,
        )

    def tidying(self) -> Change:
        """The change that takes the dump inside the database's container away; the one on the host stays."""
        inside = ("exec", "-T", self._settings.service)

        def already() -> str | None:
            answer = self._production.host.run(self._production.compose(*inside, "test", "!", "-e", self._inside))
            return f"there is no {self._inside}" if answer.exit_code == 0 else None

        removing = self._production.compose(*inside, "rm", "--force", "--", self._inside)
        return Change(
            "the dump inside the database's container is removed",
            (removing,),
            already,
            removes=(f"{self._settings.service}:{self._inside}",),
        )

    def remember(self, earlier: str) -> None:
        """Put the restore point of an earlier incident, which this one goes on from, on record; if it took one."""
        path = f"{self._folder}/{earlier}.dump"
        if self._production.host.run(self._production.command("test", "-s", path)).exit_code == 0:
            size, digest = self.facts(path)
            self._put_on_record(path, size, digest)

    def _put_on_record(self, path: str, size: int, digest: str) -> None:
        restore = self._restoring.how_to(path, digest, self._incident.facts)
        self._incident.learn("restore point", {"path": path, "size": size, "sha256": digest, "restore": restore})

    def facts(self, path: str) -> tuple[int, str]:
        """Size in bytes and SHA-256 of a dump on the host. Raises CheckFailed when it is not there."""
        stat = self._production.host.run(self._production.command("stat", "--format=%s", "--", path))
        hashed = self._production.host.run(
            self._production.command("sha256sum", "--", path, deadline=self._deadlines.dump)
        )
        digest = hashed.text[:64]
        if stat.exit_code != 0 or not _SHA256.fullmatch(digest):
            raise CheckFailed(f"there is no restore point at {path}", "it must be taken before anything is undone")
        return int(stat.text), digest

    def _hash_inside(self) -> str | None:
        answer = self._production.host.run(
            self._production.compose(
                "exec", "-T", self._settings.service, "sha256sum", self._inside, deadline=self._deadlines.dump
            )
        )
        return answer.text[:64] if answer.exit_code == 0 and _SHA256.fullmatch(answer.text[:64]) else None
