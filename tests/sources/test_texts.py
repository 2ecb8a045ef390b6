"""Values on their way to alerts.failed."""

import json
from typing import Any

import pytest

from stream.sources.texts import as_json


@pytest.mark.parametrize("value", [{"a": [1, None, "é"]}, 2**70, "\ud800"])
def test_what_json_can_write_comes_back(value: Any) -> None:
    """Also a number over 64 bits and half of a surrogate pair."""
    assert json.loads(as_json(value)) == value


def test_a_number_of_thousands_of_digits_is_left_out() -> None:
    """It stops nothing: Python refuses to write it."""
    assert as_json({"a": 10**5_000}) == b""
