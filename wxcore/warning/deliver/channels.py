"""Channels: the kinds there are, what each may be told in `delivery.toml`, and every fault of its tables."""

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wxcore.errors import DeliveryError
from wxcore.landing.ledger import EVERYONE
from wxcore.warning.model import LEVELS

TIERS = ("municipal", "district", "town")
LANGUAGES = ("zh", "en")
FILES, FEED, WEBHOOK, MAIL, WIS2 = "files", "feed", "webhook", "mail", "wis2"
PROJECTIONS = (FILES, FEED)
"""Channels that every message leaves by, named in the file or not: what lies in the folder `public`."""

BASE_URL = "http://127.0.0.1:8080"
"""Where the public folder is seen from outside, unless the file says otherwise: the desk's own door."""

_REQUIRED: Mapping[str, Mapping[str, type]] = {
    FILES: {},
    FEED: {},
    WEBHOOK: {"url": str},
    MAIL: {"host": str, "sender": str},
    WIS2: {"host": str, "topic": str, "metadata_id": str},
}
_OPTIONAL: Mapping[str, Mapping[str, type]] = {
    FILES: {},
    FEED: {},
    WEBHOOK: {"token_env": str, "secret_env": str, "allow": list, "everyone": bool},
    MAIL: {"port": int, "user": str, "password_env": str, "starttls": bool, "to": list},
    WIS2: {"port": int, "user": str, "password_env": str, "tls": bool, "ca_file": str},
}
_PERSON = {"id": str, "name": str, "tier": str, "area": str, "rank": int, "channel": str, "address": str}
_ADDRESS = re.compile(r"[^@\s,;:<>\"()\[\]]+@[^@\s,;:<>\"()\[\]]+")
_ENVIRONMENT = re.compile(r"[A-Z][A-Z0-9_]*")
_AREA = re.compile(r"(\d{6}|\d{9}|\d{12})?")


@dataclass(frozen=True)
class Channel:
    """A way out. `settings`: the other keys of its table, checked by `faults_of`."""

    id: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def secret_of(channel: Channel, name: str) -> str:
    """The value of the environment variable that the setting `name` names; "" where the channel has no such setting.

    Raises:
        DeliveryError: the variable is not set.
    """
    variable = channel.settings.get(name)
    if variable is None:
        return ""
    value = os.environ.get(variable, "")
    if not value:
        raise DeliveryError(
            f"channel {channel.id}: environment variable {variable} is not set",
            f"通道 {channel.id}：环境变量 {variable} 未设置", lasting=True,
        )  # fmt: skip
    return value


def faults_of(data: Mapping[str, Any]) -> list[str]:
    """Every broken rule of a `delivery.toml` that was read, in words for people."""
    faults = [
        f"{name}: unknown table 未知的表" for name in sorted(set(data) - {"channel", "person", "escalate", "public"})
    ]
    channels, people = _tables(data, "channel", faults), _tables(data, "person", faults)
    faults += _channel_faults(channels) + _person_faults(people, channels)
    return faults + _escalate_faults(data.get("escalate", {})) + _public_faults(data.get("public", {}))


def _tables(data: Mapping[str, Any], name: str, faults: list[str]) -> list[dict[str, Any]]:
    rows = data.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        faults.append(f"{name}: expected [[{name}]] tables 应写成 [[{name}]]")
        return []
    return rows


def _is_a(value: object, kind: type) -> bool:
    if kind is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _key_faults(
    where: str, row: Mapping[str, Any], required: Mapping[str, type], optional: Mapping[str, type]
) -> list[str]:
    faults = [f"{where}: {name} is missing 缺少" for name in required if name not in row]
    for name, value in row.items():
        kind = {**required, **optional}.get(name)
        if kind is None and name in {"password", "token", "secret"}:
            faults.append(f"{where}: {name} must not stand here; give {name}_env, the name of an environment variable "
                          "密码不得写在文件里，请给出环境变量名")  # fmt: skip
        elif kind is None:
            faults.append(f"{where}: unknown key {name} 未知的键")
        elif not _is_a(value, kind):
            faults.append(f"{where}: {name} = {value!r}, expected {kind.__name__} 类型不符")
        elif name.endswith("_env") and not _ENVIRONMENT.fullmatch(value):
            faults.append(f"{where}: {name} is not the name of an environment variable (A-Z, 0-9, _) 不是环境变量名")
    return faults


def _channel_faults(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    faults = _doubles("channel", rows)
    for row in rows:
        where, kind = f"channel {row.get('id', '?')}", row.get("kind")
        if not isinstance(kind, str) or kind not in _REQUIRED:
            faults.append(f"{where}: kind {kind!r}, expected one of {', '.join(_REQUIRED)} 未知的通道类型")
            continue
        own = {"id": str, "kind": str}
        faults += _key_faults(where, row, {**own, **_REQUIRED[kind]}, _OPTIONAL[kind])
        if kind in PROJECTIONS and row.get("id") != kind:
            faults.append(f"{where}: the channel of kind {kind} must have the id {kind} 标识须与类型相同")
        if kind not in PROJECTIONS and row.get("id") in PROJECTIONS:
            faults.append(f"{where}: this id is kept for the kind of its name 该标识已保留")
        faults += _value_faults(where, row)
    return faults


def _value_faults(where: str, row: Mapping[str, Any]) -> list[str]:
    faults = []
    for network in _texts(row.get("allow")):
        try:
            ipaddress.ip_network(network)
        except ValueError as cause:
            faults.append(f"{where}: allow {cause} 不是网段")
    addresses = [*_texts(row.get("to")), *_texts([row["sender"]] if "sender" in row else [])]
    faults += [f"{where}: {text!r} is no e-mail address 不是邮箱地址" for text in addresses if not is_address(text)]
    port = row.get("port", 1)
    if isinstance(port, int) and not 0 < port < 65536:
        faults.append(f"{where}: port {port} 端口超出范围")
    return faults


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def is_address(text: str) -> bool:
    """Is it one plain e-mail address? No line break, list or display name: nothing a header could be made of."""
    return _ADDRESS.fullmatch(text) is not None and text.isprintable()


def _person_faults(rows: Sequence[Mapping[str, Any]], channels: Sequence[Mapping[str, Any]]) -> list[str]:
    faults, kinds = _doubles("person", rows), {row.get("id"): row.get("kind") for row in channels}
    for row in rows:
        where = f"person {row.get('id', '?')}"
        faults += _key_faults(where, row, _PERSON, {"language": str})
        for name, allowed in (("tier", TIERS), ("language", LANGUAGES)):
            if row.get(name, allowed[0]) not in allowed:
                faults.append(f"{where}: {name} {row[name]!r}, expected one of {', '.join(allowed)} 取值有误")
        if row.get("id") == EVERYONE:
            faults.append(f"{where}: this id is kept for what goes to everyone 该标识已保留")
        area = str(row.get("area", ""))
        if not _AREA.fullmatch(area) or (row.get("tier") != "municipal" and not area):
            faults.append(f"{where}: area {area!r}, expected a code of 6, 9 or 12 digits 区划代码应为6、9或12位数字")
        kind = kinds.get(row.get("channel"))
        if kind not in (WEBHOOK, MAIL):
            faults.append(
                f"{where}: channel {row.get('channel')!r}, expected a channel of kind mail or webhook 通道有误"
            )
        if kind == MAIL and not is_address(str(row.get("address", ""))):
            faults.append(f"{where}: {row.get('address')!r} is no e-mail address 不是邮箱地址")
    return faults


def _doubles(what: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    ids = [str(row.get("id")) for row in rows]
    return [f"{what} {one}: named {ids.count(one)} times 重复" for one in sorted(set(ids)) if ids.count(one) > 1]


def _escalate_faults(escalate: object) -> list[str]:
    if not isinstance(escalate, dict):
        return ["escalate: expected a table 应为表"]
    faults = [f"escalate: unknown level {level} 未知的等级" for level in sorted(set(escalate) - set(LEVELS))]
    return faults + [
        f"escalate: {level} = {minutes!r}, expected minutes above 0 应为大于0的分钟数"
        for level, minutes in escalate.items()
        if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 < minutes <= 24 * 60
    ]


def _public_faults(public: object) -> list[str]:
    if not isinstance(public, dict):
        return ["public: expected a table 应为表"]
    faults = [f"public: unknown key {name} 未知的键" for name in sorted(set(public) - {"base_url"})]
    url = public.get("base_url", BASE_URL)
    if not isinstance(url, str) or not re.fullmatch(r"https?://[^\s<>\"']+", url):
        faults.append(f"public: base_url {url!r}, expected http(s)://... 网址有误")
    return faults
