"""What somebody sees when the desk refuses or fails: a page, or JSON for programs; never a trace."""

from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from wxcore.desk.render import page_of, render
from wxcore.desk.sessions import find_user, visitor
from wxcore.desk.shield import SAFE_METHODS
from wxcore.desk.state import desk_of, user_of
from wxcore.errors import IssueError, LedgerError, WxcoreError

WORDS = {
    400: ("请求有误", "the request cannot be understood"),
    401: ("请先登录", "log in first"),
    403: ("无权执行此操作", "your role may not do this"),
    404: ("没有这个页面", "there is no such page"),
    405: ("不支持这种请求方式", "this address does not take such a request"),
    409: ("值班台拒绝执行", "the desk refuses"),
    413: ("请求过大", "the request is too large"),
    422: ("填写的内容有误", "what was filled in cannot be used"),
    429: ("尝试次数过多，请稍后再试", "too many attempts: wait and try again"),
    503: ("暂时无法处理", "not possible at the moment"),
}
CSRF_WORDS = (
    "表单已过期或来自其他网站：请重新打开页面再提交",
    "the form is too old or from another site: open the page anew",
)
ORIGIN_OR_TOKEN = frozenset({"csrf", "origin"})


async def on_http(request: Request, error: Exception) -> Response:
    """An HTTPException: 401 of a page leads to the login, an act that is asked for with GET to the page that it is done
    from (a reload after a refusal), everything else to a page of its own.
    """
    status = int(getattr(error, "status_code", 500))
    detail = getattr(error, "detail", "")
    headers = dict(getattr(error, "headers", None) or {})
    if status == 401 and request.method in SAFE_METHODS and not wants_json(request):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(here, safe='')}", 303)
    if status in {404, 405} and request.method == "GET" and not wants_json(request):
        page = page_of(request)
        if page and page != quote(request.scope["path"]):
            return RedirectResponse(page + (f"?{request.url.query}" if request.url.query else ""), 303)
    words = CSRF_WORDS if detail in ORIGIN_OR_TOKEN else WORDS.get(status, WORDS[400])
    return await refuse(request, status, words, headers)


async def on_invalid(request: Request, _error: Exception) -> Response:
    """A form or parameter that does not fit."""
    return await refuse(request, 422, WORDS[422], {})


async def on_ours(request: Request, error: Exception) -> Response:
    """An error of ours: its words, for those who are logged in."""
    if not isinstance(error, WxcoreError):
        raise error
    status = 409 if isinstance(error, IssueError | LedgerError) else 422
    words = (error.zh, error.en) if user_of(request).is_known else WORDS[status]
    return await refuse(request, status, words, {})


async def refuse(request: Request, status: int, words: tuple[str, str], headers: dict[str, str]) -> Response:
    """The page (or JSON) of a refusal; `words`: Chinese and English."""
    if wants_json(request):
        response: Response = JSONResponse({"status": status, "error": words[1], "error_zh": words[0]}, status)
    else:
        if not hasattr(request.state, "user"):
            request.state.user = await run_in_threadpool(find_user, desk_of(request), request) or visitor(request)
        title = WORDS.get(status, WORDS[400])
        back = "" if request.method in SAFE_METHODS else page_of(request)
        response = render(request, "error.html", status, code=status, title=title, words=words, back=back)
    response.headers.update(headers)
    return response


def wants_json(request: Request) -> bool:
    """Is it a program that asks?"""
    accept = request.headers.get("accept", "")
    path = request.url.path
    return path.startswith("/api/") or path.endswith(".json") or ("json" in accept and "html" not in accept)
