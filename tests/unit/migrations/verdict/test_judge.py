"""`judge` on any input: it never crashes, respects its limits, and an unknown statement never improves a verdict."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.errors import ModelsError
from runbook.migrations.image.mapped_models import models_from_json
from runbook.migrations.verdict.column_types import of_text
from runbook.migrations.verdict.ddl.dispatch import STUMBLED
from runbook.migrations.verdict.findings import Verdict, worst
from runbook.migrations.verdict.judge import judge
from runbook.migrations.verdict.table_names import Name
from tests.support.campaigns import examples
from tests.support.migrations_table import ROWS, SHOP
from tests.support.migrations_writing import migrations

UNKNOWN = st.sampled_from(
    [
        "DO $$ BEGIN PERFORM 1; END $$",
        "CALL tidy()",
        "SELECT tidy()",
        "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
        "NO SQL AT ALL",
        "\\connect other",
        "SELECT 'open",
        'SELECT "open',
        "/* open",
        "$$",
        "\0",
        "VACUUM FULL; REASSIGN OWNED BY a TO b",
        "ALTER TABLE orders NO INHERIT parent",
        "SELECT " + "(" * 30_000,
        "SELECT 1" + "+1" * 60_000,
        "ALTER TABLE other.orders SET WITHOUT CLUSTER, ADD EXCLUDE (number WITH =)",
    ]
)
KNOWN = [SHOP, None]
PIECES = [";", "'", '"', "$$", "--", "/*", "*/", "\\", "DROP", "TABLE", "orders", "x", "(", ")", ",", "1"]


@settings(max_examples=examples(150, 300), deadline=None)
@given(statements=migrations(), unknown=UNKNOWN, models=st.sampled_from(KNOWN))
def test_what_is_unknown_never_makes_a_verdict_better(statements: list[str], unknown: str, models: object) -> None:
    """After any migration, a statement without a rule gives at best the verdict review, and no better one."""
    sql = ";\n".join(statements)
    before, after = judge(sql, models).verdict, judge(f"{sql};\n{unknown}", models).verdict
    assert worst([before, after, Verdict.REVIEW]) is after


@settings(max_examples=examples(200, 400), deadline=None)
@given(rows=st.lists(st.sampled_from(ROWS), max_size=5), models=st.sampled_from(KNOWN))
def test_any_sequence_has_a_verdict(rows: list[object], models: object) -> None:
    """Migrations in any order get a verdict, and no rule fails on them."""
    found = judge("\n;".join(row.sql for row in rows), models)
    assert found.verdict is worst(each.verdict for each in found.findings)
    assert not any(STUMBLED in each.reason for each in found.findings)


@settings(max_examples=examples(150, 300), deadline=None)
@given(sql=st.text(max_size=200) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_text_has_a_verdict(sql: str) -> None:
    """No text makes `judge` crash, and no finding contains a control character."""
    found = judge(sql, SHOP)
    assert all(text.isprintable() for each in found.findings for text in (each.statement, each.object, each.reason))


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("ALTER TABLE orders ADD COLUMN c{} integer DEFAULT 0;\n", id="statements"),
        pytest.param("INSERT INTO orders (number) VALUES ('n{}');\n", id="inserts"),
    ],
)
def test_five_megabytes(sql: str) -> None:
    """Five million characters are judged within seconds; statements beyond the limits give review."""
    text = "".join(sql.format(n) for n in range(5_000_000 // len(sql)))
    began = time.process_time()
    found = judge(text + "ALTER TABLE orders DROP COLUMN note;", SHOP)
    assert time.process_time() - began < 30
    assert found.verdict in {Verdict.REVIEW, Verdict.BREAKING}


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO orders VALUES ('n')" + ", ('n')" * 600_000,
        "INSERT INTO orders VALUES ('n')" + ", ('n')" * 100_000,
        "SELECT 1" + "+1" * 2_000_000,
        "SELECT 1" + "+1" * 100_000,
        "SELECT a" + "::int" * 150_000,
        "SELECT 1" + " UNION SELECT 1" * 60_000,
        "SELECT 1 FROM a" + " CROSS JOIN a" * 60_000,
        "SELECT " + "(" * 5_000_000,
        "ALTER TABLE orders ADD CHECK (" + "NOT " * 4_000 + "paid)",
        "ALTER TABLE orders ADD c int DEFAULT 1" + "+1" * 4_900,
        "ALTER TABLE orders ADD c int CHECK (" + " OR ".join(["(c > 1 AND c < 2)"] * 2_000) + ")",
        "x" * 5_000_000,
        ";" * 1_000_000,
        "'" * 1_000_001,
        "ALTER TABLE orders " + ", ".join(f"ADD c{n} int" for n in range(1_600)),
    ],
    ids=lambda sql: f"{sql[:24]}… {len(sql)}",
)
def test_monsters(sql: str) -> None:
    """Texts that could exhaust a parser or a recursive rule get a verdict within seconds."""
    began = time.process_time()
    judge(sql, SHOP)
    assert time.process_time() - began < 20


def test_other_dialects_are_for_review() -> None:
    """SQL of another dialect is review; no statement is unchanged in every dialect."""
    assert judge("ALTER TABLE orders ADD c int", SHOP, "mysql").verdict is Verdict.REVIEW
    assert judge("  \n", SHOP, "mysql").verdict is Verdict.UNCHANGED


def test_findings_are_told_once() -> None:
    """Equal findings are listed once, with their number."""
    found = judge("DELETE FROM orders WHERE id = 7;\n" * 1000, SHOP)
    assert [(each.times, each.statement) for each in found.findings] == [(1000, "DELETE FROM orders WHERE id = 7")]


def test_findings_come_in_the_order_of_the_statements() -> None:
    """Each finding has its statement on one line, without the comments before it."""
    found = judge("-- one\nALTER TABLE orders\n  ADD c int;\n-- two\nDROP TABLE legacy;\nCALL x();", SHOP)
    assert [each.statement for each in found.findings] == [
        "ALTER TABLE orders ADD c int",
        "DROP TABLE legacy",
        "CALL x()",
    ]


def test_control_characters_are_shown_not_sent() -> None:
    """Escape sequences in SQL are escaped in findings, so that a terminal does not execute them."""
    found = judge('ALTER TABLE orders ADD "\x1b[2J\u202e" int NOT NULL', SHOP)
    assert "\\x1b[2J" in found.findings[0].object
    assert "\\u202e" in found.findings[0].statement


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", '{"tables": 1}', '{"tables": [1]}', '{"tables": [{}]}', "[" * 100_000, "\xff", "NaN",
     '{"tables": [{"name": "a", "columns": [{"name": "b", "type": "INTEGER"}]}]}',
     '{"tables": [{"name": "a", "columns": [{"name": "b", "type": 1, "nullable": true}]}]}',
     '{"tables": [{"name": "a", "columns": [{"name": "", "type": "INTEGER", "nullable": true}]}]}',
     '{"tables": [{"name": "a", "columns": [{"name": "\\ud800", "type": "INTEGER", "nullable": true}]}]}',
     '{"tables": [{"name": "a", "schema": 7, "columns": []}]}',
     '{"tables": [{"name": "a", "columns": []}, {"name": "a", "columns": []}]}',
     '{"tables": [{"name": "a", "columns": [{"name": "b", "type": "INTEGER", "nullable": "yes"}]}]}'],
)  # fmt: skip
def test_models_that_are_none(text: str) -> None:
    """Invalid models are refused in one printable line."""
    with pytest.raises(ModelsError) as caught:
        models_from_json(text)
    assert str(caught.value).isprintable()


@given(text=st.text(max_size=40))
def test_any_type_a_model_declares(text: str) -> None:
    """No text of a type makes the parser of types crash."""
    of_text(text)


@pytest.mark.parametrize(
    "text", ["int); DROP TABLE x; --", "int, 1", "int FROM orders", "int AS x", "", "int\0", "nothing here"]
)
def test_types_that_are_none(text: str) -> None:
    """The text of an invalid type gives an unknown type."""
    found = of_text(text)
    assert found is None or found.family is None or text == "int AS x"


def test_long_names_are_cut_as_postgres_cuts_them() -> None:
    """Names in models are cut to 63 bytes, as in PostgreSQL."""
    models = models_from_json(json.dumps({"tables": [{"name": "ä" * 40, "columns": []}]}))
    assert judge(f'DROP TABLE "{"ä" * 40}"', models).verdict is Verdict.BREAKING


def test_bookkeeping_is_found_where_the_settings_say() -> None:
    """Only changes of the configured version table (by default alembic_version) count as unchanged."""
    there = Name("audit", "My Versions")
    sql = "UPDATE audit.\"My Versions\" SET version_num = '2' WHERE audit.\"My Versions\".version_num = '1';"
    assert judge(sql, SHOP, bookkeeping=there).verdict is Verdict.UNCHANGED
    assert judge(sql, SHOP).verdict is Verdict.ADDITIVE  # the code does not map this table
    default = "UPDATE alembic_version SET version_num = '2' WHERE alembic_version.version_num = '1'"
    assert judge(default, SHOP).verdict is Verdict.UNCHANGED
    assert judge(default.replace("UPDATE ", "UPDATE public."), SHOP).verdict is Verdict.UNCHANGED
    assert judge(default, SHOP, bookkeeping=there).verdict is Verdict.ADDITIVE
    assert judge(default.replace("UPDATE ", "UPDATE other."), SHOP).verdict is Verdict.ADDITIVE
