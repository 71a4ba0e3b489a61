"""Health: the process lives, it may be given requests, and what its database is like."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from app import log, migration
from app.migration import Migration, State

router = APIRouter(prefix="/health", tags=["health"])


def _asked(request: Request) -> tuple[Migration, int]:
    found = migration.look(request.app.state.engine)
    return found, 200 if found.state is State.AT_HEAD else 503


@router.get("/live")
def live() -> dict[str, str]:
    """The process answers; the database is not asked."""
    return {"status": "live"}


@router.get("/ready")
def ready(request: Request) -> JSONResponse:
    """Requests may come: the database answers and is at the head."""
    found, status = _asked(request)
    return JSONResponse(status_code=status, content={"status": "ready" if status == 200 else found.why()})


@router.get("/deep")
def deep(request: Request) -> JSONResponse:
    """The same, with what is known of the database and its migrations."""
    found, status = _asked(request)
    answers = found.state not in (State.UNREACHABLE, State.NO_PERMISSION)
    return JSONResponse(
        status_code=status,
        content={
            "status": "ok" if status == 200 else found.why(),
            "database": {"status": "ok" if answers else str(found.state)},
            "continued": log.counts(),
            "migration": {"state": str(found.state), "revision": found.revision, "head": found.head},
        },
    )
