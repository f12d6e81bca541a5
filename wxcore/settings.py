"""What an installation may set by environment. Only cli, desk and flows read this."""

import locale
import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_REGION = "chongqing"
DEFAULT_HOME = Path("out")


@dataclass(frozen=True)
class Settings:
    """`WXCORE_HOME` (where files, archive and ledger live), `WXCORE_REGION`, `WXCORE_LANG` (zh or en)."""

    home: Path
    region: str
    lang: str


def load_settings() -> Settings:
    """Settings of this process; the language follows the locale where WXCORE_LANG is not set."""
    return Settings(
        home=Path(os.environ.get("WXCORE_HOME", DEFAULT_HOME)),
        region=os.environ.get("WXCORE_REGION", DEFAULT_REGION),
        lang=language(os.environ.get("WXCORE_LANG", "")),
    )


def language(asked: str) -> str:
    """`zh` or `en`: what was asked for, else what the locale says."""
    text = asked or locale.getlocale()[0] or os.environ.get("LANG", "")
    return "zh" if text.lower().startswith(("zh", "chinese")) else "en"
