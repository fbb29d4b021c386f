"""The statements that models imply: their content, and how psql's answers are read and compared."""

import pytest

from runbook.migrations.image.mapped_models import Models
from runbook.migrations.model_statements import (
    CodeStatement,
    Kind,
    Refused,
    compared,
    refused,
    script,
    statements_of_models,
)
from tests.support.migrations_table import SHOP, column, models

ODD = models(
    {"name": 'it"s', "schema": "A b", "columns": [column("x;--", "geometry"), column("y", "int", nullable=True)]}
)


def test_code_names_its_columns_and_leaves_the_rest_to_the_database() -> None:
    """An INSERT gives the columns that the database does not fill; the short one has NULL if there is no default."""
    found = {each.what: each.sql for each in statements_of_models(SHOP) if each.table == "orders"}
    assert found["SELECT of orders"].startswith('SELECT "id", "number", "status", "quantity", ')
    inserted = found["INSERT into orders"]
    assert inserted.startswith('INSERT INTO "orders" ("number", "quantity", "total", "note", "customer_id", "paid", ')
    assert found["INSERT without optional columns into orders"].count("NULL") == 3
    assert found["UPDATE of status in orders"] == """UPDATE "orders" SET "status" = '0n3'"""
    assert found["DELETE from orders"] == 'DELETE FROM "orders"'
    assert "UPDATE of id in orders" not in found


def test_table_with_a_type_that_no_rule_fills() -> None:
    """A table whose required column has an unknown type gets no INSERT; any name is quoted."""
    found = [each.sql for each in statements_of_models(ODD)]
    assert found[0] == 'SELECT "x;--", "y" FROM "A b"."it""s" LIMIT 0'
    assert [sql.split()[0] for sql in found] == ["SELECT", "UPDATE", "DELETE"]
    assert statements_of_models(Models(())) == []


ONE, TWO = CodeStatement("SELECT of a", "a", "SELECT 1"), CodeStatement("DELETE from a", "a", "SELECT 2")


def test_answers_are_those_behind_the_random_word() -> None:
    """Only lines that start with the marker are results; a missing result raises ValueError."""
    told = 'word 0 42703\nm4rk 0 00000 \nsome row\nm4rk 1 42703 column "x" does not exist\n'
    assert refused([ONE, TWO], "m4rk", told) == [Refused(TWO, "42703", 'column "x" does not exist')]
    with pytest.raises(ValueError, match="1 of 2"):
        refused([ONE, TWO], "m4rk", "m4rk 0 00000\n")
    assert script([ONE], "m4rk", '"$user", public').count("m4rk") == 1


def test_no_row_collides_with_another_of_the_trial() -> None:
    """The short row has the same key as the whole row, so it is rolled back before the whole row is inserted."""
    every = statements_of_models(SHOP)
    rows = [each for each in every if each.what.startswith("INSERT") and each.table == "orders" and not each.fired]
    assert [each.kept for each in rows] == [False, True]
    lines = script(rows, "m4rk", "").splitlines()
    assert [line for line in lines if "SAVEPOINT" in line][3::3] == [
        "ROLLBACK TO SAVEPOINT tried;",
        "RELEASE SAVEPOINT tried;",
    ]


def test_what_is_compared() -> None:
    """A missing name breaks unless both schemas lack it; NOT NULL needs the earlier schema; CHECK proves nothing."""
    gone, null, value = (Refused(ONE, state, "") for state in ("42703", "23502", "23514"))
    assert compared([gone], []) == ([gone], [], [])
    assert compared([gone], [gone]) == ([], [gone], [])
    assert compared([gone], None) == ([gone], [], [])
    assert compared([null], []) == ([null], [], [])
    assert compared([null], [null]) == ([], [], [])
    assert compared([null], None) == ([], [], [null])
    assert compared([value], []) == ([], [], [value])


def of_kind(kind: Kind, state: str, number: int = 1) -> Refused:
    return Refused(CodeStatement(f"{kind.name} {number}", "a", "", kind=kind, fired=True), state, "")


def test_what_is_certain_with_triggers_and_foreign_keys() -> None:
    """A refused second row, read-back, DELETE or largest value is certain, and a trigger that refuses both rows."""
    first, second = of_kind(Kind.INSERT, "23505"), of_kind(Kind.SECOND, "23505")
    assert compared([second], [])[0] == [second]
    assert compared([first, second], [])[0] == [], "both rows collide with something else"
    back, raised = of_kind(Kind.BACK, "22012"), of_kind(Kind.INSERT, "P0001")
    assert compared([back], [])[0] == [back]
    assert compared([raised, back], []) == ([], [], [raised]), "a row that is not there cannot be read back"
    both = [raised, of_kind(Kind.SECOND, "P0001")]
    assert compared(both, [])[0] == both
    blocked, large = of_kind(Kind.DELETE, "23503"), Refused(CodeStatement("u", "a", "", kind=Kind.LARGEST), "22001", "")
    assert compared([blocked, large], [])[0] == [blocked, large]
    assert compared([large], [large]) == ([], [], [])


def test_parents_come_before_their_children() -> None:
    """Parents are inserted before children; a child references a parent's row by the columns that the models name."""
    above = {"name": "z", "columns": [column("code", "TEXT", primary_key=True), column("n", "INTEGER")]}
    below = {
        "name": "a",
        "columns": [column("id", "INTEGER", primary_key=True, server_default=True), column("z", "INTEGER")],
        "foreign_keys": [{"columns": ["z"], "table": "z", "points_to": ["n"], "on_delete": "CASCADE"}],
    }
    found = [each for each in statements_of_models(models(below, above)) if each.fired]
    assert [each.table for each in found if each.kind is Kind.SECOND] == ["z", "a"]
    assert '(SELECT "n" FROM "z" ORDER BY 1 OFFSET 1 LIMIT 1)' in "".join(each.sql for each in found)
    assert [(each.table, each.kept) for each in found if each.kind is Kind.DELETE] == [
        ("z", False),
        ("a", True),
        ("z", True),
    ]
