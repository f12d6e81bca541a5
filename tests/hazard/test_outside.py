"""Samples of tables from outside: the known sets on real files, and any table by a mapping."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wxcore.errors import SampleError
from wxcore.hazard.samples.mapping import known_columns, read_columns
from wxcore.hazard.samples.outside import LABEL_VALUE, read_outside
from wxcore.hazard.samples.reading import converted, find, plain
from wxcore.hazard.samples.table import Samples, read_samples, write_samples

SARS = "truth/sars/sars_hail_to2002.txt"
MAPPING = """
label_text = "gust of at least 17 m/s"
label_source = "instrument"
missing = [-9999]
[label]
column = "gust"
at_least = 17.0
units = "m s-1"
[time]
column = "time"
[storm]
column = "storm"
[[features]]
column = "dbz"
units = "dBZ"
group = "radar"
monotone = 1
[[features]]
column = "vil"
[[baselines]]
column = "rule"
[[slices]]
column = "terrain"
"""
TABLE = """storm,time,dbz,vil,gust,rule,terrain
a,2024-05-01T11:54:00Z,50.5,30,12.0,0.1,hills
a,2024-05-01T12:00:00Z,-9999,31,17.0,0.4,hills
b,2024-05-01T12:06:00Z,41.0,,-9999,0.2,
b,2024-05-01T12:12:00Z,43.0,12,25.5,0.9,plain
"""


def _read(folder: Path, table: str = TABLE, mapping: str = MAPPING, hazard: str = "gale") -> Samples:
    (folder / "table.csv").write_text(table, encoding="utf-8")
    (folder / "columns.toml").write_text(mapping, encoding="utf-8")
    return read_outside([folder / "table.csv"], hazard, folder / "columns.toml")


def _fault(folder: Path, table: str = TABLE, mapping: str = MAPPING) -> str:
    with pytest.raises(SampleError) as told:
        _read(folder, table, mapping)
    return str(told.value)


# ---- known sets


def test_sars_is_recognised_and_read_as_published(data: Path) -> None:
    samples = read_outside([data / SARS], "hail")
    frame = samples.frame
    assert len(frame) == 785
    assert frame["label_0_60"].mean() == pytest.approx(0.576, abs=5e-4)
    assert samples.baselines == ("SHIP",)
    assert roc_auc_score(frame["label_0_60"], frame["SHIP"]) == pytest.approx(0.888, abs=5e-4)
    assert not {"SHIP", "MODELb", "ELEV", "REPORT", LABEL_VALUE} & set(samples.features)
    assert len(samples.features) == 10
    assert samples.truth_class == "report"
    assert frame["time"].iloc[0] == pd.Timestamp("1995-05-23T00:00Z")
    assert frame["day"].iloc[0] == "1995-05-22"
    assert frame["time"].dt.year.min() == 1957
    assert frame["time"].dt.year.max() == 2002
    assert {samples.units["MUCAPE"], samples.units["7-5 LR"]} == {"J kg-1", "K km-1"}


def test_ten_folds_by_day_give_the_score_of_the_data_page(data: Path) -> None:
    samples = read_outside([data / SARS], "hail")
    x, y = samples.frame[list(samples.features)], samples.frame["label_0_60"]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = GroupKFold(10)
    p = cross_val_predict(model, x, y, groups=samples.frame["day"], cv=folds, method="predict_proba")[:, 1]
    assert roc_auc_score(y, p) == pytest.approx(0.874, abs=0.006)


def test_another_year_of_sars_may_be_written_otherwise(data: Path, tmp_path: Path) -> None:
    lines = (data / SARS).read_text().splitlines()
    head = lines[0].replace("DATE / RAOB", "Date/RAOB").replace("REPORT", "Report (mm)").replace("500TEMP", "500 Temp")
    rows = [line.split("\t") for line in lines[1:41]]
    other = [[row[0], row[1], f"{float(row[2]) * 25.4:.2f}", *row[3:], "NE", ""] for row in rows]
    text = "\ufeff" + "\r\n".join(["", head + "\tSTATE\tNOTE", *("\t".join(row) for row in other), "", "\t" * 16, ""])
    path = tmp_path / "hail_2003.txt"
    path.write_text(text, encoding="utf-8")
    found, whole = read_outside([path], "hail"), read_outside([data / SARS], "hail")
    assert found.features == whole.features
    for name in (*found.features, "SHIP", "label_0_60", "day", "time"):
        assert (found.frame[name] == whole.frame[name].iloc[:40]).all(), name
    np.testing.assert_allclose(found.frame[LABEL_VALUE], whole.frame[LABEL_VALUE].iloc[:40], atol=1e-3)


def test_sars_in_unnamed_other_units_or_for_another_hazard_is_refused(data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data / SARS, sep="\t").head(30)
    table["REPORT"] *= 25.4
    table.to_csv(tmp_path / "sars_hail_mm.txt", sep="\t", index=False)
    with pytest.raises(SampleError, match=r"REPORT: 152\.4 in row 1 .* expected 0\.1 to 10 in: other units"):
        read_outside([tmp_path / "sars_hail_mm.txt"], "hail")
    with pytest.raises(SampleError, match="labels of hail, not of gale"):
        read_outside([data / SARS], "gale")


def test_gust_tables_of_all_years(data: Path) -> None:
    folder = data / "truth/severewind/Data/subsevere"
    samples = read_outside([folder], "gale")
    frame = samples.frame
    raw = pd.concat([pd.read_csv(path) for path in sorted(folder.glob("*.csv"))], ignore_index=True)
    assert len(frame) == len(raw) == 2985
    assert (frame["label_0_60"] == (raw["peak_wind_gust_kts"] >= 34)).all()
    assert frame["time"].dt.year.value_counts().to_dict() == {2008: 343, 2009: 374, 2012: 910, 2013: 763, 2014: 595}
    assert len(samples.features) == 31 * 4
    grid = raw[[f"SBCP_{place}" for place in range(1, 26)]].replace(-9999, np.nan)
    np.testing.assert_allclose(frame["SBCP_middle"], grid["SBCP_13"])
    np.testing.assert_allclose(frame["SBCP_mean"], grid.mean(axis=1))
    np.testing.assert_allclose(frame["SBCP_max"], grid.max(axis=1))
    np.testing.assert_allclose(frame["SBCP_min"], grid.min(axis=1))
    assert not (frame[list(samples.features)] == -9999).any().any()
    words = ("gust", "wind_", "lat", "lon", "elev", "pop", "utc", "unnamed", "drct", "id")
    assert not [name for name in samples.features if name.lower().startswith(words)]
    assert samples.truth_class == "instrument"
    assert samples.units["MUCP_max"] == "J kg-1"


def test_storm_steps_stay_on_the_day_of_their_run(data: Path) -> None:
    samples = read_outside([data / "truth/hagelslag/testdata/track_data_csv_unidata_train"], "hail")
    frame = samples.frame
    assert (len(frame), frame["day"].nunique(), frame["storm"].nunique()) == (834, 11, 478)
    assert (frame.groupby("storm")["day"].nunique() == 1).all()
    assert frame["label_0_60"].mean() == pytest.approx(0.698, abs=5e-4)
    assert (frame.loc[frame[LABEL_VALUE] == 0, "label_0_60"] == 0).all()
    assert samples.truth_class == "algorithm"
    assert not {"Hail_Size", "Forecast_Hour", "Valid_Hour_UTC", "Duration", "Centroid_Lon"} & set(samples.features)
    assert {"uh_max_max", "lr75_max_dt"} <= set(samples.features)
    np.testing.assert_array_equal(frame["updraft helicity"], frame["uh_max_max"])
    rows = frame.groupby("storm")["day"].transform("size")
    np.testing.assert_allclose(frame["weight"], 1 / np.sqrt(rows))


def test_known_mappings_are_whole() -> None:
    for columns in known_columns():
        assert columns.hazard in {"hail", "gale", "thunderstorm"}
        assert columns.known_by
        assert columns.label_source in {"report", "instrument", "algorithm"}
        assert columns.label_text


# ---- a bureau's own


def test_a_table_is_read_by_its_mapping(tmp_path: Path) -> None:
    samples = _read(tmp_path)
    frame = samples.frame
    assert samples.features == ("dbz", "vil")
    np.testing.assert_array_equal(frame["label_0_60"], [0, 1, np.nan, 1])
    np.testing.assert_array_equal(frame["dbz"], [50.5, np.nan, 41, 43])
    assert list(frame["day"]) == ["2024-04-30", "2024-05-01", "2024-05-01", "2024-05-01"]
    assert frame["storm"].nunique() == 3
    assert list(frame["terrain"]) == ["hills", "hills", "unknown", "plain"]
    assert (samples.monotone, samples.groups["dbz"], samples.source) == ({"dbz": 1}, "radar", "table.csv")
    write_samples(samples, tmp_path / "out.parquet")
    assert read_samples(tmp_path / "out.parquet").features == ("dbz", "vil")


def test_a_storm_keeps_the_day_of_its_first_row_where_told(tmp_path: Path) -> None:
    frame = _read(tmp_path, mapping=MAPPING.replace('column = "storm"', 'column = "storm"\nkeeps_day = true')).frame
    assert list(frame["day"]) == ["2024-04-30", "2024-04-30", "2024-05-01", "2024-05-01"]
    np.testing.assert_allclose(frame["weight"], 1 / np.sqrt(2))


def test_a_clock_of_beijing_becomes_utc(tmp_path: Path) -> None:
    local = MAPPING.replace('column = "time"', 'column = "time"\nformat = "%Y%m%d%H%M"\nutc_offset_h = 8')
    table = "storm,time,dbz,vil,gust,rule,terrain\na,202405012000,50,1,20,1,x\na,202405011959,50,1,2,1,x\n"
    frame = _read(tmp_path, table, local).frame
    assert list(frame["time"]) == [pd.Timestamp("2024-05-01T12:00Z"), pd.Timestamp("2024-05-01T11:59Z")]
    assert list(frame["day"]) == ["2024-05-01", "2024-04-30"]


@pytest.mark.parametrize("separator", ["\t", ";", "  "])
def test_any_separator_and_encoding_gives_the_same(tmp_path: Path, separator: str) -> None:
    table = TABLE.replace(",-9999,0.2,\n", ",-9999,0.2,山区丘陵\n").replace("41.0,,", "41.0,--,")
    whole = _read(tmp_path, table).frame
    (tmp_path / "table.csv").write_bytes(table.replace(",", separator).encode("gb18030"))
    again = read_outside([tmp_path / "table.csv"], "gale", tmp_path / "columns.toml").frame
    pd.testing.assert_frame_equal(whole, again)


def test_parquet_gives_the_same_as_text(tmp_path: Path) -> None:
    whole = _read(tmp_path).frame
    raw = pd.read_csv(tmp_path / "table.csv")
    raw["time"] = pd.to_datetime(raw["time"])
    raw.to_parquet(tmp_path / "table.parquet")
    again = read_outside([tmp_path / "table.parquet"], "gale", tmp_path / "columns.toml").frame
    pd.testing.assert_frame_equal(whole, again)


def test_several_files_and_repeated_headers_are_joined(tmp_path: Path) -> None:
    head, *rows = TABLE.splitlines(keepends=True)
    whole = _read(tmp_path).frame
    (tmp_path / "one.csv").write_text(head + "".join(rows[:2]))
    (tmp_path / "two.csv").write_text(head.upper() + "".join(rows[2:]))
    paths = [tmp_path / "one.csv", tmp_path / "two.csv"]
    again = read_outside(paths, "gale", tmp_path / "columns.toml").frame
    pd.testing.assert_frame_equal(whole, again)
    (tmp_path / "joined.csv").write_text(head + "".join(rows[:2]) + head + "".join(rows[2:]))
    again = read_outside([tmp_path / "joined.csv"], "gale", tmp_path / "columns.toml").frame
    pd.testing.assert_frame_equal(whole, again)


def test_rows_labels_baselines_and_all_numbers_as_told(tmp_path: Path) -> None:
    mapping = """
label_text = "storm of class 2 or 3"
label_source = "algorithm"
window = "0-30"
[label]
column = "kind"
equals = [2, 3]
[day]
column = "date"
format = "%d.%m.%Y"
[[rows]]
column = "range"
at_most = 100
[[rows]]
column = "site"
equals = ["Z9230"]
[[features]]
all_numeric = true
[[baselines]]
column = "height"
sign = -1
[[exclude]]
columns = ["x_*"]
reason = "place"
[[about]]
features = ["z*"]
units = "dBZ"
monotone = 1
"""
    table = (
        "date,kind,range,site,height,x_km,z10,z20\n01.05.2024,2,10,Z9230,3,1,40,41\n01.05.2024,1,120,Z9230,3,1,50,51\n"
        "02.05.2024,1,99,Z9230,5,1,60,61\n02.05.2024,3,99,Z9231,5,1,70,71\n"
    )
    samples = _read(tmp_path, table, mapping)
    assert samples.features == ("z10", "z20")
    assert samples.windows == ("0-30",)
    np.testing.assert_array_equal(samples.frame["label_0_30"], [1, 0])
    np.testing.assert_array_equal(samples.frame["height"], [-3, -5])
    assert list(samples.frame["day"]) == ["2024-05-01", "2024-05-02"]
    assert samples.frame["time"].isna().all()
    assert samples.units == {"z10": "dBZ", "z20": "dBZ"}
    assert samples.monotone == {"z10": 1, "z20": 1}


# ---- refusals


ALL_NUMBERS = MAPPING.split("[[features]]", maxsplit=1)[0] + "[[features]]\nall_numeric = true\n"


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        (("1,5", "2,25", "-3,0", "M"), True), (("7", "8", "1,5", ""), True), (("1,5", "hills", "plain", "sea"), False),
        (("hills", "3,4,5", "plain", ""), False), (("7", "8", "9", "x"), False),
    ],
)  # fmt: skip
def test_a_decimal_comma_is_not_dropped_in_silence(tmp_path: Path, values: tuple[str, ...], refused: bool) -> None:
    head, *lines = TABLE.splitlines()
    table = "\n".join([f"{head},x", *(f'{line},"{value}"' for line, value in zip(lines, values, strict=True))]) + "\n"
    if refused:
        assert "x: '1,5' ...: decimal comma? expected a point" in _fault(tmp_path, table, ALL_NUMBERS)
        excluded = ALL_NUMBERS + '[[exclude]]\ncolumns = ["x"]\nreason = "text"\n'
        assert "x" not in _read(tmp_path, table, excluded).features
    else:
        assert _read(tmp_path, table, ALL_NUMBERS).features == ("dbz", "vil", "rule")


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    assert "no column dbz (nearest: dbz_max)" in _fault(tmp_path, TABLE.replace("dbz", "dbz_max"))


def test_a_mapping_without_day_is_refused(tmp_path: Path) -> None:
    fault = _fault(tmp_path, mapping=MAPPING.replace('[time]\ncolumn = "time"\n', ""))
    assert "rows of one day would be on both sides" in fault


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("at_least = 17.0", "at_last = 17.0", "[label]: key at_last is unknown"),
        ("at_least = 17.0", 'at_least = "17"', "at_least is '17', expected a number"),
        ("missing = [-9999]", "missing = -9999", "missing is -9999, expected a list"),
        ("missing = [-9999]", 'window = "hour"', "window: is 'hour', expected minutes such as 0-60"),
        ('column = "time"', 'column = "time"\npattern = "(?P<y>..)(?P<m>..)"', "lacks groups (?P<d>...)"),
        ('column = "vil"', "stack = '(?P<name>.'", "is no regular expression"),
        ("at_least = 17.0", "", "either at_least (a number) or equals"),
        ('label_source = "instrument"', "", "label_source is missing"),
        ('label_source = "instrument"', 'label_source = "hearsay"', "['hearsay']"),
        ("missing = [-9999]", 'separator = "dots"', "separator: is 'dots'"),
        ('column = "vil"', 'column = "vil"\nall_numeric = true', "each needs one of"),
        ('column = "rule"', 'column = "dbz"', "also a feature"),
        ("[[features]]\n", "[[features]\n", "TOML"),
        ('[[slices]]\ncolumn = "terrain"', '[slices]\ncolumn = "terrain"', "expected a list of them: [[slices]]"),
        (
            '[[slices]]\ncolumn = "terrain"',
            '[[exclude]]\ncolumns = ["v*"]\nreason = "made up"',
            "also excluded (made up)",
        ),
    ],
)
def test_a_faulty_mapping_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in MAPPING
    assert said in _fault(tmp_path, mapping=MAPPING.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("50.5", "strong", "dbz: 'strong' in row 1 (and 0 more) is no number"),
        ("2024-05-01T12:06:00Z", "noon", "time: 'noon' in row 3 (and 0 more) is no such time"),
        (",gust,", ",gust (K),", "gust (K): is in K, expected m s-1"),
        ("a,2024-05-01T11:54:00Z,50.5,30,12.0,0.1,hills", "a,1,2,3,4,5,6,7,8,9", "cannot be read as a table"),
    ],
)
def test_a_faulty_table_is_told_with_its_row(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in _fault(tmp_path, TABLE.replace(old, new, 1))


def test_empty_absent_and_unknown_files_are_refused(tmp_path: Path) -> None:
    assert "is empty" in _fault(tmp_path, "\n\n")
    assert "no rows" in _fault(tmp_path, TABLE.splitlines()[0] + "\n")
    with pytest.raises(SampleError, match="nowhere"):
        read_outside([tmp_path / "nowhere.csv"], "gale", tmp_path / "columns.toml")
    (tmp_path / "own.csv").write_text(TABLE)
    with pytest.raises(SampleError, match=r"known are: .*SARS hail.*--columns"):
        read_outside([tmp_path / "own.csv"], "gale")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SampleError, match=r"broken\.parquet.*Parquet"):
        read_outside([tmp_path / "broken.parquet"], "gale", tmp_path / "columns.toml")
    with pytest.raises(SampleError, match=r"columns"):
        read_columns(tmp_path / "no_columns.toml")


def test_units_of_a_header_are_turned_into_those_of_the_mapping(tmp_path: Path) -> None:
    frame = _read(tmp_path, TABLE.replace(",gust,", ",Gust [kt],")).frame
    assert frame[LABEL_VALUE].iloc[1] == pytest.approx(17 * 0.514444, abs=1e-4)
    np.testing.assert_array_equal(frame["label_0_60"], [0, 0, np.nan, 0])
    assert converted(np.array([2.0]), "in", "mm", "x")[0] == pytest.approx(50.8)
    assert converted(np.array([300.0]), "K", "degC", "x")[0] == pytest.approx(26.85)
    assert converted(np.array([25.0]), "degC", "degF", "x")[0] == pytest.approx(77.0)


def test_names_are_found_by_what_they_say() -> None:
    names = ["DATE / RAOB", "0-3SH", "Report (in)", "雷达", "report"]
    assert find(names, "date/raob") == "DATE / RAOB"
    assert find(names, ["x", "0-3 SH"]) == "0-3SH"
    assert find(names, "report") == "report"
    assert find(names, "雷达") == "雷达"
    assert find(names, "0-6SH") is None
    assert plain("--") == "--"
