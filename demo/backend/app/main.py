"""The service: routes, and one status for each kind of domain error."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from app.api import inventory, products, purchases
from app.domain.errors import Conflict, DomainError, Invalid, NotFound
from app.store import Store

_STATUS: dict[type[DomainError], int] = {NotFound: 404, Conflict: 409, Invalid: 422}


def create_app() -> FastAPI:
    """A service with an empty store."""
    app = FastAPI(title="Resale inventory")
    app.state.store = Store()
    for module in (products, purchases, inventory):
        app.include_router(module.router)

    @app.exception_handler(DomainError)
    def refuse(_request: Request, error: DomainError) -> JSONResponse:
        return JSONResponse(status_code=_STATUS.get(type(error), 400), content={"detail": str(error)})

    @app.get("/health/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    return app


app = create_app()
