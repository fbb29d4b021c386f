"""The catalog from one query: all of it, and the part that a release snapshot keeps."""

import pytest

from runbook.errors import Inconclusive
from runbook.migrations import catalog
from runbook.migrations.catalog import catalog_in, whole_catalog_in

INDEX, TABLE = ["index", "public.a_pkey", "CREATE INDEX"], ["table", "public.a", "table"]


def test_part_of_the_whole() -> None:
    """A release snapshot keeps tables and leaves out indexes."""
    whole = whole_catalog_in([INDEX, TABLE])
    assert whole == [tuple(INDEX), tuple(TABLE)]
    assert catalog_in(whole) == [tuple(TABLE)]


@pytest.mark.parametrize("row", [INDEX, TABLE])
def test_more_than_is_kept(row: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than the limit, in either part, are inconclusive instead of a partial catalog."""
    monkeypatch.setattr(catalog, "_MOST_ROWS", 2)
    whole_catalog_in([INDEX, INDEX, TABLE, TABLE])
    with pytest.raises(Inconclusive, match="more than 2 rows"):
        whole_catalog_in([INDEX, TABLE, row, row])
