"""The migration state of a database, made in a transaction that is undone, and what health says of it."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, create_engine, text

from app import migration
from app.main import create_app
from app.migration import Migration, NotMigrated, State
from app.models import Base

HEAD = migration.scripts().get_heads()[0]
NOBODY = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"


def state(connection: Connection) -> tuple[State, str | None]:
    return migration._classify(connection, migration.scripts().get_heads(), Base.metadata)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", (State.AT_HEAD, HEAD)),
        ("UPDATE alembic_version SET version_num = '0005'", (State.BEHIND, "0005")),
        ("UPDATE alembic_version SET version_num = 'beef'", (State.UNKNOWN_REVISION, "beef")),
        ("INSERT INTO alembic_version VALUES ('0001')", (State.SEVERAL_HEADS, f"0001, {HEAD}")),
        ("DELETE FROM alembic_version", (State.POPULATED_UNVERSIONED, None)),
        ("DROP TABLE alembic_version", (State.POPULATED_UNVERSIONED, None)),
        ("DROP TABLE item_moves", (State.PARTLY_MIGRATED, HEAD)),
        ("ALTER TABLE items DROP COLUMN piece", (State.PARTLY_MIGRATED, HEAD)),
    ],
)
def test_each_state_has_its_word(connection: Connection, statement: str, expected: tuple[State, str | None]) -> None:
    connection.execute(text(statement))
    assert state(connection) == expected


def test_an_empty_database_is_not_taken_for_a_populated_one(connection: Connection) -> None:
    connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    assert state(connection) == (State.EMPTY, None)
    connection.execute(text("CREATE TABLE alembic_version (version_num varchar(32))"))
    assert state(connection) == (State.EMPTY, None)
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    assert state(connection) == (State.PARTLY_MIGRATED, HEAD)


def test_a_role_that_may_not_read_the_revision_says_so(connection: Connection) -> None:
    connection.execute(text("CREATE ROLE visitor; SET LOCAL ROLE visitor"))
    assert state(connection)[0] is State.NO_PERMISSION


def test_health_of_a_migrated_database(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}
    deep = client.get("/health/deep")
    told = deep.json()
    assert (deep.status_code, told["status"], told["database"]) == (200, "ok", {"status": "ok"})
    assert told["migration"] == {"state": "at-head", "revision": HEAD, "head": HEAD}
    assert isinstance(told["continued"], dict)


def test_health_of_a_database_that_is_behind_or_gone(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "look", lambda _engine: Migration(State.BEHIND, "0005", HEAD))
    ready, deep = client.get("/health/ready"), client.get("/health/deep")
    assert (ready.status_code, deep.status_code, client.get("/health/live").status_code) == (503, 503, 200)
    assert "0005" in ready.json()["status"] and HEAD in ready.json()["status"]
    assert deep.json()["migration"] == {"state": "behind", "revision": "0005", "head": HEAD}
    monkeypatch.setattr(migration, "look", lambda _engine: Migration(State.UNREACHABLE, None, HEAD))
    assert client.get("/health/deep").json()["database"] == {"status": "unreachable"}


def test_nobody_answers() -> None:
    engine = create_engine(NOBODY)
    assert migration.look(engine) == Migration(State.UNREACHABLE, None, HEAD)
    engine.dispose()


def test_the_service_does_not_start_on_anything_but_the_head(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "look", lambda _engine: Migration(State.BEHIND, "0005", HEAD))
    with pytest.raises(NotMigrated, match=f"behind: it is at 0005, this code is at {HEAD}"), TestClient(create_app(engine)):
        pass
