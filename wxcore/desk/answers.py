"""What the handlers of the working pages share: the posted form, a refusal in the user's words, where to go next."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, HTTPException
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData
from starlette.requests import Request

from wxcore.desk.words import Pair
from wxcore.errors import IssueError, LedgerError, WarningError, WxcoreError

REFUSALS = (IssueError, LedgerError, WarningError)
"""What an office, a ledger or a record may refuse: told to whoever asked, with HTTP 409."""

LONGEST = 2000
"""Characters of a field that a person fills in: more than any remark of CMA's texts, and no room for a flood."""


async def form_of(request: Request) -> FormData:
    """The posted form; read once, however many ask."""
    return await request.form()


Posted = Annotated[FormData, Depends(form_of)]


def field(form: FormData, name: str) -> str:
    """One field as text, trimmed; "" where it is missing.

    Raises:
        HTTPException: 413, longer than LONGEST.
    """
    value = form.get(name, "")
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > LONGEST:
        raise HTTPException(413)
    return text


def fields(form: FormData, name: str) -> tuple[str, ...]:
    """Every value of a field that may come several times."""
    return tuple(value for value in form.getlist(name) if isinstance(value, str))


def see_other(*parts: str, at: str = "") -> RedirectResponse:
    """To another page of the desk (303: the browser asks with GET); each part is quoted, so none can leave the desk.

    Args:
        at: id of the part of that page to show.
    """
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    return RedirectResponse(f"{path}#{quote(at)}" if at else path, status_code=303)


def refused(error: WxcoreError) -> Pair:
    """What was refused and what to do, (Chinese, English)."""
    return error.zh, error.en


def status_of(error: Pair | None) -> int:
    """HTTP status of a page that tells a refusal (409), or none (200)."""
    return 200 if error is None else 409
