"""The verdicts on a real PostgreSQL: an additive migration breaks nothing, and a breaking one does."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from runbook.migrations.image.mapped_models import Models
from runbook.migrations.model_statements import Refused, compared, refused, script, statements_of_models
from runbook.migrations.verdict.ddl.dispatch import STUMBLED
from runbook.migrations.verdict.findings import Verdict
from runbook.migrations.verdict.judge import judge
from tests.engine.old_code import failures, rows, tables
from tests.engine.postgres_cluster import Cluster, cluster
from tests.support.campaigns import examples, sampled
from tests.support.migrations_table import BESIDE, MOOD, ROWS, SHOP, Row
from tests.support.migrations_writing import migrations

RUNNABLE = [row for row in ROWS if not row.unrunnable and row.models not in {"coupons", "partitioned"}]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL with the target's database, once with rows and once without, and one that each row rebuilds."""
    with cluster() as running:
        for name in ("filled", "bare", "it"):
            running.must("postgres", f"CREATE DATABASE {name}")
        running.must("filled", _EMPTY + _BARE + rows(SHOP))
        running.must("bare", _EMPTY + _BARE)
        yield running


# Removes what a row has left. Recreating the database takes ten times as long.
_EMPTY = """
SET client_min_messages = error;
DO $$ DECLARE it record; BEGIN
  FOR it IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', it.nspname);
  END LOOP;
  FOR it IN SELECT pubname FROM pg_publication LOOP EXECUTE format('DROP PUBLICATION %I', it.pubname); END LOOP;
END $$;
CREATE SCHEMA public;
"""
_BARE = MOOD + tables(SHOP) + BESIDE


def migrate(postgres: Cluster, row: Row) -> None:
    """Run the upgrade of a row, with rows in the tables if they allow it, otherwise on empty tables."""
    for filled in (rows(row.there), ""):
        postgres.must("it", _EMPTY + MOOD + tables(row.there) + BESIDE + filled)
        done = postgres.psql("it", row.sql)
        if done.returncode == 0:
            break
    assert done.returncode == 0, f"PostgreSQL refuses the migration: {done.stderr}"
    if row.then:
        postgres.must("it", row.then)


@pytest.mark.parametrize("row", sampled(RUNNABLE, 5), ids=lambda row: f"{row.verdict}: {row.name}")
def test_the_table_holds(postgres: Cluster, row: Row) -> None:
    """After an additive migration, no statement of the target's code is refused; after a breaking one, some are."""
    migrate(postgres, row)
    refused = failures(postgres, "it", row.there)
    if row.verdict in {"unchanged", "additive"}:
        assert refused == [], row.why
    elif row.verdict == "breaking" or row.then:
        assert refused or row.silent, row.why


@pytest.mark.parametrize("row", sampled(RUNNABLE, 5), ids=lambda row: f"{row.verdict}: {row.name}")
def test_the_statements_of_the_models_agree(postgres: Cluster, row: Row) -> None:
    """The statements of a schema trial, on a copy without rows, find nothing after an additive migration.

    After a breaking one, the worse verdict counts: what the trial does not see, the SQL still shows.
    """
    postgres.must("it", _EMPTY + MOOD + tables(row.there) + BESIDE)
    then = tried(postgres, row.there)
    done = postgres.psql("it", row.sql)
    assert done.returncode == 0, done.stderr
    breaks, gone, _ = compared(tried(postgres, row.there), then)
    assert gone == []
    if row.verdict in {"unchanged", "additive"}:
        assert breaks == [], row.why


def tried(postgres: Cluster, mapped: Models) -> list[Refused]:
    """Return the statements of the models that the database refuses. The database is unchanged afterwards."""
    statements = statements_of_models(mapped)
    return refused(statements, "m4rk", postgres.psql("it", script(statements, "m4rk", ""), stop=False).stdout)


def accepted(postgres: Cluster, database: str, statements: list[str]) -> str:
    """Return those statements that PostgreSQL accepts one after the other."""
    tried = (f"SAVEPOINT s;\n{each};\n\\echo @@ :ERROR\n\\if :ERROR\nROLLBACK TO s;\n\\endif" for each in statements)
    told = postgres.psql(database, "\n".join(["BEGIN;", *tried, "ROLLBACK;"]), stop=False).stdout
    taken = [line.split()[-1] == "false" for line in told.splitlines() if line.startswith("@@")]
    return "".join(f"{each};\n" for each, good in zip(statements, taken, strict=True) if good)


@settings(max_examples=examples(100, 400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statements=migrations(), database=st.sampled_from(["filled", "bare"]))
def test_a_random_migration(postgres: Cluster, statements: list[str], database: str) -> None:
    """After `judge` says additive, no statement of the target's code is refused; after breaking, some are."""
    sql = accepted(postgres, database, statements)
    found = judge(sql, SHOP)
    event(str(found.verdict))
    assert not any(STUMBLED in each.reason for each in found.findings)
    if found.verdict is Verdict.REVIEW:
        return
    refused = failures(postgres, database, SHOP, first=f"BEGIN;\n{sql}", last="ROLLBACK;")
    assert bool(refused) == (found.verdict is Verdict.BREAKING), (sql, refused, found.evidence)


def test_names_are_cut_as_postgres_cuts_them(postgres: Cluster) -> None:
    """PostgreSQL cuts a name after 63 bytes, and so does the reading of models."""
    told = postgres.must("bare", f"SELECT octet_length(CAST('{'ä' * 40}' AS name)::text)")
    assert re.fullmatch(r"62\n", told)
