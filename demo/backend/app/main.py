"""The service: routes, and one status for each kind of domain error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from app.api import dashboard, inventory, products, purchases
from app.database import engine_from_environment
from app.domain.errors import Conflict, DomainError, Invalid, NotFound

_STATUS: dict[type[DomainError], int] = {NotFound: 404, Conflict: 409, Invalid: 422}


def create_app(engine: Engine | None = None) -> FastAPI:
    """A service on a database: the given one, or the environment's."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.engine = engine or engine_from_environment()
        yield
        if engine is None:
            app.state.engine.dispose()

    app = FastAPI(title="Resale inventory", lifespan=lifespan)
    for module in (products, purchases, inventory, dashboard):
        app.include_router(module.router)

    @app.exception_handler(DomainError)
    def refuse(_request: Request, error: DomainError) -> JSONResponse:
        return JSONResponse(status_code=_STATUS.get(type(error), 400), content={"detail": str(error)})

    @app.get("/health/ready")
    def ready(request: Request) -> JSONResponse:
        try:
            with request.app.state.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except OperationalError:
            return JSONResponse(status_code=503, content={"status": "no database"})
        return JSONResponse(content={"status": "ready"})

    return app


app = create_app()
