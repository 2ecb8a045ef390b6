"""Tests that share a fixture are found."""

import pytest

from tests.scheduler import COSTLY, HEAVY, ROOT, users


@pytest.mark.parametrize("fixture", COSTLY)
def test_every_costly_fixture_has_users(fixture: str) -> None:
    """Where a folder or a fixture gets another name, each worker would make its own again without a word."""
    assert len([*users(fixture)]) > 2


def test_the_heavy_folder_is_there() -> None:
    """Under another name its files would be spread over all workers, each of which would load the libraries."""
    assert len([*(ROOT / HEAVY).rglob("test_*.py")]) > 2
