"""Where the database is, and one transaction a request."""

import os
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session


# Whoever waits for a database that does not answer must hear of it soon.
CONNECT_SECONDS = 5


def engine_from_environment() -> Engine:
    """An engine for ``DATABASE_URL``."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise RuntimeError("DATABASE_URL is not set: it names the PostgreSQL database, such as postgresql+psycopg://user@host/name")
    return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS})


def session(request: Request) -> Iterator[Session]:
    """A session whose transaction ends with the request: kept when it went well, undone otherwise."""
    with Session(request.app.state.engine) as session, session.begin():
        yield session


# The transaction ends before the answer leaves: who hears that something was done can ask for it, and what cannot be kept is not reported as done.
Opened = Annotated[Session, Depends(session, scope="function")]
