"""What runs by night without a person: samples of the day that ended, a model made anew, and how far things drifted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from wxcore.archive.place import write_file
from wxcore.errors import SampleError
from wxcore.hazard.drift import drift, moved, quantile_shift, references_of
from wxcore.hazard.learn.scores import auc, brier
from wxcore.hazard.learn.train import train
from wxcore.hazard.registry.card import plain
from wxcore.hazard.registry.keep import keep
from wxcore.hazard.registry.store import Loaded, check_features
from wxcore.hazard.registry.verdict import entry_of
from wxcore.hazard.samples.archive import AHEAD, DAY_BEGINS, ONE_DAY, convective_day
from wxcore.hazard.samples.leaks import check_leaks
from wxcore.hazard.samples.table import DAY, Samples, label_column, read_samples
from wxcore.times import CYCLE, require_utc

NIGHTS = 14
"""Nights that drift is judged by [our choice]: storms of one day are too much alike."""

FEWEST_EVENTS = 20
"""Events, and non-events, below which scores are not compared with the card [our choice]."""


@dataclass(frozen=True)
class Night:
    """A convective day that is over, and the hour that labels look ahead as well: its name, first and last cycle."""

    name: str
    start: datetime
    end: datetime

    def folder(self, root: Path) -> Path:
        """Where its samples are, below the folder of all."""
        return root / self.name


def last_night(now: datetime) -> Night:
    """The newest such day.

    Raises:
        TimeError: `now` is naive.
    """
    day = convective_day(require_utc(now) - AHEAD - ONE_DAY)
    start = datetime.combine(day, DAY_BEGINS)
    return Night(day.isoformat(), start, start + ONE_DAY - CYCLE)


def read_nights(root: Path, hazard: str, nights: int | None = None) -> Samples:
    """Samples of the newest nights (None: of all) that have some, in the order of time.

    Args:
        root: folder of a folder a night, as `Night.folder` has it.

    Raises:
        SampleError: none is there, or one is damaged, or their columns differ.
    """
    paths = sorted(root.glob(f"*/{hazard}.parquet"))
    paths = paths[-nights:] if nights else paths
    if not paths:
        raise SampleError(str(root), [f"no samples of {hazard}: run the flow nightly-samples, or wx samples"])
    parts = [read_samples(path) for path in paths]
    first = parts[0]
    faults = [
        f"{path}: features or windows are not those of {paths[0]}: build it again"
        for path, part in zip(paths, parts, strict=True)
        if (part.features, part.windows) != (first.features, first.windows)
    ]
    if faults:
        raise SampleError(str(root), faults)
    frame = pd.concat([part.frame for part in parts], ignore_index=True)
    return replace(parts[-1], frame=frame, source=f"nights {paths[0].parent.name} to {paths[-1].parent.name}")


def retrain(samples: Samples, root: Path, seed: int, now: datetime) -> Path:
    """A model of these samples, beside the others in `root` and not in use: `wx models promote` is a person's word.

    Args:
        now: aware UTC, told in the card.

    Raises:
        SampleError: a leak, or samples that nothing can be trained on.
        ModelError: it cannot be saved.
        TimeError: `now` is naive.
    """
    require_utc(now)
    leaks = check_leaks(samples)
    return keep(root, train(samples, seed=seed), samples, now, leaks=leaks)


def drift_report(loaded: Loaded, samples: Samples) -> dict[str, Any]:
    """How newer samples differ from those that a model was made of: features, probabilities, and scores by window.

    Scores are compared with the card's interval only where the labels are of the same truth class: "scores" is empty
    where they are not.

    Raises:
        ModelError: the samples lack features of the model; it names them.
    """
    check_features(loaded.card, samples.features)
    windows = [name for name in loaded.fitted if name in samples.windows]
    p = pd.DataFrame({name: loaded.fitted[name].probability(samples.frame) for name in windows})
    then = {part: references_of(loaded.card, part) for part in ("features", "probability")}
    told = {
        "features": drift(then["features"], samples.frame),
        "probability": drift(then["probability"], p, index=quantile_shift),
    }
    is_alike = samples.truth_class == loaded.card["truth_class"]
    return {
        "hazard": loaded.hazard,
        "version": loaded.version,
        "samples": samples.source,
        "rows": len(samples.frame),
        "days": int(samples.frame[DAY].nunique()),
        "truth_class": samples.truth_class,
        "card_truth_class": loaded.card["truth_class"],
        "moved": {part: list(moved(table)) for part, table in told.items()},
        "scores": {name: _scores(loaded.card, name, samples, p[name]) for name in windows} if is_alike else {},
        **{part: table.to_dict("records") for part, table in told.items()},
    }


def _scores(card: Mapping[str, Any], window: str, samples: Samples, p: "pd.Series[float]") -> dict[str, Any]:
    """AUC and Brier score of now against the intervals of the card; `worse` where they lie outside, on the bad side."""
    label = samples.frame[label_column(window)]
    known = (label.notna() & p.notna()).to_numpy()
    y, chance = label.to_numpy(dtype="f8")[known], p.to_numpy(dtype="f8")[known]
    events = int(y.sum())
    counts = {"rows": int(known.sum()), "events": events}
    entry = entry_of(card, window, "chosen")
    if entry is None or min(events, counts["rows"] - events) < FEWEST_EVENTS:
        return counts | {"verdict": "too few"}
    now = {"auc": auc(y, chance), "brier": brier(y, chance)}
    low, high = entry["auc"]["low"], entry["brier"]["high"]
    worse = [
        name
        for name, is_worse in (
            ("auc", low is not None and now["auc"] < low),
            ("brier", high is not None and now["brier"] > high),
        )
        if is_worse
    ]
    return counts | now | {"card_auc": entry["auc"], "card_brier": entry["brier"],
                           "verdict": f"worse: {', '.join(worse)}" if worse else "as on the card"}  # fmt: skip


def write_drift(report: Mapping[str, Any], folder: Path, name: str) -> Path:
    """<hazard>-<name>.json, all of it; and .csv, a line a feature or probability. The JSON's path is returned.

    Raises:
        OSError: disk full, or a write error.
    """
    path = folder / f"{report['hazard']}-{name}.json"
    text = json.dumps(plain(report), ensure_ascii=False, indent=1, allow_nan=False)
    parts = [pd.DataFrame(report[part]).assign(part=part) for part in ("features", "probability")]
    write_file(path.with_suffix(".csv"), pd.concat(parts).to_csv(index=False, float_format="%.4g").encode())
    write_file(path, f"{text}\n".encode())
    return path
