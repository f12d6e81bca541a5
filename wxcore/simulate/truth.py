"""What was true, beside the simulated files: cells, flashes, events, and hail, gusts and echo on the region's grid."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.grid import Grid
from wxcore.hazard.labels.events import write_events
from wxcore.schema import LAT, LON, NO_ECHO_DBZ, SIMULATED_ATTRIBUTE, SIMULATED_MARK, TIME
from wxcore.simulate import field_kernels as kernels
from wxcore.simulate.fields import GUST_FACTOR, Instant, instant
from wxcore.simulate.flashes import Flashes, flash_rate, flashes
from wxcore.simulate.minutes import MINUTE
from wxcore.simulate.planned import Setting
from wxcore.simulate.scene import KM_PER_DEG, Air, Cell, Doubles, World
from wxcore.simulate.truth_events import truth_events
from wxcore.times import CYCLE, cycle_of, iso, require_utc

FOLDER, README, CELLS, FLASHES = "truth", "README.txt", "cells.csv", "flashes.csv"
EVENTS, FIELDS = "events.csv", "truth.nc"

LASTS = timedelta(seconds=1)
"""No flash lasts longer: of one that began so long before the start, files may tell the end."""

TILE = 24
"""Side of the parts of the grid for which the storms near them are picked [grid cells]."""

INITIATION, GROWTH, MATURE = 0.12, 0.35, 0.7
"""Parts of a cell's life at which these phases end [our choice]; the rest is decay."""

SCALE = 0.1
"""Step of the packed values, in their units."""

BOUNDS = "time_bounds"

CELL_COLUMNS = "time,id,storm,parents,phase,lon,lat,peak_dbz,hail_mm,gust_m_s,rotation_m_s,flashes_min"
FLASH_COLUMNS = "time,lon,lat,height_m,cloud_to_ground,peak_current_ka"

TEXT = """SYN: everything here is simulated. It proves plumbing, speed and conservation, never skill.

Scenario {scenario}, region {region}, seed {seed}, {start} to {end}.

cells.csv    every cell each 6 minutes (UTC): phase, place of its core near the ground [deg], strongest echo [dBZ],
             hail at the ground [mm], gust of its outflow [m/s], tangential wind of its mesocyclone [m/s] (less than 0:
             clockwise), flashes a minute. parents: ids of the cells it split from or merged of, with blanks between.
events.csv   what labels are made of, as wx samples reads it: each 6 minutes the hail of every cell where it falls [mm],
             and its gusts [m/s] of 10.8 m/s and more, beside the cell and at the front of its outflow, down the wind;
             and every flash of flashes.csv.
flashes.csv  every flash from a second before the start: when it began, place [deg], height [m above sea level], does
             it strike the ground (1 or 0), peak current [kA], empty where it does not.
truth.nc     on the region's grid, every 6 minutes: strongest echo of the column [dBZ] at that time; largest hail [mm],
             largest gust [m/s] and number of flashes in the 6 minutes before. CF netCDF, packed.

全部为模拟数据（SYN）：仅用于检验流程、速度与数据守恒，不代表预报技巧。
"""

VARIABLES: tuple[tuple[str, float, dict[str, str]], ...] = (
    ("composite_reflectivity", SCALE, {
        "standard_name": "equivalent_reflectivity_factor", "units": "dBZ", "cell_methods": "time: point",
        "long_name": "strongest echo of the grid's levels, no echo is -10"}),
    ("hail_size", SCALE, {
        "units": "mm", "long_name": "diameter of the largest hail at the ground", "cell_methods": "time: maximum"}),
    ("wind_speed_of_gust", SCALE, {
        "standard_name": "wind_speed_of_gust", "units": "m s-1", "long_name": "largest gust at 10 m",
        "cell_methods": "time: maximum"}),
    ("flash_count", 1.0, {
        "units": "1", "long_name": "number of lightning flashes above the grid cell", "cell_methods": "time: sum"}),
)  # fmt: skip


@dataclass(frozen=True)
class _Tile:
    """A part of the grid: where it is in it, its places (flat), its middle, and how far its corners are from that."""

    where: tuple[slice, slice]
    lon: Doubles
    lat: Doubles
    middle: tuple[float, float]
    reach_km: float


def write_truth(setting: Setting, folder: Path) -> list[Path]:
    """Write README.txt, cells.csv, flashes.csv, events.csv and truth.nc into the folder `truth` of a feed's `folder`.

    Times are the analysis cycles whose observations are in the setting's period. The same setting gives the same bytes.

    Returns:
        The files.

    Raises:
        TimeError: the setting's times are naive.
        OSError: disk full, or a write error.
    """
    world, cycles = setting.world, truth_cycles(setting.start, setting.end)
    target = folder / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    paths = [target / name for name in (README, CELLS, FLASHES, EVENTS, FIELDS)]
    text = TEXT.format(
        scenario=world.scenario, region=setting.region.id, seed=setting.seed, start=iso(setting.start),
        end=iso(setting.end),
    )  # fmt: skip
    paths[0].write_text(text, encoding="utf-8")
    _write_csv(paths[1], CELL_COLUMNS, (row for cycle in cycles for row in cell_rows(world, cycle)))
    struck = [flashes(world, cycle - CYCLE, cycle) for cycle in cycles]
    before = [flashes(world, cycle - CYCLE - LASTS, cycle - CYCLE) for cycle in cycles[:1]]
    _write_csv(paths[2], FLASH_COLUMNS, (row for part in before + struck for row in _flash_rows(part)))
    write_events(truth_events(world, cycles, before + struck), paths[3], simulated=True)
    _write_fields(setting, cycles, struck, paths[4])
    return paths


def read_truth(folder: Path) -> xr.Dataset:
    """The fields of a feed's truth.nc, unpacked: (time, lat, lon); see VARIABLES.

    Raises:
        FileNotFoundError: there is none.
    """
    return xr.load_dataset(folder / FOLDER / FIELDS, engine="netcdf4")


def truth_cycles(start: datetime, end: datetime) -> list[datetime]:
    """The cycles whose six minutes hold observations from `start` (inclusive) to `end` (exclusive), aware UTC.

    Raises:
        TimeError: a naive time.
    """
    first = cycle_of(start + timedelta(microseconds=1))
    return [first + number * CYCLE for number in range((cycle_of(end) - first) // CYCLE + 1)]


def cell_rows(world: World, when: datetime) -> list[str]:
    """Rows of cells.csv of the cells that live at `when` (aware UTC)."""
    when = require_utc(when)
    living = [cell for cell in world.cells if cell.vigour(when) > 0]
    rows = []
    for cell, row in zip(living, instant(world, when).cells, strict=True):
        strongest = row[kernels.PEAK] + row[kernels.HAIL_DB]
        values = (
            strongest, row[kernels.HAIL_MM], row[kernels.OUTFLOW] * GUST_FACTOR, row[kernels.ROTATION],
            flash_rate(cell, when),
        )  # fmt: skip
        place = f"{row[kernels.LON]:.4f},{row[kernels.LAT]:.4f}"
        texts = (iso(when), cell.id, cell.storm, " ".join(cell.parents), phase(cell, when), place)
        rows.append(",".join((*texts, *(f"{value:.1f}" for value in values))))
    return rows


def phase(cell: Cell, when: datetime) -> str:
    """initiation, growth, mature or decay, by age."""
    age = cell.age(when)
    names = ((INITIATION, "initiation"), (GROWTH, "growth"), (MATURE, "mature"))
    return next((name for until, name in names if age < until), "decay")


def _flash_rows(found: Flashes) -> Iterator[str]:
    times = np.datetime_as_string(found.time, unit="ms")
    columns = zip(times, found.lon, found.lat, found.height, found.cloud_to_ground, found.peak_current, strict=True)
    for time, lon, lat, height, ground, current in columns:
        told = f"{current:.1f}" if ground else ""
        yield f"{time}Z,{lon:.4f},{lat:.4f},{height:.0f},{int(ground)},{told}"


def _write_csv(path: Path, columns: str, rows: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"# {SIMULATED_ATTRIBUTE}={SIMULATED_MARK}\n{columns}\n")
        file.writelines(f"{row}\n" for row in rows)


def _write_fields(setting: Setting, cycles: list[datetime], struck: list[Flashes], path: Path) -> None:
    grid = setting.region.grid
    tiles = _tiles(grid)
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        file.setncatts({
            "Conventions": "CF-1.11", "title": "What was true in simulated weather", "source": "wxcore simulator",
            SIMULATED_ATTRIBUTE: SIMULATED_MARK, "scenario": setting.world.scenario, "region": setting.region.id,
            "seed": np.int64(setting.seed),
        })  # fmt: skip
        _write_places(file, grid, cycles)
        for name, scale, attributes in VARIABLES:
            array = file.createVariable(
                name, "i2", (TIME, LAT, LON), zlib=True, complevel=1, shuffle=True, chunksizes=(1, *grid.shape)
            )
            array.setncatts(attributes | ({"scale_factor": np.float32(scale)} if scale != 1 else {}))
            array.set_auto_maskandscale(False)
        for index, (cycle, part) in enumerate(zip(cycles, struck, strict=True)):
            for (name, scale, _), values in zip(VARIABLES, _of_cycle(setting, tiles, cycle, part), strict=True):
                file[name][index] = np.round(values / scale).astype(np.int16)


def _write_places(file: Any, grid: Grid, cycles: list[datetime]) -> None:
    seconds = np.array([cycle.timestamp() for cycle in cycles])
    units = "seconds since 1970-01-01 00:00:00"
    axes: tuple[tuple[str, npt.NDArray[Any], dict[str, str]], ...] = (
        (TIME, seconds, {"standard_name": "time", "units": units, "calendar": "standard", "bounds": BOUNDS}),
        (LAT, grid.lat, {"standard_name": "latitude", "units": "degrees_north"}),
        (LON, grid.lon, {"standard_name": "longitude", "units": "degrees_east"}),
    )
    for name, values, attributes in axes:
        file.createDimension(name, values.size)
        file.createVariable(name, "f8", (name,))[:] = values
        file[name].setncatts(attributes)
    file.createDimension("bounds", 2)
    file.createVariable(BOUNDS, "f8", (TIME, "bounds"))[:] = seconds[:, None] - [CYCLE.total_seconds(), 0.0]


def _of_cycle(setting: Setting, tiles: list[_Tile], cycle: datetime, struck: Flashes) -> tuple[npt.NDArray[Any], ...]:
    """Values of VARIABLES at a cycle, (lat, lon) each."""
    grid, world = setting.region.grid, setting.world
    hail, gust = np.zeros((2, *grid.shape))
    for minute in range(CYCLE // MINUTE):
        now = instant(world, cycle - minute * MINUTE)
        _raise_hail(now, tiles, hail)
        np.maximum(gust, _gust(now, tiles, world.air, grid), out=gust)
    return _composite(instant(world, cycle), tiles, grid), hail, gust, _count(struck, grid)


def _composite(now: Instant, tiles: list[_Tile], grid: Grid) -> Doubles:
    cells, shields = now.cells, now.shields
    above = np.maximum(cells[:, kernels.PEAK] + cells[:, kernels.HAIL_DB] - NO_ECHO_DBZ, 0) / kernels.EDGE_DB
    lean = np.hypot(cells[:, kernels.LEAN_X], cells[:, kernels.LEAN_Y]) * grid.levels_m[-1] / 1000
    cell_km = cells[:, kernels.RADIUS] * np.sqrt(above) + lean
    over = np.maximum(shields[:, kernels.S_DBZ] + kernels.BRIGHT_DB - NO_ECHO_DBZ, 0) / kernels.SHIELD_EDGE_DB
    shield_km = shields[:, [kernels.S_ALONG, kernels.S_ACROSS]].max(axis=1) * over**0.25
    out = np.full(grid.shape, NO_ECHO_DBZ)
    sheets = (rows for _, rows in _near(shields, shield_km, tiles))
    for (tile, rows), sheet in zip(_near(cells, cell_km, tiles), sheets, strict=True):
        if not rows.size and not sheet.size:
            continue
        lon, lat, height = (part.ravel() for part in np.broadcast_arrays(tile.lon, tile.lat, grid.height[:, None]))
        dbz = np.empty(lon.size)
        kernels.fill_dbz(lon, lat, height, rows, sheet, dbz)
        strongest = dbz.reshape(grid.height.size, -1).max(axis=0)
        out[tile.where] = np.maximum(strongest.reshape(out[tile.where].shape), NO_ECHO_DBZ)
    return out


def _raise_hail(now: Instant, tiles: list[_Tile], hail: Doubles) -> None:
    cells = now.cells[now.cells[:, kernels.HAIL_MM] > 0]
    for tile, rows in _near(cells, cells[:, kernels.RADIUS] / kernels.CORE_NARROW**0.5, tiles):
        if rows.size:
            _, _, size = parts = np.zeros((3, tile.lon.size))
            kernels.fill_ground(tile.lon, tile.lat, rows, *parts)
            part = hail[tile.where]
            np.maximum(part, size.reshape(part.shape), out=part)


def _gust(now: Instant, tiles: list[_Tile], air: Air, grid: Grid) -> Doubles:
    cells = now.cells[now.cells[:, kernels.OUTFLOW] > 0]
    height = air.ground_m + 10
    calm_u, calm_v = (float(part) for part in air.wind(height))
    gust = np.full(grid.shape, GUST_FACTOR * float(np.hypot(calm_u, calm_v)))
    for tile, rows in _near(cells, cells[:, kernels.FRONT] * (1 + kernels.FRONT_WIDTH), tiles):
        if rows.size:
            u, v = np.full(tile.lon.size, calm_u), np.full(tile.lon.size, calm_v)
            kernels.fill_wind(tile.lon, tile.lat, np.full(u.size, height), rows, air.ground_m, u, v)
            gust[tile.where] = GUST_FACTOR * np.hypot(u, v).reshape(gust[tile.where].shape)
    return gust


def _count(struck: Flashes, grid: Grid) -> npt.NDArray[np.int64]:
    x = np.round((struck.lon - grid.lon_west) / grid.step_deg).astype(np.int64)
    y = np.round((struck.lat - grid.lat_south) / grid.step_deg).astype(np.int64)
    inside = (x >= 0) & (x < grid.n_lon) & (y >= 0) & (y < grid.n_lat)
    return np.bincount(y[inside] * grid.n_lon + x[inside], minlength=grid.n_lat * grid.n_lon).reshape(grid.shape)


def _tiles(grid: Grid) -> list[_Tile]:
    tiles = []
    for y in range(0, grid.n_lat, TILE):
        for x in range(0, grid.n_lon, TILE):
            where = slice(y, y + TILE), slice(x, x + TILE)
            lat, lon = (part.ravel() for part in np.meshgrid(grid.lat[where[0]], grid.lon[where[1]], indexing="ij"))
            middle = float(lon[0] + lon[-1]) / 2, float(lat[0] + lat[-1]) / 2
            reach = float(np.hypot(lon[-1] - lon[0], lat[-1] - lat[0])) / 2 * KM_PER_DEG
            tiles.append(_Tile(where, lon, lat, middle, reach))
    return tiles


def _near(rows: Doubles, reach_km: Doubles, tiles: list[_Tile]) -> Iterator[tuple[_Tile, Doubles]]:
    """Each tile with the rows of storms that reach it. Their first columns are lon, lat, and km a degree of lon."""
    middles = np.array([tile.middle for tile in tiles])
    corners = np.array([tile.reach_km for tile in tiles])
    x = (middles[:, :1] - rows[:, kernels.LON]) * rows[:, kernels.KX]
    y = (middles[:, 1:] - rows[:, kernels.LAT]) * KM_PER_DEG
    reached = np.hypot(x, y) <= reach_km + corners[:, None]
    for tile, mask in zip(tiles, reached, strict=True):
        yield tile, rows[mask]
