"""Orders: the latest ones, and new ones."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from app.database import DatabaseSession
from app.models import Customer, Order
from app.pricing import price

router = APIRouter()


class NewOrder(BaseModel):
    """What a customer sends."""

    customer: Annotated[str, Field(min_length=1, max_length=200)]
    item: Annotated[str, Field(min_length=1, max_length=200)]
    quantity: Annotated[int, Field(gt=0, le=1000)]
    currency: Literal["EUR", "CHF", "GBP", "USD"]
    note: Annotated[str | None, Field(max_length=500)] = None


def described(order: Order) -> dict[str, object]:
    """Return an order as the API shows it, with its price in cents of its currency."""
    return {
        "id": order.id,
        "customer": order.customer.name,
        "item": order.item,
        "quantity": order.pieces,
        "currency": order.currency,
        "price": price(order.item, order.pieces, order.currency),
        "note": order.note,
        "placed_at": order.placed_at.isoformat(),
    }


@router.get("/orders")
def latest_orders(session: DatabaseSession) -> list[dict[str, object]]:
    """Return the 20 latest orders, newest first."""
    return [described(order) for order in session.scalars(select(Order).order_by(Order.id.desc()).limit(20))]


@router.post("/orders", status_code=201)
def place_order(order: NewOrder, session: DatabaseSession) -> dict[str, object]:
    """Keep a new order and return it."""
    row = Order(
        customer=Customer(name=order.customer),
        item=order.item,
        pieces=order.quantity,
        currency=order.currency,
        note=order.note,
    )
    session.add(row)
    session.flush()
    answer = described(row)
    session.commit()
    return answer
