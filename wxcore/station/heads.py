"""Texts that only quote reports: programs, pages, alerts and logs. No format of ours begins as they do."""

import re

_FOREIGN = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*(?:[<{\["'`;%*>-]|\#(?![ ]?wxcore_)|//|/\*
    |(?:import|from|def|class|async|return|assert|export|const|let|var|function|package|use|using)\b[ (]
    |@\w|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:?\d*\S*[ ]+\S)""",
    re.VERBOSE,
)


def is_foreign(head: bytes) -> bool:
    """Does it begin as a program, as JSON, XML, Markdown or a quoted table, or a log with a date before its words?"""
    return _FOREIGN.match(head) is not None
