"""The message of the national warning platform as frozen records; values are the texts of the elements, unchanged."""

from dataclasses import dataclass

from wxcore.warning.cap_model import TEXT, TEXTS, Shape, Shapes


@dataclass(frozen=True)
class Method:
    """What one channel (WEB, SMS ...) says to whom."""

    name: str = ""
    message: str = ""
    audience_group: str = ""
    audience_part: str = ""


@dataclass(frozen=True)
class Code:
    """The channels of a message."""

    methods: tuple[Method, ...] = ()


@dataclass(frozen=True)
class NationalArea:
    """Where. `polygons`: `lat,lon lat,lon ...`, may be empty; `geocode`: 12-digit codes, comma separated."""

    desc: str = ""
    polygons: tuple[str, ...] = ()
    circle: str = ""
    geocode: str = ""


@dataclass(frozen=True)
class NationalInfo:
    """What, in one language. `severity`: Blue, Yellow, Orange or Red."""

    language: str = ""
    event_type: str = ""
    urgency: str = ""
    severity: str = ""
    certainty: str = ""
    effective: str = ""
    onset: str = ""
    expires: str = ""
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    areas: tuple[NationalArea, ...] = ()


@dataclass(frozen=True)
class NationalAlert:
    """A whole message. Times: `YYYY-MM-DD hh:mm:ss+08:00`."""

    identifier: str = ""
    sender: str = ""
    sender_code: str = ""
    sent: str = ""
    status: str = ""
    msg_type: str = ""
    scope: str = ""
    codes: tuple[Code, ...] = ()
    classification: str = ""
    note: str = ""
    references: str = ""
    infos: tuple[NationalInfo, ...] = ()


METHOD: Shape = (
    ("name", "methodName", TEXT), ("message", "message", TEXT), ("audience_group", "audienceGrp", TEXT),
    ("audience_part", "audenceprt", TEXT),
)  # fmt: skip
AREA: Shape = (
    ("desc", "areaDesc", TEXT), ("polygons", "polygon", TEXTS), ("circle", "circle", TEXT),
    ("geocode", "geocode", TEXT),
)  # fmt: skip
INFO: Shape = (
    ("language", "language", TEXT), ("event_type", "eventType", TEXT), ("urgency", "urgency", TEXT),
    ("severity", "severity", TEXT), ("certainty", "certainty", TEXT), ("effective", "effective", TEXT),
    ("onset", "onset", TEXT), ("expires", "expires", TEXT), ("sender_name", "senderName", TEXT),
    ("headline", "headline", TEXT), ("description", "description", TEXT), ("instruction", "instruction", TEXT),
    ("web", "web", TEXT), ("areas", "area", NationalArea),
)  # fmt: skip
ALERT: Shape = (
    ("identifier", "identifier", TEXT), ("sender", "sender", TEXT), ("sender_code", "senderCode", TEXT),
    ("sent", "sendTime", TEXT), ("status", "status", TEXT), ("msg_type", "msgType", TEXT), ("scope", "scope", TEXT),
    ("codes", "code", Code), ("classification", "secClassification", TEXT), ("note", "note", TEXT),
    ("references", "references", TEXT), ("infos", "info", NationalInfo),
)  # fmt: skip
NATIONAL_SHAPES: Shapes = {
    NationalAlert: ALERT, NationalInfo: INFO, NationalArea: AREA, Code: (("methods", "method", Method),),
    Method: METHOD,
}  # fmt: skip

NATIONAL_TAGS = frozenset(tag for shape in NATIONAL_SHAPES.values() for _, tag, kind in shape if isinstance(kind, str))
"""The sample writes empty elements: all are there, with text or without."""
