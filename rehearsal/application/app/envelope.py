"""What surrounds every request: the X-Release header, the figures, the access log, errors in the log."""

import logging
import time
from typing import TYPE_CHECKING

from app.metrics import REQUESTS, SECONDS
from app.settings import SETTINGS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUIET = {
    "/healthz",
    "/readyz",
    "/metrics",
}  # asked every second by machines; logged only when something is wrong
WRONG = 500

access_log = logging.getLogger("app.access")


class Envelope:
    """An ASGI application around another one.

    It stands outside of the framework's own error handling, so that its answers to unexpected errors
    carry the header too.
    """

    def __init__(self, inner: "ASGIApp") -> None:
        self.inner = inner

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass one request on, and see its answer off."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        began = time.monotonic()
        status = WRONG

        async def send_stamped(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-release", SETTINGS.release.encode())]
            await send(message)

        try:
            await self.inner(scope, receive, send_stamped)
        except Exception as error:
            # The framework has answered 500 by now and raised the error again, for us to log.
            endpoint = scope.get("endpoint")
            log = logging.getLogger(getattr(endpoint, "__module__", "app"))
            log.exception("%s %s failed: %r", scope["method"], scope["path"], error)  # noqa: TRY401 - first line alone must say what it was
        took = time.monotonic() - began
        path = getattr(scope.get("route"), "path", "unknown")
        REQUESTS.labels(scope["method"], path, status).inc()
        SECONDS.labels(scope["method"], path).observe(took)
        if scope["path"] not in QUIET:
            access_log.info("%s %s %d %.0f ms", scope["method"], scope["path"], status, took * 1000)
