"""Figures for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from app.security import require_bearer
from app.settings import SETTINGS

REQUESTS = Counter("shop_http_requests", "Requests answered.", ["method", "path", "status"])
SECONDS = Histogram("shop_http_request_seconds", "How long answers took.", ["method", "path"])
BUILD = Gauge("shop_build_info", "Always 1; the label names the release.", ["release"])
BUILD.labels(SETTINGS.release).set(1)

router = APIRouter()


@router.get("/metrics")
def metrics(authorization: Annotated[str | None, Header()] = None) -> Response:
    """Return all figures as text, to whoever has the metrics token."""
    require_bearer(authorization, SETTINGS.metrics_token)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
