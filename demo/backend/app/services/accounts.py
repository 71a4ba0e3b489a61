"""Who may sign in, and who is signed in."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.domain import accounts
from app.domain.errors import Conflict, SignedOut
from app.models import AccountRow, SessionRow

LASTS = timedelta(hours=12)
# Compared with where there is no such account, so that both take the same time.
_NOBODY = accounts.seal("nobody has this password")


def add(session: Session, name: str, password: str) -> None:
    """Let somebody in."""
    if session.get(AccountRow, name) is not None:
        raise Conflict(f"account {name} exists")
    session.add(AccountRow(name=name, secret=accounts.seal(password)))
    session.flush()


def sign_in(session: Session, name: str, password: str) -> str:
    """A token for a while."""
    known = session.get(AccountRow, name)
    if not accounts.opens(password, known.secret if known else _NOBODY) or known is None:
        raise SignedOut("name or password is wrong")
    now = datetime.now(UTC)
    session.execute(delete(SessionRow).where(SessionRow.ends < now))
    token, digest = accounts.token()
    session.add(SessionRow(digest=digest, account=name, ends=now + LASTS))
    session.flush()
    return token


def sign_out(session: Session, token: str) -> None:
    """The token is nobody's any more."""
    session.execute(delete(SessionRow).where(SessionRow.digest == accounts.digest(token)))


def account_of(session: Session, token: str) -> str:
    """Whose token it is."""
    known = session.get(SessionRow, accounts.digest(token))
    if known is None or known.ends < datetime.now(UTC):
        raise SignedOut("sign in first")
    return known.account
