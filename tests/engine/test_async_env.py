"""The env.py of `alembic init -t async`: the SQL from the image, and the migrations on a copy of the schema."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.docker_host.engine import Engine
from rehearsal.images.packages import fetch_packages
from rehearsal.images.parts import MACHINES
from runbook.migrations.image.probe import ask_image
from runbook.settings.database import MigrationSettings
from tests.engine import test_schema_trial as trials
from tests.engine.small_production import Here, raised
from tests.support.parts import host

LOCK = Path(__file__).with_name("async.lock")
COMPOSE = trials.COMPOSE.replace("postgresql://", "postgresql+asyncpg://")
# Alembic's template, with what every project fills in: the database's URL, and the tables.
DOCKERFILE = """
FROM {runtime}
USER root
COPY site /usr/local/lib/python3.11/dist-packages
WORKDIR /srv/app
COPY . .
RUN cd /tmp && python3 -m alembic init --template async new && cd - && cp /tmp/new/env.py migrations/env.py \\
 && sed -n '/^.loggers/,$ p' /tmp/alembic.ini >> alembic.ini \\
 && sed -i -e 's/^target_metadata = None/import os, models\\ntarget_metadata = models.metadata\\n\\
config.set_main_option("sqlalchemy.url", os.environ["DATABASE_URL"].replace("%", "%%"))/' \\
 -e 's/target_metadata=target_metadata/&, version_table="versions", version_table_schema="audit"/' migrations/env.py \\
 && grep -q async_engine_from_config migrations/env.py
USER nobody
CMD ["sleep", "3600"]
"""
MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
orders = sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("number", sa.Text))
"""


def write(folder: Path) -> None:
    """Write the histories, the models and the driver."""
    trials.write_histories(folder)
    (folder / "models.py").write_text(MODELS)
    fetch_packages(LOCK, folder / "site", MACHINES[Engine(folder).architecture()])


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """A production that migrates through asyncpg."""
    with raised(tmp_path_factory, "async-env", DOCKERFILE, COMPOSE, write) as found:
        yield found


def test_image_tells_its_sql_and_models(here: Here) -> None:
    """The offline half of that env.py needs no database and no event loop."""
    environment = {"DATABASE_URL": "postgresql+asyncpg://shop:x@database.internal/shop"}
    settings = MigrationSettings(section="adds")
    found = ask_image(host(), here.image, settings, environment=environment, span=("0001", "0002"), deadline=120)
    assert found.problems == ()
    assert found.models is not None
    assert [table.name for table in found.models.tables] == ["orders"]
    assert found.upgrade is not None
    assert "ALTER TABLE orders ADD COLUMN c INTEGER" in (found.upgrade.sql or "")
    assert found.downgrade is not None
    assert "ALTER TABLE orders DROP COLUMN c" in (found.downgrade.sql or "")


@pytest.mark.parametrize("history", ["adds", "drops"])
def test_tried_on_a_copy(here: Here, tmp_path: Path, history: str) -> None:
    """Down and up again through asyncpg. The server's log shows what both directions ran, statement by statement."""
    seen = trials.trial(here, tmp_path, history)
    assert (seen.untried, seen.no_way_back, seen.leads_nowhere) == ("", "", False)
    trials.what_ran(seen, "note" if history == "drops" else "c", adds=history == "adds")


def test_verdict_of_both_evidences(here: Here, tmp_path: Path) -> None:
    """A migration that queries the database can be judged only on the copy."""
    with trials.production(here, tmp_path, "asks") as context:
        found = trials.judged(context)
    assert found.assessment.verdict == "additive", found.assessment.evidence


def test_error_of_a_migration_is_told(here: Here, tmp_path: Path) -> None:
    """The last line is PostgreSQL's error, as asyncpg wraps it."""
    seen = trials.trial(here, tmp_path, "misnamed")
    assert 'column "cc" of relation "orders" does not exist' in seen.no_way_back
