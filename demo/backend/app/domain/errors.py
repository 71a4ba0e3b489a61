"""What can go wrong in the domain. The API maps each class to one status."""


class DomainError(Exception):
    """A rule of the domain was broken."""


class NotFound(DomainError):
    """There is no such thing."""

    def __init__(self, kind: str, identity: object) -> None:
        super().__init__(f"there is no {kind} {identity}")


class Conflict(DomainError):
    """It exists already, or is in a state that forbids this."""


class Invalid(DomainError):
    """A value is outside of what the domain allows."""


class SignedOut(DomainError):
    """Nobody is signed in."""
