"""The best case: what could be relaxed if the database had everything that the range made.

The database is asked only if that would suffice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from runbook.migrations.bridge.definitions import Definition
from runbook.migrations.bridge.names import views
from runbook.migrations.bridge.relaxation import Relaxation, candidates, in_order
from runbook.migrations.bridge.shapes import Shape
from runbook.migrations.image.mapped_models import Models
from runbook.migrations.verdict.schema_delta import SchemaDelta
from runbook.migrations.verdict.statements import Statement


class _Everything(dict[Any, Definition]):
    """A dictionary that contains every key."""

    def get(self, _key: Any, _default: Any = None) -> Definition:
        return Definition("", "")

    def __contains__(self, _key: object) -> bool:
        return True


class _Plain(dict[Any, Shape]):
    """Shapes in which a view can replace every table, and no name is taken."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        super().__init__()
        self._shape = Shape(plain=True, owner="", columns=columns)

    def get(self, _key: Any, _default: Any = None) -> Shape:
        return self._shape


def possible_relaxations(
    delta: SchemaDelta, models: Models, statements: Sequence[Statement], defaults: Mapping[str, str]
) -> list[Relaxation]:
    """Return everything that could be relaxed in the best case."""
    keys = tuple({key for table in models.tables for key in table.key})
    found = candidates(delta, models, _Everything(), defaults)
    return in_order([*found, *views(delta, models, _Plain(keys), _Everything(), statements)])
