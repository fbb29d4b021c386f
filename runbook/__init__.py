"""What steps talk about: one production, one incident, and how both are acted on, checked and recorded."""

VERSION = "0.1.0"
