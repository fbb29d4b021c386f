"""What could be relaxed if the database had all that the range made: it is asked only where that would be enough."""

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
    """Whatever is asked for is there."""

    def get(self, _key: Any, _default: Any = None) -> Definition:
        return Definition("", "")

    def __contains__(self, _key: object) -> bool:
        return True


class _Plain(dict[Any, Shape]):
    """Every table is one that a view can stand for, and no name is taken."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        super().__init__()
        self._shape = Shape(plain=True, owner="", columns=columns)

    def get(self, _key: Any, _default: Any = None) -> Shape:
        return self._shape


def hoped(
    delta: SchemaDelta, models: Models, statements: Sequence[Statement], defaults: Mapping[str, str]
) -> list[Relaxation]:
    """All that could be relaxed of a range at best."""
    keys = tuple({key for table in models.tables for key in table.key})
    found = candidates(delta, models, _Everything(), defaults)
    return in_order([*found, *views(delta, models, _Plain(keys), _Everything(), statements)])
