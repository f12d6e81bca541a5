"""`wx doctor`: what is this file, which variant, can we read it, where does it break and why."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wxcore.errors import ReadError
from wxcore.landing.identify import identify, name_remarks
from wxcore.landing.unpack import unpack
from wxcore.pipeline.formats import FORMATS
from wxcore.pipeline.read import Reading, read_file
from wxcore.schema import HEAD_BYTES
from wxcore.times import beijing, iso


@dataclass(frozen=True)
class Diagnosis:
    """One file's diagnosis; the fields are the JSON keys of DESIGN.md section 2. `offset`: byte where it breaks."""

    file: str
    readable: bool
    format: str
    site: str
    time: str
    scan: str
    sweeps: int
    moments: tuple[str, ...]
    reason: str
    message_zh: str
    message_en: str
    offset: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able dict."""
        return asdict(self)


WHOLE_BYTES = 64 * 2**20
"""Larger files are satellite images of the whole disk: what is read of them is BOX, as a cycle would [our choice]."""

BOX = (104.0, 27.0, 111.0, 33.0)
"""Chongqing and what surrounds it: every geostationary FengYun satellite sees it."""


def diagnose(path: Path) -> Diagnosis:
    """Diagnose one file; never raises for what is in the file."""
    try:
        reading = read_file(path, path.name, BOX if _size(path) > WHOLE_BYTES else None)
    except ReadError as error:
        return Diagnosis(
            str(path), False, _format_of(path), "", "", "", 0, (), error.reason, error.zh, error.en, error.offset
        )
    return _healthy(path, reading)


def _size(path: Path) -> int:
    """0 where there is no such file: what is wrong is told by reading it."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0


def _format_of(path: Path) -> str:
    try:
        return identify(unpack(path).data[:HEAD_BYTES], path.name, FORMATS).name
    except ReadError:
        return ""


def _healthy(path: Path, reading: Reading) -> Diagnosis:
    found, what = reading.format, reading.description
    remarks = "; ".join((*what.remarks, *name_remarks(found, path.name, FORMATS)))
    kind, kind_zh = ("radar", "雷达") if what.began is None else ("source", "资料来源")
    site = f", {kind} {what.site}" if what.site else ""
    site_zh = f"，{kind_zh} {what.site}" if what.site else ""
    scan = f", scan {what.scan}" if what.scan else ""
    scan_zh = f"，扫描方式 {what.scan}" if what.scan else ""
    sweeps = f"{scan}, {what.sweeps} sweeps" if what.sweeps else ""
    sweeps_zh = f"{scan_zh}，{what.sweeps} 层" if what.sweeps else ""
    moments = " ".join(what.moments)
    clock_zh = f"北京时间 {beijing(what.time):%Y-%m-%d %H:%M:%S}"
    return Diagnosis(
        file=str(path),
        readable=True,
        format=found.name,
        site=what.site,
        time=iso(what.time),
        scan=what.scan,
        sweeps=what.sweeps,
        moments=what.moments,
        reason="",
        message_zh=f"{found.title_zh}{site_zh}，{clock_zh}{sweeps_zh}，要素 {moments}"
        + (f"；注意：{remarks}" if remarks else ""),
        message_en=f"{found.title_en}{site}, {iso(what.time)}{sweeps}, moments {moments}"
        + (f"; note: {remarks}" if remarks else ""),
    )
