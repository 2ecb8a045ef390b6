"""Which tests run in one worker, so that a costly fixture is made once and not once a worker."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

ROOT = Path(__file__).parents[1]
COSTLY = {
    "done": "tests/cli",
    "scored": "tests/cli",
    "stack": "tests/relay",
    "world": "tests",
}
"""Fixtures, and the folder whose tests ask for them."""

HEAVY = "tests/lab/"
"""Files whose tests load LightGBM, scikit-learn and SciPy, which takes two seconds of CPU in each worker that does."""


class FixtureScheduling(LoadScopeScheduling):  # type: ignore[misc]  # the same
    """Gives each worker one file after the other, the longest first.

    Tests that share a costly fixture count as one file, and so does the heavy folder.

    The mark xdist_group, made for this, does nothing with pytest 9.2 and xdist 3.8.
    """

    def __init__(self, config: Any, log: Any) -> None:
        super().__init__(config, log)
        self._groups = {test: fixture for fixture in COSTLY for test in users(fixture)}

    def _split_scope(self, nodeid: str) -> str:
        file, _, names = nodeid.partition("[")[0].partition("::")
        if file.startswith(HEAVY):
            return HEAVY
        return self._groups.get((file, names.rpartition("::")[2]), file)


def users(fixture: str) -> Iterator[tuple[str, str]]:
    """File and name of each test that has the costly fixture as an argument."""
    asking = re.compile(rf"^ *def (test_\w+)\([^)]*\b{fixture}: ", re.MULTILINE)
    for path in sorted((ROOT / COSTLY[fixture]).glob("test_*.py")):
        for name in asking.findall(path.read_text(encoding="utf-8")):
            yield path.relative_to(ROOT).as_posix(), name
