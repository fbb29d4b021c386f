"""Bearer tokens."""

import hmac

from fastapi import HTTPException


def require_bearer(authorization: str | None, token: str) -> None:
    """Answer 401 unless the Authorization header carries the token; an empty token admits nobody."""
    given = (authorization or "").encode()
    # Compared in constant time, so that the answer's delay tells nothing about the token.
    if not token or not hmac.compare_digest(given, f"Bearer {token}".encode()):
        raise HTTPException(401, "a valid bearer token is required", {"WWW-Authenticate": "Bearer"})
