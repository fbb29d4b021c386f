"""Whether the target's code can live with the schema that the failed release left."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from runbook.migrations.in_image import ImageMigrations


class Verdict(StrEnum):
    """What can be said of the migrations between the target and the database."""

    UNCHANGED = "unchanged"
    ADDITIVE = "additive"
    BREAKING = "breaking"
    REVIEW = "review"


@dataclass(frozen=True)
class Assessment:
    """A verdict with the evidence it rests on, a sentence each."""

    verdict: Verdict
    evidence: tuple[str, ...]


def assess(database: Sequence[str], target: ImageMigrations) -> Assessment:
    """Judge the database's revisions against those of the target's image.

    Only sameness is judged so far; every difference is `review`, because unknown is never additive.
    """
    at = ", ".join(sorted(database))
    head = ", ".join(sorted(target.heads)) or "none"
    evidence = [f"the database is at revision {at}", f"the target's code expects {head}"]
    if set(database) == set(target.heads):
        return Assessment(Verdict.UNCHANGED, tuple(evidence))
    unknown = [revision for revision in sorted(database) if not target.knows(revision)]
    if unknown:
        evidence.append(f"the target's image has no revision {', '.join(unknown)}: the failed release brought it")
    else:
        evidence.append("the database is behind the target: its own migrations were never run, or were undone")
    return Assessment(Verdict.REVIEW, tuple(evidence))
