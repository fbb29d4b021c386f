"""The worker: every second it keeps the day's totals and beats its heart."""

import logging
import signal
import sys
import threading
from types import FrameType

from sqlalchemy.orm import Session

from app import heartbeat
from app.database import engine
from app.logs import configure_logging
from app.settings import SETTINGS
from app.totals import keep_totals

PERIOD = 1.0  # seconds

log = logging.getLogger("app.worker")


def work() -> None:
    """Do the work of one turn."""
    with Session(engine()) as session:
        keep_totals(session)
        heartbeat.beat(session)
        session.commit()
    heartbeat.touch()


def main() -> int:
    """Work until told to stop; return 1 after an unexpected error, for the restart policy to see."""
    configure_logging()
    stop = threading.Event()

    def told_to_stop(number: int, _frame: FrameType | None) -> None:
        log.info("%s: the worker stops", signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, told_to_stop)
    signal.signal(signal.SIGINT, told_to_stop)
    log.info(
        "the worker of release %s starts; exports are %s", SETTINGS.release, "on" if SETTINGS.exports_on else "off"
    )
    while not stop.is_set():
        try:
            work()
        except Exception as error:
            log.exception("the day's totals failed: %r", error)  # noqa: TRY401 - first line alone must say what it was
            return 1
        stop.wait(PERIOD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
