"""Whether other partitions accept the rows of a partition, from PostgreSQL's text of the bounds."""

import pytest

from runbook.chapters.evidence.partitions import still_placed


def catalog(*bounds: str, above: str = "public.orders") -> list[tuple[str, ...]]:
    return [("partition", f"public.p{number}", f"{above} {bound}") for number, bound in enumerate(bounds)]


def between(begin: object, end: object) -> str:
    return f"FOR VALUES FROM ({begin}) TO ({end})"


YEAR = between("'2027-01-01'", "'2028-01-01'")
HALVES = (between("'2027-07-01'", "'2028-01-01'"), between("'2027-01-01'", "'2027-07-01'"))


@pytest.mark.parametrize(
    ("bound", "now", "placed"),
    [
        (YEAR, (YEAR,), True),
        (YEAR, HALVES, True),
        (YEAR, HALVES[:1], False),
        (YEAR, HALVES[1:], False),
        (YEAR, (HALVES[1], between("'2027-08-01'", "'2028-01-01'")), False),
        (YEAR, (between("'2027-01-01'", "'2029-01-01'"),), False),  # wider, but bounds are not ordered
        (YEAR, ("DEFAULT",), True),
        (YEAR, (), False),
        (between("MINVALUE", "'a', 1"), (between("MINVALUE", "'a', 0"), between("'a', 0", "'a', 1")), True),
        (between("') TO ('", "'b'"), (between("') TO ('", "'it''s'"), between("'it''s'", "'b'")), True),
        ("DEFAULT", ("DEFAULT",), True),
        ("DEFAULT", (between("MINVALUE", "MAXVALUE"),), False),
        ("FOR VALUES IN ('EUR', 'a, b', NULL)", ("FOR VALUES IN ('a, b')", "FOR VALUES IN (NULL, 'EUR')"), True),
        ("FOR VALUES IN ('EUR', 'CHF')", ("FOR VALUES IN ('EUR', 'GBP')",), False),
        ("FOR VALUES WITH (modulus 4, remainder 0)", ("FOR VALUES WITH (modulus 4, remainder 0)",), True),
        ("FOR VALUES WITH (modulus 4, remainder 0)", ("FOR VALUES WITH (modulus 2, remainder 0)",), False),
        ("something new", ("something newer",), False),
    ],
)
def test_place_for_each_row(bound: str, now: tuple[str, ...], placed: bool) -> None:  # noqa: FBT001 - the expected result
    """Ranges join end to end in any order; lists must have each constant; a default partition accepts the rest."""
    assert (still_placed(catalog(bound), catalog(*now)) == {"public.p0"}) is placed


def test_place_below_the_same_table_alone() -> None:
    """Partitions of another table do not accept the rows."""
    assert not still_placed(catalog(YEAR), catalog(YEAR, above="public.invoices"))


def test_partition_of_partitions_is_no_proof() -> None:
    """The bound of a partition that is itself partitioned proves nothing."""
    assert not still_placed(catalog(YEAR), [*catalog(*HALVES), ("table", "public.p1", "partitioned table")])


def test_bounds_end_as_they_begin() -> None:
    """A circle of ranges, which no database has, does not cause an endless loop."""
    assert not still_placed(catalog(between(1, 9)), catalog(between(1, 2), between(2, 1)))
