"""Pictures of a card: reliability diagram and performance diagram, as PNG. The same board gives the same bytes."""

import io
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context

from wxcore.hazard.learn.board import MODEL, RULE, Board, Entry, Interval
from wxcore.hazard.learn.scores import Counts
from wxcore.hazard.learn.trained import Bin, Trained

SIMULATED = "SYN"
STYLE = {"font.family": "DejaVu Sans", "font.size": 9.5, "axes.linewidth": 0.8, "path.simplify": True}
"""Over matplotlib's own defaults, not over what a user has in matplotlibrc."""
DPI = 110
CSI_LINES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
BIAS_LINES = (0.25, 0.5, 0.75, 1.0, 1.33, 2.0, 4.0)
MODEL_COLOR, RULE_COLOR, CLIMATOLOGY_COLOR = "#0060a8", "#b5500a", "#666666"
"""Told apart by colour-blind readers as well; the marks differ too."""
REACHES = (0.1, 0.2, 0.5)
MARKS = {MODEL: ("o", MODEL_COLOR), RULE: ("s", RULE_COLOR)}
CLIMATOLOGY_MARK = ("D", CLIMATOLOGY_COLOR)
Z95 = NormalDist().inv_cdf(0.975)


def reliability_diagram(trained: Trained, window: str) -> bytes:
    """PNG: observed frequency against probability of the chosen model, out of fold, and how many rows each bin holds.

    Bars: 95 % interval of a frequency by its rows alone (Wilson 1927), too short where rows of a storm go together.
    Lines: perfect; climatology; half way between them, below which a bin takes from the Brier skill (Hsu and Murphy
    1986).

    Raises:
        KeyError: a window that was not trained.
    """
    board = trained.board
    bins, name = trained.reliability[window], board.chosen[window]
    rows, events = board.rows[window], board.events[window]
    base = events / rows if rows else np.nan
    with context(["default", STYLE]):
        figure = _figure((6.4, 7.4))
        top, low = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
        _reference_lines(top, base)
        _bars(top, bins)
        reach = _reach(bins)
        top.set(xlim=(0, reach), ylim=(0, reach), ylabel="observed frequency")
        top.legend(loc="upper left", framealpha=0.95, fontsize=8.5)
        low.bar(
            [each.p for each in bins], [each.rows for each in bins], width=0.06 * reach, color=MODEL_COLOR, alpha=0.75
        )
        low.set(xlabel="forecast probability", ylabel="rows (log scale)", yscale="log", ylim=(0.7, 6.0 * _most(bins)))
        _row_counts(low, bins, reach)
        for axes in (top, low):
            axes.grid(visible=True, color="#dddddd", linewidth=0.6)
            axes.set_axisbelow(True)
        _watermark(top, board)
        figure.suptitle(f"Reliability of {name}\n{_about(board, window)}", fontsize=11)
        return _png(figure)


def performance_diagram(board: Board, window: str) -> bytes:
    """PNG: detection against success ratio of every competitor at its threshold, over CSI and bias (Roebber 2009).

    The list at the right: CSI, POD, FAR and AUC with its 95 % interval. Who never says yes has no place in the
    picture; the list says so.

    Raises:
        KeyError: a window that is not on the board.
    """
    found = board.of(window)
    with context(["default", STYLE]):
        figure = _figure((11.6, 7.0), layout=None)
        axes, text = figure.add_axes((0.06, 0.08, 0.4934, 0.8177)), figure.add_axes((0.605, 0.08, 0.385, 0.8177))
        _isolines(axes)
        for number, entry in enumerate(found, start=1):
            _mark(axes, entry, number, chosen=entry.name == board.chosen.get(window))
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="success ratio (1 - FAR)", ylabel="probability of detection (POD)")
        _watermark(axes, board)
        _list(text, found, board, window)
        figure.suptitle(f"Performance out of fold\n{_about(board, window)}", fontsize=11)
        return _png(figure)


def _figure(size: tuple[float, float], layout: Literal["constrained"] | None = "constrained") -> Figure:
    figure = Figure(figsize=size, dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    """Without date and program in it."""
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _about(board: Board, window: str) -> str:
    """Hazard, window, truth class and raw counts."""
    return (
        f"{board.hazard}, {window} min, truth: {board.truth_class}, "
        f"{board.rows[window]:,} rows, {board.events[window]:,} events, {board.days[window]:,} days"
    )


def _watermark(axes: Axes, board: Board) -> None:
    if board.truth_class == SIMULATED:
        axes.text(
            0.5, 0.5, SIMULATED, transform=axes.transAxes, ha="center", va="center", rotation=30,
            fontsize=110, fontweight="bold", color="#cc0000", alpha=0.13, zorder=0.5,
        )  # fmt: skip


def _reference_lines(axes: Axes, base: float) -> None:
    p = np.array([0.0, 1.0])
    axes.plot(p, p, color="black", linewidth=1, label="perfect")
    axes.axhline(base, color=CLIMATOLOGY_COLOR, linewidth=1, linestyle=":", label=f"climatology {base:.3g}")
    axes.plot(p, (p + base) / 2, color=RULE_COLOR, linewidth=1, linestyle="--", label="no skill")


def _bars(axes: Axes, bins: Sequence[Bin]) -> None:
    p, frequency = [each.p for each in bins], [each.frequency for each in bins]
    low, high = np.array([wilson(each.frequency, each.rows) for each in bins]).reshape(-1, 2).T
    reach = np.clip([frequency - low, high - frequency], 0, None)
    axes.errorbar(
        p, frequency, yerr=reach, color=MODEL_COLOR, marker="o", markersize=5.5, linewidth=1.4, capsize=3,
        elinewidth=1, label="model, 95 % by rows of the bin",
    )  # fmt: skip


def wilson(frequency: float, rows: int) -> tuple[float, float]:
    """95 % interval of a frequency among independent rows (Wilson 1927)."""
    middle = (frequency + Z95**2 / (2 * rows)) / (1 + Z95**2 / rows)
    half = Z95 / (1 + Z95**2 / rows) * np.sqrt(frequency * (1 - frequency) / rows + Z95**2 / (4 * rows**2))
    return float(middle - half), float(middle + half)


def _reach(bins: Sequence[Bin]) -> float:
    """How far the axes go: to 1, or less where the event is so rare that all would stand in a corner."""
    largest = max((max(each.p, wilson(each.frequency, each.rows)[1]) for each in bins), default=1.0)
    return next((reach for reach in REACHES if largest <= reach), 1.0)


def _most(bins: Sequence[Bin]) -> int:
    return max((each.rows for each in bins), default=1)


def _row_counts(axes: Axes, bins: Sequence[Bin], reach: float) -> None:
    """Rows of each bin above its column."""
    upright = _tilt(bins, reach)
    for each in bins:
        across = "left" if each.p < 0.04 * reach else "right" if each.p > 0.96 * reach else "center"
        axes.text(
            each.p, each.rows * 1.25, f"{each.rows:,}", ha=across, va="bottom", fontsize=7, rotation=upright,
        )  # fmt: skip


def _tilt(bins: Sequence[Bin], reach: float) -> float:
    """Counts stand upright where bins are close to each other."""
    p = sorted(each.p for each in bins)
    return 90.0 if p and min(np.diff(p), default=1.0) < 0.07 * reach else 0.0


def _isolines(axes: Axes) -> None:
    """Curves of CSI = 1 / (1/SR + 1/POD - 1) and lines of bias = POD / SR, each with its number."""
    ratio = np.linspace(0.005, 1, 200)
    grid: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] = np.meshgrid(ratio, ratio)
    csi = 1 / (1 / grid[0] + 1 / grid[1] - 1)
    lines = axes.contour(ratio, ratio, csi, levels=CSI_LINES, colors="#7f9ab5", linewidths=0.8, zorder=1)
    along = 0.95
    places = [(along, 1 / (1 / level + 1 - 1 / along)) for level in CSI_LINES]
    axes.clabel(lines, manual=places, fmt="%.1f", fontsize=7.5, inline=True)
    for bias in BIAS_LINES:
        end = (1.0, bias) if bias <= 1 else (1 / bias, 1.0)
        axes.plot((0, end[0]), (0, end[1]), color="#cfcfcf", linewidth=0.8, linestyle="--", zorder=0.9)
        offset, across, up = ((3, 0), "left", "center") if bias <= 1 else ((0, 3), "center", "bottom")
        axes.annotate(
            f"B {bias:g}", end, xytext=offset, textcoords="offset points", ha=across, va=up, fontsize=7.5,
            color="#777777",
        )  # fmt: skip


def _mark(axes: Axes, entry: Entry, number: int, *, chosen: bool) -> None:
    found = _counts(entry)
    if np.isnan(found.success_ratio) or np.isnan(found.pod):
        return
    shape, color = MARKS.get(entry.kind, CLIMATOLOGY_MARK)
    edge = "black" if chosen else "white"
    above = 5 if chosen else 4 - number / 1000  # a better one hides the mark and the number of a worse one
    axes.scatter(
        found.success_ratio, found.pod, s=170, marker=shape, color=color, edgecolors=edge,
        linewidths=1.8 if chosen else 0.8, zorder=above, clip_on=False,
    )  # fmt: skip
    axes.text(
        found.success_ratio, found.pod, str(number), ha="center", va="center", fontsize=7.5, color="white",
        fontweight="bold", zorder=above,
    )  # fmt: skip


def _list(axes: Axes, found: Sequence[Entry], board: Board, window: str) -> None:
    """The competitors by number, the largest AUC first."""
    axes.axis("off")
    head = f"{'':3}{'':19} {'CSI':>5} {'POD':>5} {'FAR':>5}  AUC (95 %)"
    axes.text(0, 1, head, transform=axes.transAxes, va="top", family="DejaVu Sans Mono", fontsize=8, fontweight="bold")
    step = min(0.045, 0.88 / max(len(found), 1))
    for number, entry in enumerate(found, start=1):
        scores = _counts(entry)
        line = f"{number:>2} {_short(entry.name, 19):19} {_plain(scores.csi)} {_plain(scores.pod)} {_plain(scores.far)}"
        chosen = entry.name == board.chosen.get(window)
        axes.text(
            0, 1 - step * number, f"{line}  {_with_interval(entry.auc)}", transform=axes.transAxes, va="top",
            family="DejaVu Sans Mono", fontsize=8, color=MARKS.get(entry.kind, CLIMATOLOGY_MARK)[1],
            fontweight="bold" if chosen else "normal",
        )  # fmt: skip
    note = (
        "circle: model, square: rule, diamond: climatology; bold: chosen\n"
        f"best baseline: {_short(board.best_baseline[window], 40)}\n"
        "curves: CSI; dashed: bias (B); at thresholds of training days"
    )
    axes.text(0, 0, note, transform=axes.transAxes, va="bottom", fontsize=8, color="#444444")


def _counts(entry: Entry) -> Counts:
    return Counts(entry.hits, entry.false_alarms, entry.misses, entry.correct_negatives)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _plain(value: float) -> str:
    return f"{'-':>5}" if np.isnan(value) else f"{value:5.2f}"


def _with_interval(found: Interval) -> str:
    if np.isnan(found.value):
        return "-"
    told = "" if np.isnan(found.low) else f" ({found.low:.3f}-{found.high:.3f})"
    return f"{found.value:.3f}{told}"
