"""Every test has the real database to itself: it works inside a transaction that is undone afterwards."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from app import database
from app.main import create_app
from app.models import Base
from app.services import accounts
from app.store import Store

NAME, PASSWORD = "tester", "a long enough password"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The migrated database that DATABASE_URL names; `cargo xtask gate backend-tests` makes one."""
    engine = database.engine_from_environment()
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection whose outer transaction is undone; numbers begin at 1."""
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
    with engine.connect() as connection, connection.begin() as outer:
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        yield connection
        outer.rollback()


@pytest.fixture
def session(connection: Connection) -> Iterator[Session]:
    """A session in which commit and rollback act on savepoints."""
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        yield session


@pytest.fixture
def store(session: Session) -> Store:
    return Store(session)


@pytest.fixture
def anyone(engine: Engine, connection: Connection) -> Iterator[TestClient]:
    """The service, nobody signed in; each request has a session as in production, inside the test's transaction."""
    app = create_app(engine)

    def session() -> Iterator[Session]:
        with Session(connection, join_transaction_mode="create_savepoint") as session, session.begin():
            yield session

    app.dependency_overrides[database.session] = session
    with TestClient(app) as client:
        yield client


@pytest.fixture
def client(anyone: TestClient, session: Session) -> TestClient:
    """The service, with somebody signed in."""
    accounts.add(session, NAME, PASSWORD)
    session.commit()
    token = anyone.post("/session", json={"name": NAME, "password": PASSWORD}).json()["token"]
    anyone.headers["authorization"] = f"Bearer {token}"
    return anyone


@pytest.fixture
def stocked(client: TestClient) -> TestClient:
    """A service with two articles and one finalized purchase of three pieces."""
    for sku, title in (("SNES-001", "Star Quest"), ("BOOK-7", "Atlas")):
        client.post("/products", json={"sku": sku, "title": title, "category": "games" if sku.startswith("SNES") else "books"})
    client.post("/purchases", json={"seller": "Flea market", "day": "2026-03-01"})
    client.post("/purchases/1/lines", json={"sku": "SNES-001", "quantity": 2, "unit_cost": 1000})
    client.post("/purchases/1/lines", json={"sku": "BOOK-7", "quantity": 1, "unit_cost": 500})
    client.post("/purchases/1/trips", json={"day": "2026-03-01", "kilometres": 50, "purpose": "collect"})
    client.post("/purchases/1/finalize")
    return client
