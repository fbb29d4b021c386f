"""A message board in small."""

import os

from flask import Flask, Response, jsonify
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "postgresql+psycopg://nobody@localhost/none")
db = SQLAlchemy(app)
migrate = Migrate(app, db)


class Message(db.Model):
    """One message."""

    id = db.Column(db.Integer, primary_key=True)
    text = db.Column(db.Text, nullable=False)


@app.get("/")
def messages() -> Response:
    """Return every message."""
    return jsonify([each.text for each in db.session.scalars(db.select(Message))])


@app.get("/ping")
def ping() -> str:
    """Tell that it is alive."""
    return "pong"
