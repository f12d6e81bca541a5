"""Training: every competitor on days that it has not seen, then the best model on all days."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from wxcore.hazard.drift import reference_of
from wxcore.hazard.learn import scores
from wxcore.hazard.learn.baselines import judged, rule_columns
from wxcore.hazard.learn.board import CLIMATOLOGY, MODEL, RULE, Board, Entry
from wxcore.hazard.learn.bootstrap import REPLICATES
from wxcore.hazard.learn.digest import digest
from wxcore.hazard.learn.dropout import masked, sources
from wxcore.hazard.learn.entries import Contest, entries
from wxcore.hazard.learn.fitted import Fitted
from wxcore.hazard.learn.importance import Importance, permutation
from wxcore.hazard.learn.model import Model
from wxcore.hazard.learn.recipe import Data, Made, calibration_rows, make
from wxcore.hazard.learn.split import MANY_ROWS, check_days, day_folds, default_folds
from wxcore.hazard.learn.trained import Bin, Reference, Trained
from wxcore.hazard.learn.zoo import MODELS
from wxcore.hazard.samples.table import DAY, STORM, WEIGHT, Samples, check_samples, label_column

Doubles = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FEW_EVENTS = 50
"""Fewer events than this are told among the remarks (DOMAIN.md 5.3: too few for isotonic calibration)."""

IMPORTANCE_ROWS, IMPORTANCE_REPEATS = 20_000, 2
"""Rows, over all folds, that are shuffled for importance, and how often in each fold."""


ONE_THREAD_ROWS = 20_000
"""Up to this many rows threads cost more than they give (they wait for one another at every node of a tree). Beyond,
trees take all cores, which changes no byte of them; sums of BLAS do change with its threads, so those stay at one."""


@dataclass
class _Told:
    """What one competitor says out of fold: probability, and its threshold, of each row (n,)."""

    p: Doubles
    threshold: Doubles
    made: list[Made] = field(default_factory=list)


@dataclass(frozen=True)
class _Window:
    """What one window gives."""

    name: str
    entries: tuple[Entry, ...]
    best_baseline: str
    chosen: str
    counts: Mapping[str, int]
    fitted: Fitted
    reliability: tuple[Bin, ...]
    importance: Importance
    ablation: Mapping[str, Mapping[str, float]]
    p_reference: Reference
    remarks: tuple[str, ...]


def train(
    samples: Samples,
    *,
    models: Sequence[Model] = MODELS,
    folds: int | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    progress: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train the hazard's models on the samples, one window after the other.

    Folds of whole convective days: in each, parameters, fit, calibration and threshold come from the other days alone
    (recipe.make). Scores count each row once, at the natural base rate; weights are for fits only. The model with the
    largest Brier skill out of fold is then made again from all days. The same samples and seed give the same figures.

    Args:
        samples: as `check_samples` wants them.
        models: competitors beside climatology and the rules.
        folds: of days; None: `split.default_folds`.
        seed: of everything that is random.
        replicates: of the bootstrap.
        progress: is told what is being done.

    Raises:
        SampleError: the samples cannot be used, or cannot be split by day.
        ValueError: no model, or fewer than two folds.
    """
    if not models or (folds is not None and folds < 2):
        raise ValueError(f"{len(models)} models and {folds} folds: expected 1 or more, and 2 or more")
    check_samples(samples)
    for name in samples.windows:
        check_days(samples, name)
    numbers = rule_columns(samples)
    with threadpool_limits(1, user_api=None if len(samples.frame) <= ONE_THREAD_ROWS else "blas"):
        found = [
            _window(samples, name, numbers, models, folds, (seed, replicates), progress) for name in samples.windows
        ]
    frame = samples.frame
    progress("spread of features")
    return Trained(
        board=_board(samples, found, folds, seed),
        fitted={one.name: one.fitted for one in found},
        reliability={one.name: one.reliability for one in found},
        importance={one.name: one.importance for one in found},
        ablation={one.name: one.ablation for one in found},
        reference={name: reference_of(frame[name].to_numpy()) for name in samples.features},
        p_reference={one.name: one.p_reference for one in found},
        digest=digest(samples),
        first_day=str(frame[DAY].min()),
        last_day=str(frame[DAY].max()),
    )


def window_data(samples: Samples, window: str) -> tuple[Data, Flags]:
    """The rows whose label of the window is known as arrays, and which rows of the samples they are.

    Many rows are held as 4-byte floats, to halve the memory.
    """
    labels = samples.frame[label_column(window)].to_numpy(dtype=np.float64)
    known = np.isfinite(labels)
    kind = np.float32 if known.sum() > MANY_ROWS else np.float64
    features = list(samples.features)
    data = Data(
        x=samples.frame.loc[known, features].astype(kind).reset_index(drop=True),
        y=labels[known],
        days=pd.factorize(samples.frame.loc[known, DAY], sort=True)[0].astype(np.int64),
        weight=samples.frame.loc[known, WEIGHT].to_numpy(dtype=np.float64),
        groups=samples.groups,
        directions=tuple(samples.monotone.get(name, 0) for name in features),
    )
    return data, known


def _window(
    samples: Samples,
    name: str,
    numbers: Mapping[str, Doubles],
    models: Sequence[Model],
    folds: int | None,
    drawn: tuple[int, int],
    progress: Callable[[str], None],
) -> _Window:
    (seed, replicates), (data, known) = drawn, window_data(samples, name)
    mine = {rule: values[known] for rule, values in numbers.items()}
    fold = day_folds(data.days, data.y, folds or default_folds(int(data.days.max()) + 1, len(data.y)), seed)
    told, climatology = _out_of_fold(data, fold, mine, models, seed, lambda text: progress(f"{name}: {text}"))
    progress(f"{name}: scores")
    contest = Contest(
        window=name,
        y=data.y,
        ps={CLIMATOLOGY: climatology, **{who: one.p for who, one in told.items()}},
        kinds={CLIMATOLOGY: CLIMATOLOGY, **{who: MODEL if one.made else RULE for who, one in told.items()}},
        thresholds={CLIMATOLOGY: climatology, **{who: one.threshold for who, one in told.items()}},
        climatology=climatology,
        days=data.days,
        slices=samples.frame.loc[known, list(samples.slices)].reset_index(drop=True) if samples.slices else None,
        ranks={**mine, CLIMATOLOGY: np.zeros(len(data.y))},  # one fold's frequency is no order of its days
        parameters={who: one.made[-1].parameters for who, one in told.items() if one.made},
    )
    board, best = entries(contest, seed, replicates=replicates)
    chosen = _best([entry for entry in board if entry.kind == MODEL])
    progress(f"{name}: {chosen} on all days")
    last = make(next(model for model in models if model.name == chosen), data, np.arange(len(data.y)), seed)
    progress(f"{name}: importance")
    of_folds = [made.fitted for made in told[chosen].made]
    return _Window(
        name=name,
        entries=tuple(_with_parameters(entry, chosen, last) for entry in board),
        best_baseline=best,
        chosen=chosen,
        counts=_counts(samples, known, data),
        fitted=last.fitted,
        reliability=scores.reliability(data.y, told[chosen].p),
        importance=_importance(of_folds, data, fold, seed),
        ablation=_ablation(of_folds, data, fold, told[chosen].p),
        p_reference=reference_of(told[chosen].p),
        remarks=_remarks(data, last, int(fold.max()) + 1),
    )


def _out_of_fold(
    data: Data,
    fold: Whole,
    numbers: Mapping[str, Doubles],
    models: Sequence[Model],
    seed: int,
    progress: Callable[[str], None],
) -> tuple[dict[str, _Told], Doubles]:
    """What each rule and model says of each row from other days, and the frequency on those days (n,)."""
    size, count = len(data.y), int(fold.max()) + 1
    names = (*numbers, *(model.name for model in models))
    told = {name: _Told(np.full(size, np.nan), np.full(size, np.nan)) for name in names}
    climatology = np.full(size, np.nan)
    for number in range(count):
        test = fold == number
        rows = np.flatnonzero(~test)
        climatology[test] = data.y[rows].mean()
        known = np.zeros(size, dtype=np.bool_)
        known[calibration_rows(data, rows, seed)] = True
        for rule, values in numbers.items():
            trained, asked = judged(values, data.y, known, test)
            told[rule].p[test] = asked
            told[rule].threshold[test] = _threshold(data.y[known], trained, climatology[test][0])
        for model in models:
            progress(f"{model.name}, fold {number + 1} of {count}")
            made = make(model, data, rows, seed)
            told[model.name].made.append(made)
            told[model.name].p[test] = made.fitted.probability(data.x[test])
            told[model.name].threshold[test] = made.threshold
    return told, climatology


def _threshold(y: Doubles, p: Doubles, climatology: float) -> float:
    """With the largest CSI; climatology stands in where a rule says nothing, as it does in the scores."""
    return scores.best_threshold(y, np.where(np.isfinite(p), p, climatology))


def _best(found: Sequence[Entry]) -> str:
    """The model with the largest Brier skill, one without a figure last; the first of equals."""
    return max(found, key=lambda entry: np.nan_to_num(entry.skill.value, nan=-np.inf)).name


def _with_parameters(entry: Entry, chosen: str, last: Made) -> Entry:
    """The chosen model stands on the board with what was chosen on all days, and the threshold that it is given."""
    if entry.name != chosen:
        return entry
    return replace(entry, parameters={**entry.parameters, **last.parameters})


def _importance(of_folds: Sequence[Fitted], data: Data, fold: Whole, seed: int) -> Importance:
    """Loss of AUC out of fold: each fold's model on the days that it has not seen, then the mean over folds."""
    rows = IMPORTANCE_ROWS // len(of_folds)
    parts = [
        permutation(fitted, data.x[fold == number], data.y[fold == number], seed, IMPORTANCE_REPEATS, rows)
        for number, fitted in enumerate(of_folds)
        if 0 < data.y[fold == number].sum() < (fold == number).sum()
    ]
    table = pd.DataFrame([row for part in parts for row in part], columns=["name", "mean", "sd"])
    means = table.groupby("name", as_index=False).mean().sort_values(["mean", "name"], ascending=[False, True])
    return tuple((str(name), float(mean), float(sd)) for name, mean, sd in means.itertuples(index=False))


def _ablation(of_folds: Sequence[Fitted], data: Data, fold: Whole, p: Doubles) -> dict[str, dict[str, float]]:
    """Scores out of fold with each source taken away; "" with all."""
    found = {"": _scores(data.y, p)}
    for source, names in sources(data.x.columns.to_list(), data.groups).items():
        without = np.full(len(p), np.nan)
        for number, fitted in enumerate(of_folds):
            test = fold == number
            without[test] = fitted.probability(masked(data.x[test], names))
        found[source] = _scores(data.y, without)
    return found


def _scores(y: Doubles, p: Doubles) -> dict[str, float]:
    return {"auc": scores.auc(y, p), "brier": scores.brier(y, p), "ece": scores.ece(y, p)}


def _counts(samples: Samples, known: Flags, data: Data) -> dict[str, int]:
    return {
        "rows": len(data.y),
        "events": int(data.y.sum()),
        "censored": int((~known).sum()),
        "days": int(data.days.max()) + 1,
        "storms": int(samples.frame.loc[known, STORM].nunique()),
    }


def _remarks(data: Data, last: Made, folds: int) -> tuple[str, ...]:
    found = list(last.remarks)
    if (events := int(data.y.sum())) < FEW_EVENTS:
        found.append(f"only {events} events: intervals are wide, and no score of these is to be trusted alone")
    if folds == 2:
        found.append("two folds only")
    return tuple(found)


def _board(samples: Samples, found: Sequence[_Window], folds: int | None, seed: int) -> Board:
    def counted(what: str) -> dict[str, int]:
        return {one.name: one.counts[what] for one in found}

    first = found[0].counts
    return Board(
        hazard=samples.hazard,
        source=samples.source,
        label_text=samples.label_text,
        truth_class=samples.truth_class,
        folds=min(folds or default_folds(first["days"], first["rows"]), first["days"]),
        seed=seed,
        rows=counted("rows"),
        events=counted("events"),
        censored=counted("censored"),
        days=counted("days"),
        storms=counted("storms"),
        entries=tuple(entry for one in found for entry in one.entries),
        best_baseline={one.name: one.best_baseline for one in found},
        chosen={one.name: one.chosen for one in found},
        remarks=tuple(f"{one.name}: {text}" for one in found for text in one.remarks),
    )
