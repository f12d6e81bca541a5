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


def diagnose(path: Path) -> Diagnosis:
    """Diagnose one file; never raises for what is in the file."""
    try:
        reading = read_file(path, path.name)
    except ReadError as error:
        return Diagnosis(
            str(path), False, _format_of(path), "", "", "", 0, (), error.reason, error.zh, error.en, error.offset
        )
    return _healthy(path, reading)


def _format_of(path: Path) -> str:
    try:
        return identify(unpack(path).data[:HEAD_BYTES], path.name, FORMATS).name
    except ReadError:
        return ""


def _healthy(path: Path, reading: Reading) -> Diagnosis:
    found, what = reading.format, reading.description
    remarks = "; ".join((*what.remarks, *name_remarks(found, path.name, FORMATS)))
    site = f", radar {what.site}" if what.site else ""
    site_zh = f"，雷达 {what.site}" if what.site else ""
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
