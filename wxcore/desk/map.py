"""The map: one page, and what its script asks for. Everything it shows is in archive and ledger."""

import hashlib
import re
from datetime import datetime
from typing import Any

from fastapi import APIRouter, HTTPException, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wxcore.desk.access import ROLES, permits
from wxcore.desk.frames import (
    LAYERS,
    district_shapes,
    drafts_now,
    find_frame,
    frame,
    issued_at,
    layer_png,
    list_frames,
    recent_cycles,
    shown_until,
)
from wxcore.desk.render import render
from wxcore.desk.state import Desk, desk_of
from wxcore.desk.storm_story import storm_story
from wxcore.errors import ArchiveError, TimeError
from wxcore.landing.ledger import CycleRow
from wxcore.times import parse_time

HOURS, MOST_HOURS = 2.0, 6.0
"""How far back the slider goes, and how far it may be asked to go [h]: 60 cycles."""

TIME_TEXT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:00Z")
STORM_ID = re.compile(r"[0-9]{12}-[0-9]{1,6}")

router = APIRouter()
_seen = [permits(*ROLES)]


@router.get("/", dependencies=_seen)
def map_page(request: Request) -> Response:
    """The page."""
    return render(request, "map.html")


@router.get("/api/frames", dependencies=_seen)
def frames(request: Request, hours: float = Query(HOURS, gt=0, le=MOST_HOURS)) -> Response:
    """The cycles of the last hours, and the layers."""
    desk = desk_of(request)
    office = desk.office
    return _tagged(request, list_frames(office.ledger, office.region, now=desk.now(), hours=hours))


@router.get("/api/districts", dependencies=_seen)
def districts(request: Request) -> Response:
    """Outlines of the districts in force now, and the radars."""
    desk = desk_of(request)
    return _tagged(request, district_shapes(desk.office.region, desk.now()))


@router.get("/api/frame/{time}", dependencies=_seen)
def one_frame(request: Request, time: str) -> Response:
    """A cycle: storms, probabilities by district, warnings; on the newest the drafts as they stand now."""
    desk = desk_of(request)
    office, now = desk.office, desk.now()
    cycle = _cycle(desk, time)
    newest = recent_cycles(office.ledger, office.region, now=now, hours=HOURS)[-1].time
    until = shown_until(cycle.time, newest, now)
    try:
        shown = frame(office.home, office.region, cycle)
    except ArchiveError as cause:
        raise HTTPException(404) from cause
    drafts = drafts_now(office, now) if cycle.time >= newest else shown["drafts"]
    return _tagged(request, {**shown, "drafts": drafts, "issued": issued_at(office.ledger, office.region, until)})


@router.get("/layer/{name}/{time}.png", dependencies=_seen)
def layer(request: Request, name: str, time: str) -> Response:
    """A field of a cycle as a picture."""
    if name not in LAYERS:
        raise HTTPException(404)
    desk = desk_of(request)
    try:
        content = layer_png(desk.office.home, desk.office.region, _cycle(desk, time), name)
    except ArchiveError as cause:
        raise HTTPException(404) from cause
    return _cached(request, Response(content, media_type="image/png"))


@router.get("/api/storm/{storm_id}", dependencies=_seen)
def storm(request: Request, storm_id: str, until: str) -> Response:
    """A storm's series, drivers, and what changed since the cycle before."""
    desk = desk_of(request)
    office = desk.office
    if not STORM_ID.fullmatch(storm_id):
        raise HTTPException(404)
    told = storm_story(office.home, office.ledger, office.region, storm_id, until=_cycle(desk, until).time)
    if told is None:
        raise HTTPException(404)
    return _tagged(request, told)


def _cycle(desk: Desk, text: str) -> CycleRow:
    """The cycle that an address names.

    Raises:
        HTTPException: 404 not a time as we write it, or no such cycle.
    """
    found = None
    if TIME_TEXT.fullmatch(text):
        found = find_frame(desk.office.ledger, desk.office.region, _time(text))
    if found is None:
        raise HTTPException(404)
    return found


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except TimeError as cause:
        raise HTTPException(404) from cause


def _tagged(request: Request, content: dict[str, Any]) -> Response:
    return _cached(request, JSONResponse(content))


def _cached(request: Request, response: Response) -> Response:
    """With an ETag of the content; 304 where the browser has it already."""
    tag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response
