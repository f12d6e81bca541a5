"""Side by side: what a message says now, and what a draft would say; each difference marked word by word."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from wxcore.desk.words import BY_HAND, Pair, colour_of, percent, place_names, when_day
from wxcore.warning.level import Rulebook
from wxcore.warning.model import Warning
from wxcore.warning.words import is_added

TOKEN = re.compile(r"\d+(?:\.\d+)?|[A-Za-z]+(?:['-][A-Za-z]+)*|\s+|.", re.DOTALL)
"""A number or a Latin word is one token, so is each Chinese character: nobody reads half a number as changed."""

LEAST_COMMON = 0.4
"""Share of the characters of both texts below which they are shown whole: two texts in scraps read like neither [our
choice]."""


@dataclass(frozen=True)
class Piece:
    """A run of text. `kind`: "same", "del" (only in the old) or "ins" (only in the new)."""

    kind: str
    text: str


@dataclass(frozen=True)
class Row:
    """One line of the comparison: its name (Chinese, English), and both sides in pieces."""

    label: Pair
    old: tuple[Piece, ...]
    new: tuple[Piece, ...]

    @property
    def changed(self) -> bool:
        """Do the sides differ?"""
        return any(piece.kind != "same" for piece in (*self.old, *self.new))


def word_diff(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """The old text in pieces "same" and "del", the new one in "same" and "ins"; joined they are the texts again.

    Each in one piece where they have little in common and neither holds the other.
    """
    before, after = TOKEN.findall(old), TOKEN.findall(new)
    left: list[Piece] = []
    right: list[Piece] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    common = sum(len("".join(before[m.a : m.a + m.size])) for m in matcher.get_matching_blocks())
    if 2 * common < LEAST_COMMON * (len(old) + len(new)) and old not in new and new not in old:
        return (Piece("del", old),), (Piece("ins", new),)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        same = tag == "equal"
        _add(left, "same" if same else "del", before[i1:i2])
        _add(right, "same" if same else "ins", after[j1:j2])
    return tuple(left), tuple(right)


def _add(pieces: list[Piece], kind: str, tokens: Sequence[str]) -> None:
    if tokens:
        pieces.append(Piece(kind, "".join(tokens)))


def compare(old: Warning | None, new: Warning, book: Rulebook, language: str) -> tuple[Row, ...]:
    """Every field that a reader of the message sees, old beside new; `old` None: there is no message yet.

    A Cancel shows neither an end nor a probability.

    Args:
        old: the live message that the new one would supersede.
        new: the draft.
        book: gives the words of the levels.
        language: "zh" or "en": of the values; both texts are compared whatever the language.
    """
    index = 0 if language == "zh" else 1

    def text(read: Callable[[Warning], str]) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
        return word_diff("" if old is None else read(old), read(new))

    def of_threat(read: Callable[[Warning], str]) -> Callable[[Warning], str]:
        return lambda w: "" if w.msg_type == "Cancel" else read(w)

    fields: tuple[tuple[Pair, Callable[[Warning], str]], ...] = (
        (("级别", "Level"), lambda w: colour_of(w, book)[index]),
        (("区县", "Districts"), lambda w: place_names(w.districts)[index]),
        (("乡镇街道", "Towns"), lambda w: place_names(w.towns)[index]),
        (("起始", "From"), lambda w: when_day(w.onset)[index]),
        (("终止", "Until"), of_threat(lambda w: when_day(w.expires)[index])),
        (("概率", "Probability"), of_threat(lambda w: BY_HAND[index] if is_added(w) else percent(w.p))),
        (("备注（中文）", "Remark (Chinese)"), lambda w: w.remark_zh),
        (("备注（英文）", "Remark (English)"), lambda w: w.remark_en),
        (("标题（中文）", "Headline (Chinese)"), lambda w: w.headline_zh),
        (("正文（中文）", "Text (Chinese)"), lambda w: w.description_zh),
        (("防御指南（中文）", "Guide (Chinese)"), lambda w: w.instruction_zh),
        (("标题（英文）", "Headline (English)"), lambda w: w.headline_en),
        (("正文（英文）", "Text (English)"), lambda w: w.description_en),
        (("防御指南（英文）", "Guide (English)"), lambda w: w.instruction_en),
    )
    rows = (Row(label, *text(read)) for label, read in fields)
    return tuple(row for row in rows if row.old or row.new)
