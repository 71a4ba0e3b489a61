"""The service: routes, and one status for each kind of domain error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Engine

from app import log, migration
from app.api import dashboard, health, inventory, marketplace, products, purchases, reports, sales, session, sourcing
from app.database import engine_from_environment
from app.domain.errors import Conflict, DomainError, Invalid, NotFound, SignedOut

_STATUS: dict[type[DomainError], int] = {NotFound: 404, Conflict: 409, Invalid: 422, SignedOut: 401}
_OPEN = (health, session)
_GUARDED = (products, purchases, inventory, dashboard, marketplace, sourcing, sales, reports)


def create_app(engine: Engine | None = None) -> FastAPI:
    """A service on a database: the given one, or the environment's. It starts on the head of the migrations alone."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        log.configure()
        app.state.engine = engine or engine_from_environment()
        migration.require_head(app.state.engine)
        yield
        if engine is None:
            app.state.engine.dispose()

    app = FastAPI(title="Resale inventory", version="0.1.0", lifespan=lifespan)
    for module in _OPEN:
        app.include_router(module.router)
    for module in _GUARDED:
        app.include_router(module.router, dependencies=[Depends(session.signed_in)])

    @app.exception_handler(DomainError)
    def refuse(_request: Request, error: DomainError) -> JSONResponse:
        return JSONResponse(status_code=_STATUS.get(type(error), 400), content={"detail": str(error)})

    return app


app = create_app()
