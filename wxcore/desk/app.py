"""The application: all pages, each behind its permission, inside the shield."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from wxcore.desk import admin, drafts, events, feeds, login, map, phone, status, warnings
from wxcore.desk.access import require_permits
from wxcore.desk.refusal import on_http, on_invalid, on_ours
from wxcore.desk.render import STATIC
from wxcore.desk.shield import Shield
from wxcore.desk.state import Desk
from wxcore.errors import WxcoreError

ROUTERS = (login, admin, feeds, map, status, drafts, warnings, phone, events)
STATIC_AT = "/static"


def create_app(desk: Desk) -> FastAPI:
    """The desk as an ASGI application.

    Raises:
        AccessError: a route does not say who may use it.
    """
    app = FastAPI(title="wxcore", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = desk
    for module in ROUTERS:
        # Not include_router: newer FastAPIs hide the routes in a wrapper then, and no check would see them.
        app.router.routes.extend(module.router.routes)
    app.mount(STATIC_AT, StaticFiles(directory=STATIC), name="static")
    require_permits(app.routes, open_mounts=[STATIC_AT])
    app.add_middleware(Shield, desk=desk)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(WxcoreError, on_ours)
    return app
