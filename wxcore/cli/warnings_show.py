"""How `wx warnings` tells rows of the ledger in the words of the desk."""

from datetime import datetime

from wxcore.cli.show import say
from wxcore.desk.others import STATUSES
from wxcore.desk.words import TYPES, Pair, state_words
from wxcore.landing.ledger import MessageRow, cycles_between
from wxcore.landing.ledger.issuing import EXPIRED
from wxcore.pipeline.issue import Office
from wxcore.times import beijing, iso, require_utc


def in_words(pair: Pair, lang: str) -> str:
    """The one of (Chinese, English) that is asked for."""
    return say(lang, pair[1], pair[0])


def state_of(message: MessageRow, lang: str, *, live: bool) -> str:
    """Status of a message, and whether it is in force, or what ended it."""
    ended = state_words(EXPIRED if message.ended_by == EXPIRED else "ended")
    state = state_words("live") if live else ended if message.ended_by else TYPES[message.msg_type]
    return f"{in_words(STATUSES[message.status], lang)} {in_words(state, lang)}"


def nothing_since(office: Office, since: datetime, lang: str) -> str:
    """Beside an empty list: since when there is nothing, and where there would be something.

    Raises:
        TimeError: `since` is naive.
    """
    since = require_utc(since)
    zh = f"自 {beijing(since):%Y-%m-%d %H:%M}（北京时）以来没有草稿和报文"
    en = f"Nothing since {beijing(since):%Y-%m-%d %H:%M} BJT"
    cycles = cycles_between(office.ledger, office.region.id)
    if not cycles:
        return say(lang, f"{en}; no cycle was analysed yet", f"{zh}；尚无分析时次")
    newest = cycles[-1].time
    return say(
        lang,
        f"{en}; the newest analysis is of {beijing(newest):%Y-%m-%d %H:%M} BJT: try --at {iso(newest)}, or --back-h",
        f"{zh}；最新分析时次为 {beijing(newest):%Y-%m-%d %H:%M}（北京时）：可用 --at {iso(newest)} 或 --back-h 查看",
    )
