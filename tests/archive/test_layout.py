"""What is on the disk: chunks, shards, codec, dtypes and fill values as decisions 0003 and 0009 say them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from tests.archive.cubes import GRID, NOON, cube, provenance, storms
from wxcore.archive import layout
from wxcore.archive.compact import compact
from wxcore.archive.place import place_of
from wxcore.archive.repository import BRANCH, open_repository
from wxcore.archive.store import commit_cycle
from wxcore.errors import SchemaError
from wxcore.grid import Grid
from wxcore.region import load_region
from wxcore.schema import Var

DAY = "20200612"
CHONGQING = load_region("chongqing").grid
"""521 x 601 cells, 33 levels."""

PACKED = {
    "reflectivity", "composite_reflectivity", "composite_height", "vil", "vil_density", "echo_top_18", "echo_top_30",
    "echo_top_45", "echo_top_50", "echo_top_60", "mesh", "mesh75", "mesh95", "posh", "h45_above_h0",
}  # fmt: skip
DTYPES: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(PACKED, ("int16", -32768)),
    **dict.fromkeys(("shi", "freezing_level", "minus20_level"), ("float32", "NaN")),
    **dict.fromkeys(("observed", "topped", "radar_count", "levels_source"), ("uint8", 0)),
    "nearest_radar": ("int16", -1),
}
"""Type and fill value on the disk."""
SCALARS = {"freezing_level", "minus20_level", "levels_source"}
CUBES = {"reflectivity", "radar_count"}
BLOSC = {"cname": "lz4", "clevel": 9, "shuffle": "shuffle"}


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """zarr.json of every node of a day and its view on Chongqing's grid, by path."""
    folder = tmp_path_factory.mktemp("layout")
    group = zarr.open_group(folder, mode="w", zarr_format=3)
    layout.create_day(group, DAY, CHONGQING, "chongqing")
    layout.create_view(group, DAY, CHONGQING, "chongqing", np.arange(50) * 6)
    return {str(path.parent.relative_to(folder)): json.loads(path.read_bytes()) for path in folder.rglob("zarr.json")}


def _codec(codecs: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(codec["configuration"] for codec in codecs if codec["name"] == name)
    return found


def _stored(node: dict[str, Any]) -> list[int]:
    """Shape of what is one object on the disk."""
    shape: list[int] = node["chunk_grid"]["configuration"]["chunk_shape"]
    return shape


@pytest.mark.parametrize("kind", ["cubes", "views"])
def test_dtypes_fill_values_and_codec(kind: str, metadata: dict[str, dict[str, Any]]) -> None:
    for name in DTYPES.keys() - (CUBES if kind == "views" else set()):
        node = metadata[f"{kind}/{DAY}/{name}"]
        assert (node["data_type"], node["fill_value"]) == DTYPES[name], name
        codecs = node["codecs"]
        if name in CUBES:
            codecs = _codec(codecs, "sharding_indexed")["codecs"]
        assert _codec(codecs, "blosc").items() >= BLOSC.items(), name
        assert codecs[-1]["name"] == "crc32c", name
        assert ("scale_factor" in node["attributes"]) == (name in PACKED), name
        assert node["attributes"].get("_FillValue", -32768) == -32768
    for path, node in metadata.items():  # every object that a power cut may tear has its checksum
        if node["node_type"] == "array":
            inner = node["codecs"] if len(node["codecs"]) > 1 else _codec(node["codecs"], "sharding_indexed")["codecs"]
            assert inner[-1]["name"] == "crc32c", path
    assert {name.split("/")[2] for name in metadata if name.startswith(f"{kind}/{DAY}/")} >= DTYPES.keys() - CUBES


def test_a_cube_is_one_shard_a_slot_of_chunks_of_eleven_levels(metadata: dict[str, dict[str, Any]]) -> None:
    for name in CUBES:
        node = metadata[f"cubes/{DAY}/{name}"]
        assert node["shape"] == [240, 33, 521, 601]
        assert _codec(node["codecs"], "sharding_indexed")["chunk_shape"] == [1, 11, 131, 151]
        assert _stored(node) == [1, 33, 524, 604]


def test_a_plane_is_one_chunk_a_slot_and_a_number_one_a_day(metadata: dict[str, dict[str, Any]]) -> None:
    for name in DTYPES.keys() - CUBES:
        node = metadata[f"cubes/{DAY}/{name}"]
        assert _stored(node) == ([240] if name in SCALARS else [1, 521, 601]), name
        assert [codec["name"] for codec in node["codecs"]] == ["bytes", "blosc", "crc32c"], name
    for name in ("storms", "probabilities", "provenance"):
        node = metadata[f"tables/{DAY}/{name}"]
        assert (node["data_type"], node["fill_value"], _stored(node)) == ("string", "", [1])


def test_a_view_is_twenty_slots_deep_without_cubes(metadata: dict[str, dict[str, Any]]) -> None:
    for name in DTYPES.keys() - CUBES:
        node = metadata[f"views/{DAY}/{name}"]
        assert node["shape"][0] == 50
        assert _stored(node) == ([50] if name in SCALARS else [20, 131, 151]), name
    assert not CUBES & {path.split("/")[-1] for path in metadata if path.startswith("views")}


@pytest.mark.parametrize(
    ("n_lat", "n_lon", "levels", "plane", "inner"),
    [
        (5, 7, 3, [1, 5, 7], None),  # all in one chunk: no shard
        (640, 160, 11, [1, 640, 160], [1, 11, 160, 160]),
        (641, 1300, 12, [1, 321, 434], [1, 6, 129, 145]),  # China is cut
    ],
)
def test_other_sizes(
    n_lat: int, n_lon: int, levels: int, plane: list[int], inner: list[int] | None, tmp_path: Path
) -> None:
    grid = Grid(100.0, 20.0, n_lon, n_lat, levels_m=tuple(500.0 * (level + 1) for level in range(levels)))
    layout.create_day(zarr.open_group(tmp_path, mode="w", zarr_format=3), DAY, grid, "r")
    cubes = zarr.open_group(tmp_path, mode="r")[f"cubes/{DAY}"]
    vil, reflectivity = cubes["vil"], cubes["reflectivity"]  # type: ignore[index]
    assert isinstance(vil, zarr.Array)
    assert isinstance(reflectivity, zarr.Array)
    assert list(vil.chunks) == plane
    assert list(reflectivity.chunks) == (inner or [1, levels, n_lat, n_lon])
    assert (reflectivity.shards is None) == (inner is None)
    for array in (vil, reflectivity):  # a slot is whole objects: no cycle rewrites another's
        assert (array.shards or array.chunks)[0] == 1


def test_the_archive_holds_what_the_layout_says(tmp_path: Path) -> None:
    """Through `commit_cycle` and `compact`, not only from the template."""
    commit_cycle(tmp_path, "r", GRID, NOON, cube(NOON), storms(NOON), provenance(NOON))
    compact(tmp_path, "r", NOON.date())
    group = zarr.open_group(open_repository(place_of(tmp_path, "r")).readonly_session(BRANCH).store, mode="r")
    for kind, names in (("cubes", DTYPES.keys()), ("views", DTYPES.keys() - CUBES)):
        for name in names:
            array = group[f"{kind}/{DAY}/{name}"]
            assert isinstance(array, zarr.Array)
            assert str(array.dtype) == DTYPES[name][0], name
            sizes = {"cubes": (1,), "views": (1,)} if name not in SCALARS else {"cubes": (240,), "views": (1,)}
            assert array.chunks[:1] == sizes[kind], name


def _var(name: str) -> Var:
    return next(var for var in layout.VARIABLES if var.name == name)


@given(st.lists(st.one_of(st.floats(-3276, 3276, width=32), st.just(math.nan)), min_size=1, max_size=40))
def test_packing_rounds_to_the_nearest_tenth(values: list[float]) -> None:
    given_values = np.array(values, "f4").reshape(1, 1, -1)
    packed = layout.pack(given_values, _var("reflectivity"))
    for found, value in zip(packed.ravel().tolist(), given_values.ravel().tolist(), strict=True):
        assert found == -32768 if math.isnan(value) else abs(found - 10 * value) <= 0.5 + 1e-3  # float32 times ten


@pytest.mark.parametrize("value", [math.inf, -math.inf, 3276.8, -3276.8])
@pytest.mark.parametrize("rest", [0.0, math.nan])
def test_what_cannot_be_packed_is_refused(value: float, rest: float) -> None:
    values = np.full((3, 2, 2), rest, "f4")
    values[2, 1, 0] = value
    with pytest.raises(SchemaError, match="reflectivity"):
        layout.pack(values, _var("reflectivity"))
    assert (layout.pack(np.full((3, 2, 2), math.nan, "f4"), _var("reflectivity")) == layout.PACKED_FILL).all()
