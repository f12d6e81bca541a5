import inspect
import pickle

import pytest

from wxcore import errors
from wxcore.errors import LimitError, ReadError, Reason, SchemaError, WarningError, WxcoreError

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


def test_one_tree() -> None:
    assert all(issubclass(kind, WxcoreError) for kind in ALL)
    assert issubclass(LimitError, ReadError)


def test_the_docstring_draws_every_branch() -> None:
    drawn = errors.__doc__ or ""
    assert [kind.__name__ for kind in ALL if kind.__name__ not in drawn] == []


def test_english_is_the_text_and_stands_in_for_chinese() -> None:
    both = WxcoreError("truncated", "文件截断")
    assert (str(both), both.en, both.zh) == ("truncated", "truncated", "文件截断")
    assert WxcoreError("truncated").zh == "truncated"


@pytest.mark.parametrize("kind", [ReadError, LimitError])
def test_a_read_error_survives_a_process_border(kind: type[ReadError]) -> None:
    error = pickle.loads(pickle.dumps(kind(Reason.TRUNCATED, "ends early", "文件不完整", offset=416)))
    assert type(error) is kind
    assert (error.reason, error.offset, error.en, error.zh) == (Reason.TRUNCATED, 416, "ends early", "文件不完整")


def test_a_schema_error_survives_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(SchemaError("cube", ["a: missing", "b: units 'km'"])))
    assert error.faults == ["a: missing", "b: units 'km'"]
    assert str(error) == "cube: a: missing; b: units 'km'"


def test_a_warning_error_lists_every_rule() -> None:
    error = WarningError("W1", ["expires before it begins", "no district"])
    assert "expires before it begins; no district" in str(error)
    assert error.faults == ["expires before it begins", "no district"]


def test_reasons_are_their_own_codes() -> None:
    assert [reason.name for reason in Reason] == [str(reason) for reason in Reason]
