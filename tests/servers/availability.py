"""What a test does when this machine lacks something it needs."""

import os
from typing import NoReturn

import pytest


def required() -> bool:
    """Whether REQUIRE_SERVERS=1 says that nothing may be skipped."""
    return os.environ.get("REQUIRE_SERVERS") == "1"


def unavailable(reason: str) -> NoReturn:
    """Skip the test; fail it where REQUIRE_SERVERS=1 says that nothing may be skipped."""
    if required():
        pytest.fail(f"REQUIRE_SERVERS=1, but {reason}", pytrace=False)
    pytest.skip(reason)
