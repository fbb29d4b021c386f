"""Exports and reports: for users with a token, while EXPORT_MODE is on."""

import csv
import io
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Response
from sqlalchemy import select

from app.database import DatabaseSession
from app.models import DailyTotal, Order
from app.security import require_bearer
from app.settings import SETTINGS


def switched_on() -> None:
    """Answer 404 to everybody while exports are off."""
    if not SETTINGS.exports_on:
        raise HTTPException(404, "exports are disabled")


def user(authorization: Annotated[str | None, Header()] = None) -> None:
    """Answer 401 to whoever has no user token."""
    require_bearer(authorization, SETTINGS.user_token)


router = APIRouter(dependencies=[Depends(switched_on)])


@router.get("/exports/orders.csv")
def export_orders(session: DatabaseSession) -> Response:
    """Return all orders as CSV, oldest first."""
    columns = Order.__table__.columns.keys()
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(columns)
    writer.writerows(
        [getattr(order, name) for name in columns] for order in session.scalars(select(Order).order_by(Order.id))
    )
    return Response(sheet.getvalue(), media_type="text/csv")


@router.get("/reports/daily", dependencies=[Depends(user)])
def report_daily(session: DatabaseSession) -> list[dict[str, object]]:
    """Return the totals of each day, newest first, in euro cents."""
    totals = session.scalars(select(DailyTotal).order_by(DailyTotal.day.desc()))
    return [{"day": row.day.isoformat(), "orders": row.orders, "euro_cents": row.euro_cents} for row in totals]
