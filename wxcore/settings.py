"""What an installation may set by environment. Only cli, desk and flows read this."""

import locale
import os
from dataclasses import dataclass
from pathlib import Path

from wxcore.pipeline.home import Home
from wxcore.pipeline.policy import DESK_URL, TEST, Policy
from wxcore.region import STATION_META, Region, load_region

DEFAULT_REGION = "chongqing"
DEFAULT_HOME = Path("out")


@dataclass(frozen=True)
class Settings:
    """Settings by environment.

    Attributes:
        home: `WXCORE_HOME`, where files, archive and ledger live.
        region: `WXCORE_REGION`.
        station_meta: `WXCORE_STATION_META`, folder of the regions' folders; those that came with wxcore where not set.
        lang: `WXCORE_LANG`, zh or en.
        ledger_url: `WXCORE_LEDGER`, such as postgresql://host/wxcore; empty: SQLite in the home.
        archive_url: `WXCORE_ARCHIVE`, such as s3://bucket/prefix; empty: a folder of the home.
        incoming: `WXCORE_INCOMING`, folders that `wx watch` watches where none are named.
        roots: `WXCORE_ROOTS`, the folders that files may come from; empty: any.
        models: `WXCORE_MODELS`, folder of the models that were trained here; None: a folder of the home.
        syn_models: `WXCORE_SYN_MODELS`=1, models that learnt from simulated data may judge real data.
    """

    home: Path
    region: str
    station_meta: Path
    lang: str
    ledger_url: str
    archive_url: str
    incoming: tuple[Path, ...]
    roots: tuple[Path, ...]
    models: Path | None
    syn_models: bool


def load_settings() -> Settings:
    """Settings of this process; the language follows the locale where WXCORE_LANG is not set."""
    return Settings(
        home=Path(os.environ.get("WXCORE_HOME", DEFAULT_HOME)),
        region=os.environ.get("WXCORE_REGION", DEFAULT_REGION),
        station_meta=Path(os.environ.get("WXCORE_STATION_META") or STATION_META),
        lang=language(os.environ.get("WXCORE_LANG", "")),
        ledger_url=os.environ.get("WXCORE_LEDGER", ""),
        archive_url=os.environ.get("WXCORE_ARCHIVE", ""),
        incoming=_folders("WXCORE_INCOMING"),
        roots=_folders("WXCORE_ROOTS"),
        models=_path("WXCORE_MODELS"),
        syn_models=os.environ.get("WXCORE_SYN_MODELS", "") == "1",
    )


def home_at(root: Path | str | None = None) -> Home:
    """The home in this folder (`WXCORE_HOME` where there is none), with what the environment names."""
    settings = load_settings()
    return Home(
        Path(root or settings.home), settings.ledger_url, settings.archive_url, settings.roots,
        models_at=settings.models, syn_models=settings.syn_models,
    )  # fmt: skip


def region_at(region_id: str = "") -> Region:
    """The region asked for, else `WXCORE_REGION`, from `WXCORE_STATION_META`.

    Raises:
        RegionError: as `load_region`.
    """
    settings = load_settings()
    return load_region(region_id or settings.region, root=settings.station_meta)


def policy_at(home: Home) -> Policy:
    """How this installation issues warnings.

    `WXCORE_STATUS` (Test, Exercise or Actual; Test where not set), `WXCORE_ALLOW_ACTUAL`=1, `WXCORE_AUTO_RELEASE`=1,
    `WXCORE_SIGN_KEY` and `WXCORE_SIGN_CERT` (PEM files), `WXCORE_DESK_URL` (as recipients reach the desk),
    `WXCORE_DELIVERY` (delivery.toml; one in the home where not set).
    """
    own = home.root / "delivery.toml"
    return Policy(
        status=os.environ.get("WXCORE_STATUS", "") or TEST,
        actual_allowed=os.environ.get("WXCORE_ALLOW_ACTUAL", "") == "1",
        auto_release=os.environ.get("WXCORE_AUTO_RELEASE", "") == "1",
        key_file=_path("WXCORE_SIGN_KEY"),
        cert_file=_path("WXCORE_SIGN_CERT"),
        desk_url=os.environ.get("WXCORE_DESK_URL", "") or DESK_URL,
        delivery_file=_path("WXCORE_DELIVERY") or (own if own.is_file() else None),
    )


def _path(name: str) -> Path | None:
    return Path(text) if (text := os.environ.get(name, "")) else None


def _folders(name: str) -> tuple[Path, ...]:
    return tuple(Path(part) for part in os.environ.get(name, "").split(os.pathsep) if part)


def language(asked: str) -> str:
    """`zh` or `en`: what was asked for, else what the locale says."""
    text = asked or locale.getlocale()[0] or os.environ.get("LANG", "")
    return "zh" if text.lower().startswith(("zh", "chinese")) else "en"
