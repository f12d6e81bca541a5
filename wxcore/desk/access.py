"""Who may do what: each route says it itself, and one that says nothing keeps the desk from starting.

    @router.get("/drafts", dependencies=[permits(*ROLES)])
    @router.post("/drafts/{id}/sign", dependencies=[permits("forecaster")])
    @router.get("/status", dependencies=[permits(public=True)])

Every unsafe method is checked here too: same origin (`shield.check_origin`) and the form's CSRF token.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, HTTPException
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount

from wxcore.desk.accounts import ROLES
from wxcore.desk.sessions import find_user, visitor
from wxcore.desk.shield import SAFE_METHODS, check_origin
from wxcore.desk.state import User, desk_of
from wxcore.errors import AccessError

__all__ = ["ROLES", "Permit", "check_token", "permit_of", "permits", "require_permits"]

CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"


@dataclass(frozen=True)
class Permit:
    """Checks one request; sets `request.state.user`. Roles are those that may pass; `public`: nobody is asked."""

    roles: frozenset[str]
    public: bool = False

    async def __call__(self, request: Request) -> None:
        """Let the request pass, or raise.

        Raises:
            HTTPException: 401 nobody is logged in, 403 not this role, a foreign origin or no CSRF token.
        """
        desk = desk_of(request)
        user = await run_in_threadpool(find_user, desk, request) or visitor(request)
        request.state.user = user
        if not self.public and not user.is_known:
            raise HTTPException(401)
        if not self.public and user.role not in self.roles:
            raise HTTPException(403)
        if request.method not in SAFE_METHODS:
            check_origin(request)
            await check_token(request, user)


def permits(*roles: str, public: bool = False) -> Any:
    """The dependency of a route: `dependencies=[permits("forecaster")]`.

    Raises:
        AccessError: no role and not public, or an unknown role.
    """
    unknown = [role for role in roles if role not in ROLES]
    if unknown or public == bool(roles):
        raise AccessError(
            f"permits({', '.join(map(repr, roles))}): expected roles of {', '.join(ROLES)}, or public=True",
            f"permits({', '.join(map(repr, roles))})：应为角色 {'、'.join(ROLES)} 之一，或 public=True",
        )
    return Depends(Permit(frozenset(roles), public))


async def check_token(request: Request, user: User) -> None:
    """Is the token of this session (or visitor) in the form, or in the header?

    Raises:
        HTTPException: 403.
    """
    given = request.headers.get(CSRF_HEADER, "")
    if not given:
        given = str((await request.form()).get(CSRF_FIELD, ""))
    if not user.csrf or not hmac.compare_digest(given.encode(), user.csrf.encode()):
        raise HTTPException(403, "csrf")


def permit_of(route: BaseRoute) -> Permit | None:
    """What the route says of itself; None where it says nothing."""
    if not isinstance(route, APIRoute):
        return None
    found = [item.dependency for item in route.dependencies if isinstance(item.dependency, Permit)]
    return found[0] if len(found) == 1 else None


def require_permits(routes: Iterable[BaseRoute], *, open_mounts: Iterable[str] = ()) -> None:
    """Deny by default: refuse routes that do not say who may use them.

    Raises:
        AccessError: names them.
    """
    allowed = set(open_mounts)
    silent = [
        str(getattr(route, "path", route))
        for route in routes
        if not (isinstance(route, Mount) and route.path in allowed) and permit_of(route) is None
    ]
    if silent:
        raise AccessError(
            f"routes without a permission: {', '.join(silent)}; add dependencies=[permits(...)]",
            f"下列路由未声明权限：{'、'.join(silent)}；请加上 dependencies=[permits(...)]",
        )
