"""The transaction of a request is over before anybody hears of the answer."""

import asyncio
import json
from collections.abc import Iterator, MutableMapping
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from app import database
from app.main import create_app
from tests.conftest import NAME, PASSWORD


def test_the_answer_leaves_after_the_commit(client: TestClient, engine: Engine, connection: Connection) -> None:
    happened: list[str] = []

    def session() -> Iterator[Session]:
        with Session(connection, join_transaction_mode="create_savepoint") as session, session.begin():
            yield session
        happened.append("committed")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps({"name": NAME, "password": PASSWORD}).encode()}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            happened.append(f"answered {message['status']}")

    app = create_app(engine)
    app.dependency_overrides[database.session] = session
    scope = {"type": "http", "method": "POST", "path": "/session", "query_string": b"", "headers": [(b"content-type", b"application/json")]}
    asyncio.run(app(scope, receive, send))

    assert happened == ["committed", "answered 200"]
