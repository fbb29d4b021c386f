"""What users and health checks ask."""

from django.db import connection
from django.http import HttpRequest, JsonResponse

from shop.models import Order


def orders(_request: HttpRequest) -> JsonResponse:
    """Return every order."""
    return JsonResponse({"orders": list(Order.objects.values("id", "item"))})


def health(_request: HttpRequest) -> JsonResponse:
    """Tell whether the database answers."""
    try:
        connection.ensure_connection()
    except Exception:
        return JsonResponse({"status": "down"}, status=503)
    return JsonResponse({"status": "ok"})
