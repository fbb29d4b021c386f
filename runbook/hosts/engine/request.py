"""One request to the Docker engine, in the form for the record."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class EngineRequest:
    """A request and its answer: `path` with its query, HTTP `status`, `seconds` until the answer.

    `status` is None when there was no answer. `error` says why.
    """

    method: str
    path: str
    seconds: float
    status: int | None = None
    error: str = ""


class EngineRecorder(Protocol):
    """Records requests to the engine. The incident implements it."""

    def engine_asked(self, request: EngineRequest) -> None:
        """Record one request to the engine."""


def reason(error: BaseException) -> str:
    """Return why there was no answer, in the operating system's words if it gave any."""
    # The SDK and its libraries wrap the message in their class names.
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    said = (each.strerror for each in reversed(causes) if isinstance(each, OSError) and each.strerror)
    return next(said, "") or str(error) or type(error).__name__
