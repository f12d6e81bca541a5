"""A CAP message as frozen records, and the table that says which element is which attribute.

Values are the texts of the elements, unchanged. Absent is "" for texts (an optional element that is there but empty
reads the same, and is not written again) and () for what may repeat.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NAMESPACES = {
    "1.0": "http://www.incident.com/cap/1.0",
    "1.1": "urn:oasis:names:tc:emergency:cap:1.1",
    "1.2": "urn:oasis:names:tc:emergency:cap:1.2",
}
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"


@dataclass(frozen=True)
class NamedValue:
    """eventCode, parameter or geocode. CAP 1.0 writes them as one text: then `name` is ""."""

    name: str
    value: str


@dataclass(frozen=True)
class Resource:
    """A file that goes with an info block."""

    desc: str = ""
    mime_type: str = ""
    size: str = ""
    uri: str = ""
    deref_uri: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Area:
    """Where. Polygons are `lat,lon lat,lon ...`, circles `lat,lon km`."""

    desc: str = ""
    polygons: tuple[str, ...] = ()
    circles: tuple[str, ...] = ()
    geocodes: tuple[NamedValue, ...] = ()
    altitude: str = ""
    ceiling: str = ""


@dataclass(frozen=True)
class Info:
    """One language's view of the event."""

    language: str = ""
    categories: tuple[str, ...] = ()
    event: str = ""
    responses: tuple[str, ...] = ()
    urgency: str = ""
    severity: str = ""
    certainty: str = ""
    audience: str = ""
    event_codes: tuple[NamedValue, ...] = ()
    effective: str = ""
    onset: str = ""
    expires: str = ""
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    contact: str = ""
    parameters: tuple[NamedValue, ...] = ()
    resources: tuple[Resource, ...] = ()
    areas: tuple[Area, ...] = ()


@dataclass(frozen=True)
class Alert:
    """A whole message. `signatures`: enveloped XML-DSig elements as canonical bytes; nothing here trusts them."""

    version: str = "1.2"
    identifier: str = ""
    sender: str = ""
    sent: str = ""
    status: str = ""
    msg_type: str = ""
    password: str = ""
    source: str = ""
    scope: str = ""
    restriction: str = ""
    addresses: str = ""
    codes: tuple[str, ...] = ()
    note: str = ""
    references: str = ""
    incidents: str = ""
    infos: tuple[Info, ...] = ()
    signatures: tuple[bytes, ...] = ()


TEXT, TEXTS, NAMED = "text", "texts", "named"
"""How an attribute stands in the XML: one text, repeated texts, repeated named values; else a record type."""

Shape = tuple[tuple[str, str, str | type], ...]
"""Attribute, element and kind, in the order in which the elements stand."""

Shapes = Mapping[type, Shape]

RESOURCE: Shape = (
    ("desc", "resourceDesc", TEXT), ("mime_type", "mimeType", TEXT), ("size", "size", TEXT), ("uri", "uri", TEXT),
    ("deref_uri", "derefUri", TEXT), ("digest", "digest", TEXT),
)  # fmt: skip
AREA: Shape = (
    ("desc", "areaDesc", TEXT), ("polygons", "polygon", TEXTS), ("circles", "circle", TEXTS),
    ("geocodes", "geocode", NAMED), ("altitude", "altitude", TEXT), ("ceiling", "ceiling", TEXT),
)  # fmt: skip
INFO: Shape = (
    ("language", "language", TEXT), ("categories", "category", TEXTS), ("event", "event", TEXT),
    ("responses", "responseType", TEXTS), ("urgency", "urgency", TEXT), ("severity", "severity", TEXT),
    ("certainty", "certainty", TEXT), ("audience", "audience", TEXT), ("event_codes", "eventCode", NAMED),
    ("effective", "effective", TEXT), ("onset", "onset", TEXT), ("expires", "expires", TEXT),
    ("sender_name", "senderName", TEXT), ("headline", "headline", TEXT), ("description", "description", TEXT),
    ("instruction", "instruction", TEXT), ("web", "web", TEXT), ("contact", "contact", TEXT),
    ("parameters", "parameter", NAMED), ("resources", "resource", Resource), ("areas", "area", Area),
)  # fmt: skip
ALERT: Shape = (
    ("identifier", "identifier", TEXT), ("sender", "sender", TEXT), ("sent", "sent", TEXT),
    ("status", "status", TEXT), ("msg_type", "msgType", TEXT), ("password", "password", TEXT),
    ("source", "source", TEXT), ("scope", "scope", TEXT), ("restriction", "restriction", TEXT),
    ("addresses", "addresses", TEXT), ("codes", "code", TEXTS), ("note", "note", TEXT),
    ("references", "references", TEXT), ("incidents", "incidents", TEXT), ("infos", "info", Info),
)  # fmt: skip
SHAPES: Shapes = {Alert: ALERT, Info: INFO, Area: AREA, Resource: RESOURCE}

REQUIRED = frozenset({
    "identifier", "sender", "sent", "status", "msgType", "scope", "event", "urgency", "severity", "certainty",
    "resourceDesc", "mimeType", "areaDesc",
})  # fmt: skip
"""Texts that are written even when empty, so that the schema sees them (1.2)."""
