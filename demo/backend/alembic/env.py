"""Runs migrations on the database that DATABASE_URL names, each in a transaction of its own."""

from alembic import context

from app.database import engine_from_environment
from app.models import Base


def migrate() -> None:
    """Run what was asked for, on the caller's connection where there is one."""
    given = context.config.attributes.get("connection")
    if given is not None:
        context.configure(connection=given, target_metadata=Base.metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    engine = engine_from_environment()
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


migrate()
