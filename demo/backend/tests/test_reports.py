"""A year, month by month."""

from datetime import date

from fastapi.testclient import TestClient

from app.domain.reports import Sold, months


def test_a_year_has_twelve_months_and_no_other_year(client: TestClient) -> None:
    found = months(2026, [Sold(date(2026, 2, 1), 100, 60), Sold(date(2025, 2, 1), 100, 60), Sold(date(2026, 2, 28), 50, 20, 50, restocked=True)])
    assert [month.month for month in found] == list(range(1, 13))
    assert (found[1].pieces, found[1].revenue, found[1].refunds, found[1].cost, found[1].profit) == (2, 150, 50, 60, 40)
    assert sum(month.pieces for month in found) == 2
    assert [month["profit"] for month in client.get("/reports/2026").json()] == [0] * 12
