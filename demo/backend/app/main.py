"""The service: routes, and one status for each kind of domain error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Engine

from app import migration
from app.api import dashboard, health, inventory, products, purchases
from app.database import engine_from_environment
from app.domain.errors import Conflict, DomainError, Invalid, NotFound

_STATUS: dict[type[DomainError], int] = {NotFound: 404, Conflict: 409, Invalid: 422}


def create_app(engine: Engine | None = None) -> FastAPI:
    """A service on a database: the given one, or the environment's. It starts on the head of the migrations alone."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.engine = engine or engine_from_environment()
        migration.require_head(app.state.engine)
        yield
        if engine is None:
            app.state.engine.dispose()

    app = FastAPI(title="Resale inventory", lifespan=lifespan)
    for module in (health, products, purchases, inventory, dashboard):
        app.include_router(module.router)

    @app.exception_handler(DomainError)
    def refuse(_request: Request, error: DomainError) -> JSONResponse:
        return JSONResponse(status_code=_STATUS.get(type(error), 400), content={"detail": str(error)})

    return app


app = create_app()
