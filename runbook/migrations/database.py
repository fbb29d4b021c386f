"""At which revision the database is: asked of PostgreSQL, from inside its own container."""

import re

from runbook.errors import Inconclusive
from runbook.production import Production
from runbook.settings import DatabaseSettings

_REVISION = re.compile(r"[\w.-]{1,255}")


def revisions_of(production: Production, settings: DatabaseSettings) -> tuple[str, ...]:
    """The revisions in `alembic_version`, sorted; more than one when branches are not merged.

    Raises Inconclusive when the database does not tell.
    """
    answer = production.host.run(
        production.compose(
            "exec",
            "-T",
            settings.service,
            "psql",
            "--no-psqlrc",
            "--username",
            settings.user,
            "--dbname",
            settings.name,
            "--no-align",
            "--tuples-only",
            "--command",
            "SELECT version_num FROM alembic_version",
        )
    )
    found = answer.text.split()
    if answer.exit_code != 0 or not found or not all(_REVISION.fullmatch(revision) for revision in found):
        raise Inconclusive(
            f"the schema revision of the database {settings.name} cannot be read: {answer.last_words}",
            f"look at the service {settings.service} and at database.user and database.name in the settings",
        )
    return tuple(sorted(found))
