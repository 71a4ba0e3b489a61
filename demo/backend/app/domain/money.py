"""Money in whole cents, and the fair division of a cost."""

from app.domain.errors import Invalid


def share(total: int, weights: list[int]) -> list[int]:
    """Divide ``total`` cents in proportion to ``weights``; the parts add up to ``total`` exactly.

    Largest-remainder method: everyone gets the rounded-down part, and the cents that are left go to the
    largest remainders, earlier ones first.
    """
    if not weights or any(weight < 0 for weight in weights):
        raise Invalid("weights must be given and must not be negative")
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts
