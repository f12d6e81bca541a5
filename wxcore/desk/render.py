"""Pages: the jinja environment, the two languages, the marks of tests and exercises."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.datastructures import URL
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse

from wxcore.desk.sessions import keep_visitor
from wxcore.desk.shield import SAFE_METHODS
from wxcore.desk.state import Desk, desk_of, user_of
from wxcore.times import BEIJING, require_utc

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"
LANGUAGES = ("zh", "en")
LANG_COOKIE = "wx_lang"
LANG_SECONDS = 365 * 86400
ROLE_NAMES = {
    "viewer": ("浏览", "viewer"), "duty": ("值班", "duty"), "forecaster": ("预报员", "forecaster"),
    "modeller": ("建模", "modeller"), "admin": ("管理员", "admin"),
}  # fmt: skip
LEVEL_NAMES = {
    "blue": ("蓝色", "blue"), "yellow": ("黄色", "yellow"), "orange": ("橙色", "orange"), "red": ("红色", "red"),
}  # fmt: skip
"""Beside every colour stands its word: colours alone say nothing to the colour-blind."""

BANNERS = {
    "Test": ("测试：发出的信息标为“测试”，不是真实预警", "TEST: what is released is marked Test, not a real warning"),
    "Exercise": ("演练：发出的信息标为“演练”，不是真实预警", "EXERCISE: what is released is not a real warning"),
}
"""By status of the policy (RELIABILITY.md C13); none for Actual."""

EXERCISE_CLOCK = (
    "演习时钟：生成本页时为 {time}（北京时），不是真实时间",
    "EXERCISE CLOCK: {time} BJT when this page was made, not the real time",
)


def render(request: Request, name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page: `templates/{name}` with `context` and what every page has.

    Every page has: `t(zh, en)`, `lang`, `user` (with `user.csrf` for forms), `now`, `banner`, `level_name(level)`,
    `role_name(role)`, `here` (path), `page` (where GET shows it; to be given where that is neither the address asked
    for nor that of `page_of`), and the filters `bjt` and `utc` (aware datetime -> text).
    """
    desk, lang = desk_of(request), lang_of(request)
    own = f"?{request.url.query}" if request.method in SAFE_METHODS else page_of(request) or "/"
    page = context.pop("page", own)

    def t(zh: str, en: str) -> str:
        return zh if lang == "zh" else en

    def named(names: Mapping[str, tuple[str, str]], key: str) -> str:
        return t(*names.get(key, (key, key)))

    text = environment().get_template(name).render(
        t=t, lang=lang, user=user_of(request), now=desk.now(), here=request.url.path,
        banner=" · ".join(t(*words) for words in _banners(desk)),
        mode=desk.office.policy.status, level_name=lambda level: named(LEVEL_NAMES, level),
        role_name=lambda role: named(ROLE_NAMES, role), region=desk.office.region,
        page=page, other_lang=str(URL(page).include_query_params(lang=t("en", "zh"))), **context,
    )  # fmt: skip
    response = HTMLResponse(text, status)
    keep_visitor(request, response)
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(
            LANG_COOKIE, lang, max_age=LANG_SECONDS, path="/", secure=desk.secure_cookies, httponly=True, samesite="lax"
        )
    return response


def _banners(desk: Desk) -> list[tuple[str, str]]:
    """What stands above every page: that nothing here is real, and that the clock is not."""
    status, (zh, en) = desk.office.policy.status, EXERCISE_CLOCK
    found = [BANNERS[status]] if status in BANNERS else []
    if desk.exercise_clock:
        time = bjt(desk.now(), "%Y-%m-%d %H:%M")
        found.append((zh.format(time=time), en.format(time=time)))
    return found


def page_of(request: Request) -> str:
    """Path of the page that an act (a route that takes POST) is done from: its own, or the nearest above for GET.

    "" where the address asked for is no act's. A reload or a link to another language asks for acts with GET.
    """
    path = request.scope["path"]
    routes = [(route, route.methods or ()) for route in request.app.routes if isinstance(route, APIRoute)]
    act = next((route for route, takes in routes if "POST" in takes and route.path_regex.match(path)), None)
    if act is None:
        return ""
    pages = [route for route, takes in routes if "GET" in takes]
    if not any(route.path == act.path for route in pages):
        path = path.rpartition("/")[0]
        while path and not any(route.path_regex.match(path) for route in pages):
            path = path.rpartition("/")[0]
    return quote(path) or "/"


def lang_of(request: HTTPConnection) -> str:
    """`zh` or `en`: asked for in the address, else by cookie, else the desk's own."""
    for asked in (request.query_params.get("lang"), request.cookies.get(LANG_COOKIE)):
        if asked in LANGUAGES:
            return asked
    return desk_of(request).lang


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Templates of the desk: everything escaped, nothing undefined passes silently."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(default=True), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    found.filters["bjt"] = bjt
    found.filters["utc"] = utc
    return found


def bjt(time: datetime | None, form: str = "%m-%d %H:%M") -> str:
    """Beijing time, as duty staff read it; a dash for none.

    Raises:
        TimeError: a naive time.
    """
    return "–" if time is None else require_utc(time).astimezone(BEIJING).strftime(form)


def utc(time: datetime | None) -> str:
    """UTC to the second with its Z; a dash for none.

    Raises:
        TimeError: a naive time.
    """
    return "–" if time is None else require_utc(time).strftime("%Y-%m-%dT%H:%M:%SZ")
