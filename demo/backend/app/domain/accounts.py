"""Passwords and tokens: what is kept of them gives neither away."""

import hashlib
import hmac
import secrets

from app.domain.errors import Invalid

SHORTEST_PASSWORD = 10
_COST = {"n": 2**12, "r": 8, "p": 1}


def seal(password: str) -> str:
    """What is kept of a password: a salt and its scrypt."""
    if len(password) < SHORTEST_PASSWORD:
        raise Invalid(f"a password has at least {SHORTEST_PASSWORD} characters")
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{hashlib.scrypt(password.encode(), salt=salt, **_COST).hex()}"


def opens(password: str, secret: str) -> bool:
    """The password is the one that was sealed."""
    salt, _, kept = secret.partition(":")
    return hmac.compare_digest(hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **_COST).hex(), kept)


def token() -> tuple[str, str]:
    """A new token, and its digest, which is kept."""
    fresh = secrets.token_urlsafe(32)
    return fresh, digest(fresh)


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
