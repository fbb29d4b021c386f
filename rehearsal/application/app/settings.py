"""What the environment tells a process, read once when it starts."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The settings of one process."""

    release: str
    metrics_token: str
    user_token: str
    exports_on: bool


SETTINGS = Settings(
    release=os.environ.get("RELEASE", "unknown"),
    metrics_token=os.environ.get("METRICS_TOKEN", ""),
    user_token=os.environ.get("USER_TOKEN", ""),
    # Any other word than `on` disables exports: a misspelt switch must not leak data.
    exports_on=os.environ.get("EXPORT_MODE", "") == "on",
)
