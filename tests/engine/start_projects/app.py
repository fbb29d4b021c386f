"""A test application. It answers on port 8000, and does at its start what KIND says."""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import psycopg

URL = os.environ["DATABASE_URL"]
KIND = os.environ["KIND"]

if KIND == "imports":
    from alembic import command
    from alembic.config import Config

    command.upgrade(Config("alembic.ini"), "head")
elif KIND == "creates":
    with psycopg.connect(URL) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS settings (name text PRIMARY KEY)")
elif KIND == "stamps":
    with psycopg.connect(URL) as connection:
        connection.execute("UPDATE audit.versions SET version_num = '0009'")
elif KIND == "dies":
    sys.exit("ConnectionError: no broker at mq:5672")


class Handler(BaseHTTPRequestHandler):
    """Queries the database, except for the silent kind."""

    def do_GET(self) -> None:
        """Answer 200 if the database answers."""
        if KIND != "silent":
            with psycopg.connect(URL) as connection:
                connection.execute("SELECT 1")
        self.send_response(200)
        self.end_headers()


HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()  # noqa: S104 - inside a container
