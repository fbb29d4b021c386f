"""The facts of an incident."""

from enum import StrEnum


class Strategy(StrEnum):
    """The strategies: only the application, the schema first, or forward with a release that mends the schema."""

    IMAGE_ONLY = "image-only"
    DOWNGRADE = "downgrade"
    FORWARD_FIX = "forward-fix"
