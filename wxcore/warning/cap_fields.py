"""The fields of a Warning that a CAP message holds in its own elements."""

from datetime import datetime

from wxcore.warning.cap_model import Alert, Info
from wxcore.warning.lossless import Fields, ring_field, time_field
from wxcore.warning.model import LEVELS

RECORD = "wx.record"
"""Name of the parameter that carries what CAP has no element for."""

ROMAN = {"Ⅰ": "I", "Ⅱ": "II", "Ⅲ": "III", "Ⅳ": "IV"}
"""Grades as the rules write them, and in the letters that CAP readers know."""

_GRADES = {letters: sign for sign, letters in ROMAN.items()}


def fields_of(alert: Alert) -> Fields:
    """What the elements of one of our messages say, under the names of the record.

    Raises:
        TimeError, ValueError, IndexError: not a message of ours: a time, a polygon, an info block or a code is missing.
    """
    first = alert.infos[0]
    told: Fields = {
        "id": alert.identifier,
        "sender": alert.sender,
        "sent": time_field(alert.sent),
        "status": alert.status,
        "msg_type": alert.msg_type,
        "utc_offset_h": _offset(alert.sent),
        "languages": [info.language for info in alert.infos],
        "severity": first.severity,
        "certainty": first.certainty,
        "event_code": first.event_codes[0].value,
        "effective": time_field(first.effective),
        "onset": time_field(first.onset),
        "expires": time_field(first.expires),
        "polygons": [ring_field(text) for text in first.areas[0].polygons],
    }
    if alert.msg_type != "Cancel":  # a Cancel is past and asks for nothing, whatever the record says
        told |= {"urgency": first.urgency, "response": list(first.responses)}
    for info in reversed(alert.infos):  # the first of a language is the last word
        told |= _words(info)
    return told | _parameters(first)


def _offset(text: str) -> float:
    offset = datetime.fromisoformat(text).utcoffset()
    return offset.total_seconds() / 3600 if offset is not None else 0.0


def _words(info: Info) -> Fields:
    language = "zh" if info.language.startswith("zh") else "en"
    return {
        f"event_{language}": info.event,
        f"sender_name_{language}": info.sender_name,
        f"headline_{language}": info.headline,
        f"description_{language}": info.description,
        f"instruction_{language}": info.instruction,
    }


def _parameters(info: Info) -> Fields:
    values = {pair.name: pair.value for pair in info.parameters}
    degraded = values.get("inputs.degraded", "")
    told: Fields = {
        "colour_en": values["cn.colour"],
        "grade": _GRADES.get(values["cn.level"], values["cn.level"]),
        "p": float(values["probability"]),
        "model": values["model.id"],
        "data_kind": values["inputs.kind"],
        "truth": values["inputs.truth"],
        "degraded": degraded.split("; ") if degraded else [],
    }
    level = values["cn.colour"].lower()
    return told | ({"level": level} if level in LEVELS else {})
