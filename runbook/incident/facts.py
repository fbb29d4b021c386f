"""The facts of an incident."""

from enum import StrEnum


class Strategy(StrEnum):
    """The ways back: only the application, the schema first, or forward with a release that mends the schema."""

    APPLICATION = "application"
    DOWNGRADE = "downgrade"
    FORWARD_FIX = "forward-fix"
