"""A file that is no Python."""

revision = "0002"
down_revision = "0001"


def upgrade(:
    pass
