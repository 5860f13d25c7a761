"""Tables of the store, and its version."""

from __future__ import annotations

import sqlalchemy as sa

VERSION = 2
"""Version of the tables."""

GROWN_FROM = {"1": ("items",)}
"""Versions that are brought up to this one when a store is opened, by making these tables."""

metadata = sa.MetaData()

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

meta = sa.Table(
    "drrec_store",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)
"""What the store says of itself: its version."""

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("user", sa.String, index=True),
    sa.Column("liked", sa.Text, nullable=False),  # JSON list of items
    sa.Column("disliked", sa.Text, nullable=False),
    sa.Column("time", sa.Double, nullable=False),
)
"""Sessions, with what was said when they were opened."""


def _session(*, nullable: bool) -> sa.Column[str]:
    kept = sa.ForeignKey("sessions.id", ondelete="CASCADE")
    return sa.Column("session", sa.String, kept, nullable=nullable)


events = sa.Table(
    "events",
    metadata,
    sa.Column("number", _number, primary_key=True, autoincrement=True),
    _session(nullable=False),
    sa.Column("event", sa.String, nullable=False),
    sa.Column("user", sa.String, index=True),
    sa.Column("item", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.UniqueConstraint("session", "event"),
    sqlite_autoincrement=True,
)
"""Feedback, in the order in which it was stored; an event's id is unique in its session."""

shown = sa.Table(
    "shown",
    metadata,
    sa.Column("number", _number, primary_key=True, autoincrement=True),
    _session(nullable=True),  # null: asked without a session
    sa.Column("turn", sa.Integer),  # 1, 2, … in its session
    sa.Column("user", sa.String, index=True),
    sa.Column("items", sa.Text, nullable=False),  # JSON list, best first
    sa.Column("propensities", sa.Text, nullable=False),  # JSON list, one for each item
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("time", sa.Double, nullable=False),
    sa.UniqueConstraint("session", "turn"),
    sqlite_autoincrement=True,
)
"""Recommendations: a list's items by position, each with the chance that it had to be there."""

items = sa.Table(
    "items",
    metadata,
    sa.Column("number", _number, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("genres", sa.Text, nullable=False),  # JSON list
    sa.Column("features", sa.Text, nullable=False),  # JSON, lists of numbers by modality
    sa.Column("encoded_by", sa.Text, nullable=False),  # JSON, names by modality
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("time", sa.Double, nullable=False),
    sqlite_autoincrement=True,
)
"""Items that came after training."""
