"""Folders become the files in them: everything below, nothing hidden, nothing of a home, nobody lost to one folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from wxcore.pipeline.expand import expand
from wxcore.pipeline.home import Home


def write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)


def test_files_below_by_name_without_what_is_hidden(tmp_path: Path) -> None:
    seen = [tmp_path / "a", tmp_path / "b" / "c" / "d", tmp_path / "e"]
    write(*seen, tmp_path / ".hidden", tmp_path / ".folder" / "x")
    assert expand([tmp_path]) == seen
    assert expand([tmp_path / "e", tmp_path / "b"]) == [tmp_path / "e", seen[1]]


def test_a_home_in_the_folder_is_no_input(tmp_path: Path) -> None:
    home = Home(tmp_path / "out")
    home.landing.mkdir(parents=True)
    home.warnings.mkdir()
    write(tmp_path / "a", home.landing / "bytes", home.root / "ledger.sqlite", home.root / "feed" / "volume")
    assert expand([tmp_path]) == [tmp_path / "a"]
    assert expand([home.root / "feed"]) == [home.root / "feed" / "volume"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a", tmp_path / "no" / "b", tmp_path / "z")
    listing = Path.iterdir

    def refused(path: Path) -> Iterator[Path]:
        if path.name == "no":
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    assert expand([tmp_path]) == [tmp_path / "a", tmp_path / "no", tmp_path / "z"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert expand([tmp_path]) == [tmp_path / "a", tmp_path / "loop"]
