"""All the SQL that a migration can run is read from its source, or counts as unknown."""

import ast

import pytest

from runbook.migrations.image.inside.function_shapes import shape_of

HEAD = "import sqlalchemy as sa\nfrom alembic import op\nfrom sqlalchemy import text, select\n"
ASKED = """bind = op.get_bind()
there = sa.inspect(bind)
if not there.has_table("a"):
    op.create_table("a", sa.Column("id", sa.Integer()), sa.Column("b", sa.dialects.postgresql.UUID()))
for row in bind.execute(sa.text("SELECT id FROM b")).mappings().all():
    bind.execute(text("UPDATE b SET c = :c WHERE id = :id").bindparams(id=row["id"]), {"c": str(row["id"]).lower()})
if bind.scalar(sa.select(sa.func.count()).select_from(sa.table("b"))) or bind.execute(text("SELECT 1")).scalar():
    op.execute("INSERT INTO a (id) "
               "VALUES (1)")
"""


def sql_of(body: str, *, head: str = HEAD, more: str = "") -> object:
    tree = ast.parse(f"{head}{more}\ndef upgrade():\n" + "".join(f"    {line}\n" for line in body.splitlines()))
    function = tree.body[-1]
    assert isinstance(function, ast.FunctionDef)
    return shape_of(function, tree)["sql"]


def test_all_that_it_can_run() -> None:
    """The SQL of all branches is found, also constants inside expressions; query objects give no text."""
    assert sql_of(ASKED) == [
        "SELECT id FROM b",
        "UPDATE b SET c = :c WHERE id = :id",
        "SELECT 1",
        "INSERT INTO a (id) VALUES (1)",
    ]


def test_functions_of_the_same_file_count() -> None:
    """Functions of the same file that it calls are read; the others are not."""
    more = "def filled():\n    op.execute('DELETE FROM a')\ndef downgrade():\n    op.execute('DROP TABLE a')\n"
    assert sql_of("filled()", more=more) == ["DELETE FROM a"]
    assert sql_of("filled()", more=more.replace("op.execute('DELETE", "mine('DELETE")) is None


@pytest.mark.parametrize(
    "body",
    [
        "op.execute(f'DELETE FROM {name}')",
        "op.execute('DELETE FROM {}'.format(name))",
        "op.execute('DELETE FROM ' + name)",
        "op.execute(name)",
        "op.execute(sa.text(name))",
        "op.execute()",
        "op.get_bind().execute(statement=name)",
        "op.execute(sa.text(text='DELETE FROM a'))",
        "op.execute(sa.update(a).values(b=1))",
        "op.execute(a.update().values(b=1))",
        "op.execute(sa.select(a.insert().returning(a.c.id).cte()))",
        "op.bulk_insert(a, [])",
        "op.drop_column('a', 'b')",
        "op.alter_column('a', 'b', postgresql_using='1')",
        "list(map(op.execute, texts))",
        "run = op.execute\nrun('DELETE FROM a')",
        "getattr(op, 'execute')('DELETE FROM a')",
        "session.query(A).delete()",
        "helper(op.get_bind())",
        "(lambda run: run('DELETE FROM a'))(x)",
        "op.execute('x' * 60000)",
        f"op.execute('{'x' * 60000}')",
    ],
)
def test_nothing_is_known_of_what_could_run_more(body: str) -> None:
    """SQL that is built, objects that write, and calls that the source does not show make the SQL unknown."""
    assert sql_of(body) is None


@pytest.mark.parametrize(
    "imported", ["from app import helper", "from . import helper", "import os", "import sqlalchemy, app.models"]
)
def test_nothing_is_known_beside_code_of_other_files(imported: str) -> None:
    """Imported code of other files makes the SQL unknown, because it could run anything."""
    assert sql_of("op.execute('DELETE FROM a')", head=f"{HEAD}{imported}\n") is None


def test_nothing_is_known_of_a_function_that_is_wrapped() -> None:
    """A decorated function makes the SQL unknown, because the decorator could run more."""
    more = "@sa.again\ndef filled():\n    op.execute('DELETE FROM a')\n"
    assert sql_of("filled()", more=more) is None
