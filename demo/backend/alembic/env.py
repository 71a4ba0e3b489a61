"""Runs migrations on the database that DATABASE_URL names, each in a transaction of its own, and never two at once."""

import time

from alembic import context
from sqlalchemy import Connection, Engine, text

from app.database import engine_from_environment
from app.models import Base

# Any number that nobody else locks in this database.
LOCK = 7_021_945
WAIT_SECONDS = 30


def configured(connection: Connection) -> None:
    """Run what was asked for."""
    context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def alone(engine: Engine) -> Connection:
    """A connection that holds the lock of the migrations until it is closed.

    It is polled for: a waiter inside of PostgreSQL would hold a snapshot, and an index that is built concurrently waits for those.
    """
    holder = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    until = time.monotonic() + WAIT_SECONDS
    while not holder.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK}):
        if time.monotonic() > until:
            holder.close()
            raise TimeoutError(f"another migration of this database has been going on for {WAIT_SECONDS} s")
        time.sleep(0.2)
    return holder


def migrate() -> None:
    """On the caller's connection where there is one, else on one of our own."""
    given = context.config.attributes.get("connection")
    if given is not None:
        configured(given)
        return
    engine = engine_from_environment()
    with alone(engine), engine.connect() as connection:
        configured(connection)
    engine.dispose()


migrate()
