"""After a power cut the archive is as it was before the newest commit, or after it: never anything else."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.archive.cubes import GRID, NOON, SIX, cube, provenance, storms
from wxcore.archive import heads, place, repository
from wxcore.archive.digest import content_digest
from wxcore.archive.heads import sealed_ids
from wxcore.archive.log import commits, list_tags, tag_snapshot
from wxcore.archive.read import list_cycles, open_archive
from wxcore.archive.recover import Recovery, recover
from wxcore.archive.store import Commit, commit_cycle
from wxcore.errors import ArchiveError


class PowerCutError(Exception):
    """Everything stops here."""


WIDE = replace(GRID, n_lon=40, n_lat=30)
"""Large enough that Icechunk writes chunks as files of their own (above 512 bytes)."""


def commit(root: Path, when: datetime) -> Commit:
    return commit_cycle(root, "r", WIDE, when, cube(when, grid=WIDE), storms(when), provenance(when))


def cut() -> None:
    raise PowerCutError


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class Scene:
    """An archive of two cycles, and the same with a third whose commit was not synced when the power went."""

    before: Path
    after: Path
    recorded: str
    digests: tuple[str, str]
    touched: tuple[str, ...]
    """Files of the third commit, under the region's folder."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    before, after = (tmp_path_factory.mktemp(name) for name in ("before", "after"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "sync_file_system", lambda descriptor: None)
        commit(before, NOON)
        recorded = commit(before, NOON + SIX).snapshot_id
        shutil.copytree(before, after, dirs_exist_ok=True)
        patch.setattr("wxcore.archive.store.seal", lambda *args, **kwargs: cut())
        with pytest.raises(PowerCutError):
            commit(after, NOON + 2 * SIX)
    old = files(before / "r")
    touched = tuple(sorted(name for name, content in files(after / "r").items() if old.get(name) != content))
    return Scene(before, after, recorded, (content_digest(before, "r"), content_digest(after, "r")), touched)


def assert_sound(root: Path, scene: Scene, found: Recovery) -> None:
    """Readable, one of the two states, the rest gone for good, and the next commits work."""
    digest = content_digest(root, "r")
    assert digest in scene.digests
    whole = digest == scene.digests[1]
    assert list_cycles(root, "r") == [NOON + step * SIX for step in range(3 if whole else 2)]
    assert found.action == "adopted" if whole else found.action in {"reset", "restored"}
    assert [record.cycle for record in found.adopted] == ([NOON + 2 * SIX] if whole else [])
    assert found.tip == str(repository.open_repository(root / "r").lookup_branch("main"))
    open_archive(root, region="r").load()
    assert recover(root, "r", found.tip) == Recovery(found.tip, "clean")
    assert commit(root, NOON + 2 * SIX).new != whole
    assert content_digest(root, "r") == scene.digests[1]
    assert commit(root, NOON + 3 * SIX).new
    repo = repository.open_repository(root / "r")
    repo.garbage_collect(datetime.now(UTC) + timedelta(hours=1))
    open_archive(root, region="r").load()


def torn(root: Path, scene: Scene, damage: dict[str, Callable[[Path], None]]) -> Recovery:
    shutil.copytree(scene.after, root, dirs_exist_ok=True)
    for name, tear in damage.items():
        tear(root / "r" / name)
    return recover(root, "r", scene.recorded)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


HEAD = "refs" if repository.icechunk_major() == 1 else "repo/repo"
KINDS = ("chunks", "manifests", "snapshots", "transactions", HEAD)
RESTORED = {HEAD, "snapshots"} if repository.icechunk_major() == 1 else {HEAD}
"""Kinds without which the repository does not tell its history."""


@pytest.mark.parametrize("tear", [empty, half, Path.unlink])
@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_of_file_torn(kind: str, tear: Callable[[Path], None], scene: Scene, tmp_path: Path) -> None:
    names = [name for name in scene.touched if kind in name]
    assert names
    found = torn(tmp_path, scene, dict.fromkeys(names[:1], tear))
    assert found.action == ("restored" if kind in RESTORED else "reset")
    assert found.tip == scene.recorded
    assert content_digest(tmp_path, "r") == scene.digests[0]
    open_archive(tmp_path, region="r").load()


def test_every_file_of_a_commit_is_looked_at(scene: Scene, tmp_path: Path) -> None:
    """Each chunk's file empty, or half of it zeros: the commit is found torn (a sample of the many)."""
    chunks = [name for name in scene.touched if "chunks" in name]
    assert len(chunks) > 10
    for index, name in enumerate(random.Random(0).sample(chunks, 6)):
        assert torn(tmp_path / str(index), scene, {name: (empty, half)[index % 2]}).tip == scene.recorded, name


@pytest.mark.parametrize("tear", [empty, Path.unlink])
def test_all_files_torn(tear: Callable[[Path], None], scene: Scene, tmp_path: Path) -> None:
    found = torn(tmp_path, scene, dict.fromkeys(scene.touched, tear))
    assert found.action == "restored"
    assert found.tip == scene.recorded
    assert_sound(tmp_path, scene, found)


@pytest.mark.parametrize("seed", range(6))
def test_any_files_torn_in_any_way(seed: int, scene: Scene, tmp_path: Path) -> None:
    chance = random.Random(seed)
    names = chance.sample(scene.touched, chance.randint(1, len(scene.touched)))
    found = torn(tmp_path, scene, {name: chance.choice([empty, half, Path.unlink]) for name in names})
    assert_sound(tmp_path, scene, found)


def test_the_head_rolled_back_to_before_the_commit(scene: Scene, tmp_path: Path) -> None:
    """The rename of the newest head was not on the disk: its other files are, and nobody refers to them."""
    shutil.copytree(scene.after, tmp_path, dirs_exist_ok=True)
    for name in scene.touched:
        old = scene.before / "r" / name
        if old.exists():
            shutil.copy(old, tmp_path / "r" / name)
    assert recover(tmp_path, "r", scene.recorded) == Recovery(scene.recorded, "clean")
    assert content_digest(tmp_path, "r") == scene.digests[0]


def test_a_sound_archive_is_left_alone(scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.before, tmp_path, dirs_exist_ok=True)
    before = files(tmp_path / "r")
    assert recover(tmp_path, "r", scene.recorded) == Recovery(scene.recorded, "clean")
    assert files(tmp_path / "r") == before
    assert len(recover(tmp_path, "r", None).adopted) == 2
    assert files(tmp_path / "r") == before
    assert recover(tmp_path / "nowhere", "r", None) == Recovery("", "clean")
    assert not (tmp_path / "nowhere").exists()


def test_a_whole_commit_that_was_not_synced_is_adopted_and_made_durable(scene: Scene, tmp_path: Path) -> None:
    found = torn(tmp_path, scene, {})
    assert [record.fingerprint for record in found.adopted] == [provenance(NOON + 2 * SIX)["fingerprint"]]
    assert sealed_ids(place.place_of(tmp_path, "r"))[0] == found.tip
    assert_sound(tmp_path, scene, found)


def test_a_commit_that_the_ledger_knew_but_the_disk_lost(scene: Scene, tmp_path: Path) -> None:
    """A disk that lied about its sync: the cycle is told lost, for it must be committed again."""
    shutil.copytree(scene.before, tmp_path, dirs_exist_ok=True)
    old = files(tmp_path / "r")
    recorded = commit(tmp_path, NOON + 2 * SIX).snapshot_id
    for name, content in files(tmp_path / "r").items():
        if old.get(name) != content and "heads" not in name:
            empty(tmp_path / "r" / name)
    found = recover(tmp_path, "r", recorded)
    assert (found.action, found.tip, found.lost) == ("restored", scene.recorded, (NOON + 2 * SIX,))
    assert content_digest(tmp_path, "r") == scene.digests[0]


@pytest.mark.parametrize("keep_heads", [True, False])
def test_nothing_whole_starts_empty_and_keeps_the_ruin(keep_heads: bool, scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.before, tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "r" / "repo").rglob("*"):
        if path.is_file():
            empty(path)
    if not keep_heads:
        shutil.rmtree(tmp_path / "r" / heads.HEADS)
    found = recover(tmp_path, "r", scene.recorded)
    assert found.action == "rebuilt"
    assert list_cycles(tmp_path, "r") == []
    assert len(list((tmp_path / "r").glob("repo.torn-*"))) == 1
    for step in (2, 1, 0):
        commit(tmp_path, NOON + step * SIX)
    assert content_digest(tmp_path, "r") == scene.digests[1]


@pytest.mark.parametrize("tear", [empty, half, Path.unlink])
def test_a_torn_marker_and_a_lock_left_over(tear: Callable[[Path], None], scene: Scene, tmp_path: Path) -> None:
    found = torn(tmp_path, scene, {repository.MARKER: tear, "lock": empty})
    assert_sound(tmp_path, scene, found)


def test_other_versions_are_refused_and_not_repaired(scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.before, tmp_path, dirs_exist_ok=True)
    (tmp_path / "r" / repository.MARKER).write_text(json.dumps({"wxcore_archive_format": 99, "icechunk_major": 1}))
    before = files(tmp_path / "r")
    with pytest.raises(ArchiveError, match="format 99"):
        recover(tmp_path, "r", scene.recorded)
    assert files(tmp_path / "r") == before


def test_tags_survive_a_torn_commit(scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.before, tmp_path, dirs_exist_ok=True)
    tag_snapshot(tmp_path, "r", "w1", scene.recorded)
    old = files(tmp_path / "r")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wxcore.archive.store.seal", lambda *args, **kwargs: cut())
        with pytest.raises(PowerCutError):
            commit(tmp_path, NOON + 2 * SIX)
    for name, content in files(tmp_path / "r").items():
        if old.get(name) != content:
            empty(tmp_path / "r" / name)
    assert recover(tmp_path, "r", scene.recorded).action == "restored"
    assert list_tags(tmp_path, "r") == {"w1": scene.recorded}
    assert [record.cycle for record in commits(tmp_path, "r")] == [NOON + SIX, NOON]


def test_a_failed_sync_takes_the_commit_back(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(scene.before, tmp_path, dirs_exist_ok=True)

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(place, "sync_file_system", fail)
        with pytest.raises(ArchiveError, match=r"Input/output error.*nothing changed"):
            commit(tmp_path, NOON + 2 * SIX)
    assert content_digest(tmp_path, "r") == scene.digests[0]
    assert commit(tmp_path, NOON + 2 * SIX).new
    assert content_digest(tmp_path, "r") == scene.digests[1]


def test_the_same_again_is_sealed_where_its_writer_died(scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.after, tmp_path, dirs_exist_ok=True)
    again = commit(tmp_path, NOON + 2 * SIX)
    assert not again.new
    assert sealed_ids(place.place_of(tmp_path, "r"))[0] == again.snapshot_id
