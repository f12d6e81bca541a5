"""Docs say what the code does: commands, JSON keys, reasons, regions, links, and the two README's in step."""

import re
from pathlib import Path

import pytest
import typer.main

from wxcore.cli.app import add_lazy, app
from wxcore.errors import Reason
from wxcore.pipeline.result import STORM_KEYS
from wxcore.region import list_regions

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").glob("*.md")])
REFERENCE = (ROOT / "docs" / "reference.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("key", STORM_KEYS)
def test_every_storm_key_is_documented(key: str) -> None:
    assert f"`{key}`" in REFERENCE


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_documented(reason: Reason) -> None:
    assert f"`{reason}`" in REFERENCE


def test_every_command_is_documented_in_both_languages() -> None:
    add_lazy(["--help"])
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for page in ("README.md", "README.zh.md"):
        text = (ROOT / page).read_text()
        missing = [name for name in commands if f"wx {name}" not in text and f"make {name}" not in text]
        assert not missing, f"{page}: {missing}"


def test_the_two_readmes_have_the_same_shape() -> None:
    shapes = []
    for page in ("README.md", "README.zh.md"):
        text = (ROOT / page).read_text()
        shapes.append([line.split(" ")[0] for line in text.splitlines() if line.startswith(("#", "* ", "|", "```"))])
    assert shapes[0] == shapes[1]


def test_every_region_is_listed() -> None:
    text = (ROOT / "station_meta" / "README.md").read_text()
    assert [name for name in list_regions() if name not in text] == []
