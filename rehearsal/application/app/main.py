"""The API as one ASGI application."""

from fastapi import FastAPI

from app import exports, health, metrics, orders
from app.envelope import Envelope

api = FastAPI(title="shop", docs_url=None, redoc_url=None, openapi_url=None)
for part in (health, metrics, orders, exports):
    api.include_router(part.router)

app = Envelope(api)
