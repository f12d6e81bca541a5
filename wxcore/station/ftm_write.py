"""Reports as regional FTM text, and where its fields are: the layout that reader and writer share (see ftm.py)."""

import numpy as np

from wxcore.schema import QC_BAD, QC_MISSING, SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.station.clocks import OLDEST_GUST
from wxcore.station.ftm_fields import JUDGED, WHOLE, WINDS, Bytes, minutes_elapsed
from wxcore.station.reports import PROVINCIAL, Doubles, Floats, Reports, Times

PLACES: dict[str, tuple[int, int]] = {
    "lat": (0, 1), "lon": (0, 2), "elevation": (0, 3),
    "wind_from_direction": (1, 1), "wind_speed": (1, 2),
    "wind_from_direction_10min": (1, 3), "wind_speed_10min": (1, 4),
    "wind_gust_from_direction": (1, 10), "wind_speed_of_gust": (1, 11), "gust_time": (1, 12),
    "precipitation_1h": (1, 13), "air_temperature": (1, 14), "relative_humidity": (1, 19),
    "dew_point_temperature": (1, 23), "air_pressure": (1, 24), "air_pressure_at_mean_sea_level": (1, 48),
    "present_weather": (3, 7),
}  # fmt: skip
"""Field -> line and token of a block, both from 0 [V]."""

HEADER_TOKENS, VALUE_TOKENS = 7, 52
"""Tokens of the first line, and of the second with its time [V]."""

FLAGS_AT = tuple(PLACES[name][1] - 1 for name in JUDGED if PLACES[name][0] == 1)
"""Character of the first QC string for each element of the second line; line 4 has none [V]."""

CALM_M_S = 0.2
"""A mean wind that rounds to this or less has no direction: `PPC` [M: CMA observing rules]."""

MOST_MINUTE_RAIN = 99
"""Largest amount that two characters hold [0.1 mm]; more is written as this [our choice]."""

_WIDTHS = (
    14,
    3,
    3,
    3,
    3,
    3,
    3,
    4,
    3,
    3,
    3,
    3,
    4,
    4,
    4,
    4,
    4,
    4,
    4,
    3,
    3,
    4,
    3,
    4,
    5,
    5,
    4,
    5,
    4,
    *[4] * 19,
    5,
    5,
    5,
    4,
)
"""Characters of the tokens of the second line [V: the sample]."""

_TEMPLATE = (
    b"_____ ////// /////// ///// ///// 4 000\n",
    b" ".join(b"/" * width for width in _WIDTHS) + b"\n",
    b"/" * 120 + b"\n",
    b"/// /// /// /// //// //////////////////////// /// // ///// ///// ///// ///// ///// ///// /// /// /// // ///// "
    b"///// ///// ///// /////\n",
    b"QC " + b"8" * 51 + b" " + b"8" * 60 + b"=\n",
)


def _place(line: int, token: int) -> slice:
    """Where a token is among the characters of a block."""
    tokens = _TEMPLATE[line].rstrip().split(b" ")
    start = sum(map(len, _TEMPLATE[:line])) + sum(len(before) + 1 for before in tokens[:token])
    return slice(start, start + len(tokens[token]))


_SLICES = {name: _place(*place) for name, place in PLACES.items()}
_ID, _MARK, _CLOCK, _RAIN = _place(0, 0), _place(0, 6), _place(1, 0), _place(2, 0)
_FLAGS, _RAIN_FLAGS = _place(4, 1), _place(4, 2)


def write_ftm(native: Reports) -> bytes:
    """Reports as regional FTM text.

    Tenths of a unit (directions, humidity and weather: units), seconds of a degree, 0.1 m; slashes are missing. Left
    out are elements that the text has no place for, the time of a gust older than an hour, and the minutes of the hour
    before the running one. Places must be north and east.

    Raises:
        ValueError: an id is not of five ASCII characters, or a value does not fit its field.
    """
    count = native.time.size
    block = np.frombuffer(b"".join(_TEMPLATE), np.uint8)
    text = np.empty((count, block.size), np.uint8)
    text[:] = block
    ids = np.char.encode(native.station, "ascii", "replace")
    if ids.dtype.itemsize != 5 or (np.char.str_len(ids) != 5).any():
        raise ValueError(f"station ids of FTM text have five characters: {np.unique(native.station)[:5].tolist()}")
    text[:, _ID] = ids.view(np.uint8).reshape(count, 5)
    letter = np.broadcast_to(native.revision, (count,)) % PROVINCIAL
    marked = np.flatnonzero((letter > 0) & (letter <= 26))
    text[marked, _MARK] = np.frombuffer(b"CC@", np.uint8)
    text[marked, _MARK.stop - 1] += letter[marked].astype(np.uint8)
    text[:, _CLOCK] = _clock_digits(native.time)
    for name, degrees in (("lat", native.lat), ("lon", native.lon)):
        _fill(text, _SLICES[name], _sexagesimal(degrees), name)
    _fill(text, _SLICES["elevation"], native.elevation.astype(np.float64) * 10, "elevation")
    _fill(text, _SLICES["gust_time"], _hhmm(native), "gust_time")
    flags = np.full((count, _FLAGS.stop - _FLAGS.start), ord("8"), np.uint8)
    for name in JUDGED:
        if name in native.values:
            value = native.values[name].astype(np.float64)
            _fill(text, _SLICES[name], value if name in WHOLE else value * 10, name)
            if PLACES[name][0] == 1:
                flags[:, PLACES[name][1] - 1] = _flag_digits(native, name)
    text[:, _FLAGS] = flags
    _write_calm(text, native)
    _write_rain(text, native)
    head = f"# {SIMULATED_ATTRIBUTE}={SIMULATED_MARK}\n".encode() if native.simulated else b""
    return head + text.tobytes() + b"NNNN\n"


def _fill(text: Bytes, place: slice, value: Doubles, name: str) -> None:
    """Whole numbers with leading zeros, a minus in the first place; missing ones stay slashes."""
    width = place.stop - place.start
    known = ~np.isnan(value)
    number = np.rint(np.where(known, value, 0)).astype(np.int64)
    negative = number < 0
    size = np.abs(number)
    wide = size >= np.where(negative, 10 ** (width - 1), 10**width)
    if wide.any():
        raise ValueError(f"{name}: {value[wide][0]:g} does not fit {width} characters")
    figures = (size[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + 48).astype(np.uint8)
    figures[negative, 0] = ord("-")
    figures[~known] = ord("/")
    text[:, place] = figures


def _clock_digits(time: Times) -> Bytes:
    seconds = np.datetime_as_string(time.astype("datetime64[s]")).astype("S19")
    return seconds.view(np.uint8).reshape(-1, 19)[:, [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]]


def _sexagesimal(degrees: Doubles) -> Doubles:
    seconds = np.rint(np.abs(degrees) * 3600)
    figures = seconds // 3600 * 10_000 + seconds // 60 % 60 * 100 + seconds % 60
    return np.asarray(np.where(degrees < 0, -figures, figures))


def _hhmm(native: Reports) -> Doubles:
    """Hour and minute of the gust, NaN where unknown or older than a reader takes it for."""
    age = native.time - native.gust_time
    known = (age >= np.timedelta64(0)) & (age <= OLDEST_GUST)
    minutes = np.where(known, native.gust_time, native.time).astype("datetime64[m]").astype(np.int64) % 1440
    return np.where(known, minutes // 60 * 100 + minutes % 60, np.nan)


def _flag_digits(native: Reports, name: str) -> Bytes:
    """The provider's verdict 0, 1 or 2; 9 where there is none, 8 where there is no value."""
    flags = native.provider.get(name, np.full(native.time.size, QC_MISSING, np.uint8))
    digits = np.where(flags <= QC_BAD, flags + 48, ord("9"))
    return np.where(np.isnan(native.values[name]), ord("8"), digits).astype(np.uint8)


def _write_calm(text: Bytes, native: Reports) -> None:
    nothing = np.full(native.time.size, np.nan, np.float32)
    for direction, speed in WINDS:
        calm = np.rint(native.values.get(speed, nothing) * 10) <= round(CALM_M_S * 10)
        calm &= np.isnan(native.values.get(direction, nothing))
        text[np.flatnonzero(calm)[:, None], np.arange(_SLICES[direction].start, _SLICES[direction].stop)] = (
            np.frombuffer(b"PPC", np.uint8)
        )


def _write_rain(text: Bytes, native: Reports) -> None:
    """Minutes of the running hour; where there is but the last minute's amount, that one."""
    last = native.values.get("precipitation_1min")
    if native.minute_rain is None and last is None:
        return
    rain = native.minute_rain
    if rain is None or last is not None:
        rain = np.full((native.time.size, 60), np.nan, np.float32) if rain is None else rain.copy()
        if last is not None:
            rain[:, -1] = last
    elapsed = minutes_elapsed(native.time)
    for minutes in np.unique(elapsed):
        rows = np.flatnonzero(elapsed == minutes)
        written = _two_digits(rain[rows, 60 - minutes :])
        text[rows, _RAIN.start : _RAIN.start + 2 * minutes] = written
        missing = written[:, ::2] == ord("/")
        text[rows, _RAIN_FLAGS.start : _RAIN_FLAGS.start + minutes] = np.where(missing, ord("8"), ord("9"))


def _two_digits(rain: Floats) -> Bytes:
    known = ~np.isnan(rain)
    tenths = np.minimum(np.rint(np.where(known, rain, 0) * 10), MOST_MINUTE_RAIN).astype(np.uint8)
    pairs = np.stack((tenths // 10 + 48, tenths % 10 + 48), axis=-1)
    pairs[~known] = ord("/")
    return pairs.reshape(rain.shape[0], -1)
