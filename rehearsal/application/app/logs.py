"""How the shop's log lines look: `2026-01-01T00:00:00.000Z ERROR app.orders message`."""

import json
import logging
import logging.config
from datetime import UTC, datetime
from pathlib import Path


class UtcFormatter(logging.Formatter):
    """One line a record, with the time in UTC to the millisecond; a traceback follows on lines of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - overrides logging's own method
        """Return the record's time, as in 2026-01-01T00:00:00.000Z."""
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure_logging() -> None:
    """Send the log lines of this process to standard output, as logging.json says."""
    path = Path(__file__).parent.parent / "logging.json"
    logging.config.dictConfig(json.loads(path.read_text()))
