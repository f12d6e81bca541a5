"""Pictures: the same board gives the same bytes, with nothing of date or program, and all that there is to tell."""

import io
import struct
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from wxcore.hazard.learn import diagrams, scores
from wxcore.hazard.learn.board import Board, Entry, Interval
from wxcore.hazard.learn.diagrams import performance_diagram, reliability_diagram, wilson
from wxcore.hazard.learn.trained import Bin, Trained

W = "0-60"
AUC = Interval(0.8, 0.75, 0.85)
NONE = Interval(np.nan, np.nan, np.nan)


def entry(name, kind="rule", table=(30, 20, 10, 940), auc=AUC):
    return Entry(name, kind, W, auc, 0.4, NONE, NONE, 0.02, 0.3, *table)


ENTRIES = (
    entry("boosted", "model"),
    entry("MESH_W98 with a name longer than the list is wide", table=(20, 40, 20, 920)),
    entry("never", table=(0, 0, 40, 960), auc=Interval(0.5, np.nan, np.nan)),
    entry("nothing known", table=(0, 0, 0, 0), auc=NONE),
    entry("climatology", "climatology", table=(40, 960, 0, 0)),
)
BINS = (Bin(0.05, 0.04, 900), Bin(0.15, 0.2, 60), Bin(0.55, 0.5, 30), Bin(0.96, 1.0, 10))


def trained(truth="report", bins=BINS, entries=ENTRIES, rows=1000):
    board = Board(
        "hail", "a file", "hail of 20 mm", truth, 5, 0, {W: rows}, {W: min(rows, 40)}, {W: 3}, {W: 12}, {W: 90},
        entries, {W: "never"}, {W: "boosted"},
    )  # fmt: skip
    return Trained(board, {}, {W: bins}, {}, {}, {}, {}, "", "", "")


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)


def chunks(png):
    """Names of the parts of a PNG."""
    place, found = 8, []
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        found.append(png[place + 4 : place + 8])
        place += 12 + size
    return found


def texts(monkeypatch, draw):
    """All that stands written in the picture that `draw` makes."""
    seen = []
    kept = diagrams._png

    def spy(figure):
        seen.extend(each.get_text() for each in figure.findobj(mpl.text.Text))
        return kept(figure)

    monkeypatch.setattr(diagrams, "_png", spy)
    draw()
    return seen


def test_pictures_are_the_same_bytes_again_whatever_a_user_sets_for_matplotlib():
    given = trained("SYN")
    for draw in (lambda: reliability_diagram(given, W), lambda: performance_diagram(given.board, W)):
        first = draw()
        with mpl.rc_context({"font.size": 20, "axes.facecolor": "black", "savefig.dpi": 30}):
            assert draw() == first
        assert set(chunks(first)) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}  # no tEXt (Software), no tIME
        assert pixels(first).shape[0] > 600


def test_simulated_truth_is_written_large_and_red():
    def red(png):
        rgb = pixels(png)
        return int(((rgb[..., 0] > 230) & (rgb[..., 1] < 230) & (rgb[..., 1] == rgb[..., 2])).sum())

    for draw in (lambda given: reliability_diagram(given, W), lambda given: performance_diagram(given.board, W)):
        assert red(draw(trained("SYN"))) > 10_000
        assert red(draw(trained("report"))) < 200


def test_reliability_diagram_tells_model_hazard_window_truth_and_counts(monkeypatch):
    seen = texts(monkeypatch, lambda: reliability_diagram(trained(), W))
    title = next(text for text in seen if text.startswith("Reliability"))
    for told in ("boosted", "hail", "0-60 min", "truth: report", "1,000 rows", "40 events", "12 days"):
        assert told in title
    assert {"900", "60", "30", "10"} <= set(seen)
    assert "climatology 0.04" in seen
    assert "no skill" in seen


def test_performance_diagram_lists_everyone_with_counts_and_interval(monkeypatch):
    seen = texts(monkeypatch, lambda: performance_diagram(trained().board, W))
    lines = [text for text in seen if text[:2].strip().isdigit() and len(text) > 20]
    assert len(lines) == len(ENTRIES)
    best = next(line for line in lines if "boosted" in line)
    assert best.split()[2:] == ["0.50", "0.75", "0.40", "0.800", "(0.750-0.850)"]
    never = next(line for line in lines if "never" in line)
    assert never.split()[2:] == ["0.00", "0.00", "-", "0.500"]
    unknown = next(line for line in lines if "nothing known" in line)
    assert unknown.split()[3:] == ["-", "-", "-", "-"]
    assert any("best baseline: never" in text for text in seen)


@pytest.mark.parametrize("given", [{"rows": 0, "bins": ()}, {"bins": (Bin(0.004, 0.004, 1_000_000),)}])
def test_odd_reliability_is_drawn_too(given):
    assert chunks(reliability_diagram(trained(**given), W))[0] == b"IHDR"


@pytest.mark.parametrize("number", [0, 40])
def test_boards_of_none_and_of_many_are_drawn_too(number):
    given = trained(entries=tuple(entry(f"rule {i}") for i in range(number)))
    assert chunks(performance_diagram(given.board, W))[0] == b"IHDR"


def test_rare_event_is_not_drawn_in_a_corner():
    given = trained(bins=scores.reliability(np.arange(1000) < 8, np.full(1000, 0.01)))
    assert diagrams._reach(given.reliability[W]) == 0.1
    assert diagrams._reach(BINS) == 1.0


def test_wilson_interval_is_that_of_the_table():
    assert wilson(0.1, 100) == pytest.approx((0.0552, 0.1744), abs=5e-5)
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=5e-5)


def test_window_that_is_not_on_the_board_is_refused():
    given = trained()
    with pytest.raises(KeyError):
        reliability_diagram(given, "0-15")
    with pytest.raises(KeyError):
        performance_diagram(replace(given.board), "0-15")
