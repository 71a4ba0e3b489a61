import pytest

from app.domain.errors import Invalid
from app.domain.money import share


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [
        (100, [1, 1], [50, 50]),
        (100, [1, 1, 1], [34, 33, 33]),
        (10, [3, 1], [8, 2]),
        (0, [5, 5], [0, 0]),
        (5, [0, 0], [3, 2]),
        (7, [1000, 1], [7, 0]),
    ],
)
def test_share_divides_every_cent(total: int, weights: list[int], expected: list[int]) -> None:
    assert share(total, weights) == expected
    assert sum(share(total, weights)) == total


@pytest.mark.parametrize("weights", [[], [-1, 2]])
def test_share_refuses_senseless_weights(weights: list[int]) -> None:
    with pytest.raises(Invalid):
        share(10, weights)
