"""Signing in and out, and what nobody may do."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.domain import accounts as secrets
from app.domain.errors import Conflict, Invalid
from app.models import SessionRow
from app.services import accounts
from tests.conftest import NAME, PASSWORD


def test_who_signs_in_is_known_until_they_sign_out(client: TestClient) -> None:
    assert client.get("/session").json() == {"name": NAME}
    assert client.delete("/session").status_code == 204
    assert client.get("/session").status_code == 401


@pytest.mark.parametrize(("name", "password"), [(NAME, "another password"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_name_or_password_says_the_same(client: TestClient, name: str, password: str) -> None:
    refused = client.post("/session", json={"name": name, "password": password})
    assert (refused.status_code, refused.json()["detail"]) == (401, "name or password is wrong")


@pytest.mark.parametrize("path", ["/products", "/purchases", "/inventory", "/dashboard?year=2026", "/marketplace/listings", "/sourcing/leads", "/sales", "/reports/2026"])
def test_nothing_is_shown_to_nobody(anyone: TestClient, path: str) -> None:
    assert anyone.get(path).status_code == 401
    assert anyone.get(path, headers={"authorization": "Bearer made-up"}).status_code == 401


def test_a_session_ends(client: TestClient, session: Session) -> None:
    for row in session.query(SessionRow):
        row.ends = datetime.now(UTC) - timedelta(seconds=1)
    session.commit()
    assert client.get("/session").status_code == 401


def test_what_is_kept_gives_nothing_away(session: Session) -> None:
    accounts.add(session, "ann", PASSWORD)
    with pytest.raises(Conflict):
        accounts.add(session, "ann", PASSWORD)
    with pytest.raises(Invalid):
        secrets.seal("short")
    assert PASSWORD not in secrets.seal(PASSWORD)
    assert secrets.seal(PASSWORD) != secrets.seal(PASSWORD)
    assert secrets.opens(PASSWORD, secrets.seal(PASSWORD))
