"""Sample values by the type that the code declares."""

import pytest

from runbook.migrations.image.mapped_models import MappedColumn
from runbook.migrations.verdict.sample_values import comparable, largest, sample


def of(kind: str, labels: tuple[str, ...] | None = None) -> MappedColumn:
    return MappedColumn("c", kind, nullable=False, labels=labels)


@pytest.mark.parametrize(
    ("kind", "first", "second", "most"),
    [
        ("INTEGER", "3", "103", "2147483647"),
        ("SMALLINT", "3", "103", "32767"),
        ("VARCHAR(1)", "'0'", "'1'", "'n'"),
        (
            "VARCHAR(36)",
            "'00000000-0000-0000-0000-000000000003'",
            "'10000000-0000-0000-0000-000000000003'",
            f"'{'n' * 36}'",
        ),
        ("TEXT", "'0n3'", "'1n3'", None),
        ("NUMERIC(4, 2)", "0", "1", "99.99"),
        ("NUMERIC(2, 2)", "0.0", "0.1", "0.99"),
        ("BOOLEAN", "true", "false", None),
        ("JSONB", """'{"n": 0}'""", """'{"n": 1}'""", None),
        ("DATE", "'2020-01-01'", "'2021-01-01'", None),
        ("INTEGER[]", "'{}'", "'{}'", None),
        ("geometry", None, None, None),
        ("unknown type !", None, None, None),
    ],
)
def test_values(kind: str, first: str | None, second: str | None, most: str | None) -> None:
    """Two rows differ if the type has two values; the largest value is at the declared limit."""
    assert (sample(of(kind), 3, 0), sample(of(kind), 3, 1), largest(of(kind))) == (first, second, most)


def test_labels() -> None:
    """For an enum, whatever its type, the values are labels that the code knows, and there is no largest one."""
    kind = of("VARCHAR(9)", ("it's", "b"))
    assert (sample(kind, 1, 0), sample(kind, 1, 1), largest(kind), comparable(kind)) == ("'it''s'", "'b'", None, True)


def test_json_has_no_equality() -> None:
    """PostgreSQL can compare jsonb, but not json."""
    assert [comparable(of(kind)) for kind in ("JSON", "JSONB", "TEXT", "geometry")] == [False, True, True, False]
