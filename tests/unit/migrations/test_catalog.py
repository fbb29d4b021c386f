"""The catalog out of one answer: what a snapshot of a release has, and what a round trip must bring back besides."""

import pytest

from runbook.errors import Inconclusive
from runbook.migrations import catalog
from runbook.migrations.catalog import catalog_in, whole_catalog_in

INDEX, TABLE = ["index", "public.a_pkey", "CREATE INDEX"], ["table", "public.a", "table"]


def test_part_of_the_whole() -> None:
    """A snapshot has tables and what belongs to them."""
    whole = whole_catalog_in([INDEX, TABLE])
    assert whole == [tuple(INDEX), tuple(TABLE)]
    assert catalog_in(whole) == [tuple(TABLE)]


@pytest.mark.parametrize("row", [INDEX, TABLE])
def test_more_than_is_kept(row: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of either kind: it is not known, rather than half known."""
    monkeypatch.setattr(catalog, "_MOST_ROWS", 2)
    whole_catalog_in([INDEX, INDEX, TABLE, TABLE])
    with pytest.raises(Inconclusive, match="more than 2 rows"):
        whole_catalog_in([INDEX, TABLE, row, row])
