"""Signing in and out, and the guard of all other routes."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from app.database import Opened
from app.domain.errors import SignedOut
from app.services import accounts

router = APIRouter(prefix="/session", tags=["session"])
_bearer = HTTPBearer(auto_error=False)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class SignIn(BaseModel):
    """Name and password."""

    name: str
    password: str


class SignedIn(BaseModel):
    """A token for the header ``Authorization: Bearer``."""

    token: str
    name: str


def signed_in(session: Opened, bearer: Bearer) -> str:
    """The account of a request."""
    if bearer is None:
        raise SignedOut("sign in first")
    return accounts.account_of(session, bearer.credentials)


@router.post("")
def sign_in(session: Opened, body: SignIn) -> SignedIn:
    """A token for name and password."""
    return SignedIn(token=accounts.sign_in(session, body.name, body.password), name=body.name)


@router.get("")
def whoami(account: Annotated[str, Depends(signed_in)]) -> dict[str, str]:
    """Who is signed in."""
    return {"name": account}


@router.delete("", status_code=204)
def sign_out(session: Opened, bearer: Bearer) -> None:
    """The token is of no use any more."""
    if bearer is not None:
        accounts.sign_out(session, bearer.credentials)
