"""Tests that share a fixture are found."""

import pytest

from tests.scheduler import COSTLY, users


@pytest.mark.parametrize("fixture", COSTLY)
def test_every_costly_fixture_has_users(fixture: str) -> None:
    """Where a folder or a fixture gets another name, each worker would make its own again without a word."""
    assert len([*users(fixture)]) > 2
