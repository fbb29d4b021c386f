"""What Python prints when an error ends the program: without secrets."""

import sys
import traceback
from collections.abc import Callable
from types import TracebackType

from runbook.text import visible


def redact_tracebacks(redact: Callable[[str], str]) -> None:
    """From now on let `redact` strike secrets out of the traceback of an error that nobody caught."""

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(visible(redact("".join(traceback.format_exception(kind, error, trace)))))

    sys.excepthook = show
