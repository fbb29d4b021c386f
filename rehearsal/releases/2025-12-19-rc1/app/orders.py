"""Orders: the latest ones, and new ones."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import DatabaseSession
from app.models import Discount, Order
from app.pricing import price

router = APIRouter()


class NewOrder(BaseModel):
    """What a customer sends."""

    customer: Annotated[str, Field(min_length=1, max_length=200)]
    item: Annotated[str, Field(min_length=1, max_length=200)]
    quantity: Annotated[int, Field(gt=0, le=1000)]
    currency: Literal["EUR", "CHF", "GBP", "USD"]
    discount: Annotated[str | None, Field(max_length=20)] = None


def reduced(cents: int, code: str | None, session: Session) -> int:
    """Return what a price is with a discount."""
    percent = session.scalars(select(Discount.percent).where(Discount.code == code)).one()
    return round(cents * (100 - percent) / 100)


def described(order: Order, session: Session) -> dict[str, object]:
    """Return an order as the API shows it, with its price in cents of its currency."""
    cents = price(order.item, order.quantity, order.currency)
    return {
        "id": order.id,
        "customer": order.customer,
        "item": order.item,
        "quantity": order.quantity,
        "currency": order.currency,
        "price": reduced(cents, order.discount, session),
        "discount": order.discount,
        "placed_at": order.placed_at.isoformat(),
    }


@router.get("/orders")
def latest_orders(session: DatabaseSession) -> list[dict[str, object]]:
    """Return the 20 latest orders, newest first."""
    orders = session.scalars(select(Order).order_by(Order.id.desc()).limit(20))
    return [described(order, session) for order in orders]


@router.post("/orders", status_code=201)
def place_order(order: NewOrder, session: DatabaseSession) -> dict[str, object]:
    """Keep a new order and return it."""
    row = Order(**order.model_dump())
    session.add(row)
    session.flush()
    answer = described(row, session)
    session.commit()
    return answer
