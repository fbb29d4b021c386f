"""What users and health checks ask. This release has a fault: an order without a note is not shown, but an error."""

from django.db import connection
from django.http import HttpRequest, JsonResponse

from shop.models import Order


def orders(_request: HttpRequest) -> JsonResponse:
    """Return every order, with its note in capitals."""
    return JsonResponse({"orders": [{"item": each.item, "note": each.note.upper()} for each in Order.objects.all()]})


def health(_request: HttpRequest) -> JsonResponse:
    """Tell whether the database answers."""
    try:
        connection.ensure_connection()
    except Exception:
        return JsonResponse({"status": "down"}, status=503)
    return JsonResponse({"status": "ok"})
