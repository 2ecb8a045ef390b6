"""Imports point inward: RULES says who may not import what, EXCEPTIONS what breaks that for now, and why."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.imports import Import, all_imports, area, cycles, imports_of, impure, sources

ROOMS = frozenset({"intake", "relay", "scorer", "closer", "triage"})
OUTER = frozenset({"lab", "monitoring", "dev", "cli"})
FAUST = frozenset({"faust", "aiokafka", "mode"})
CORE_THIRD_PARTY = frozenset({"numpy", "msgspec"})
CORE_FORBIDDEN = frozenset(  # servers, clock, environment, logging, files, threads and async
    {
        *("os", "posix", "io", "pathlib", "tempfile", "shutil", "glob", "fileinput", "mmap", "fcntl"),
        *("sqlite3", "shelve", "dbm", "gzip", "bz2", "lzma", "zipfile", "tarfile"),
        *("time", "sched", "logging", "warnings", "getpass", "platform", "random", "secrets", "uuid"),
        *("asyncio", "threading", "_thread", "multiprocessing", "concurrent", "queue", "contextvars", "signal"),
        *("subprocess", "socket", "socketserver", "select", "selectors", "ssl", "http", "urllib", "ftplib", "smtplib"),
        *("importlib", "pkgutil", "ctypes"),
    }
)

EXCEPTIONS: dict[tuple[str, str], str] = {  # module, and what it imports: why it stays
    ("stream.kafka.partitioner", "aiokafka"): "its murmur2 is a pure function; a second one could differ",
}


def _in_core(one: Import) -> bool:
    top = one.target.partition(".")[0]
    if top == "stream":
        return area(one.target) != "core"
    return top in CORE_FORBIDDEN or (top not in sys.stdlib_module_names and top not in CORE_THIRD_PARTY)


def _in_room(one: Import) -> bool:
    to = area(one.target)
    return to in OUTER or (to in ROOMS and to != area(one.importer))


class Rule(NamedTuple):
    """What is forbidden to whom."""

    text: str
    binds: Callable[[str], bool]  # the importing module
    broken_by: Callable[[Import], bool]


RULES = (
    Rule(
        "core imports core, numpy, msgspec and of the standard library what touches nothing outside",
        lambda module: area(module) == "core",
        _in_core,
    ),
    Rule(
        "a room imports no other room, and no lab, monitoring, dev or cli",
        lambda module: area(module) in ROOMS,
        _in_room,
    ),
    Rule(
        "what rooms stand on, packages and flat modules, imports no room, lab, monitoring, dev or cli",
        lambda module: area(module) not in ROOMS | OUTER | {"", "core", "__main__"},
        lambda one: area(one.target) in OUTER | ROOMS,
    ),
    Rule(
        "the lab imports no room, monitoring or dev",
        lambda module: area(module) == "lab",
        lambda one: area(one.target) in ROOMS | {"monitoring", "dev"},
    ),
    Rule(
        "monitoring imports no room, lab or dev",
        lambda module: area(module) == "monitoring",
        lambda one: area(one.target) in ROOMS | {"lab", "dev"},
    ),
    Rule(
        "nobody imports cli but cli and __main__",
        lambda module: area(module) not in ("cli", "__main__"),
        lambda one: area(one.target) == "cli",
    ),
    Rule(
        "only lane/faust.py imports faust, aiokafka and mode",
        lambda module: module != "stream.lane.faust",
        lambda one: one.target.partition(".")[0] in FAUST,
    ),
)


def broken(imports: set[Import]) -> dict[Import, str]:
    """The imports that break a rule, with the rule."""
    return {
        one: rule.text for rule in RULES for one in sorted(imports) if rule.binds(one.importer) and rule.broken_by(one)
    }


def exception_of(one: Import) -> tuple[str, str] | None:
    """The exception that allows an import; None where there is none."""
    for importer, target in EXCEPTIONS:
        if one.importer == importer and f"{one.target}.".startswith(f"{target}."):
            return importer, target
    return None


@pytest.fixture(scope="module")
def imports() -> set[Import]:
    """All imports under stream."""
    return all_imports()


def test_imports_point_inward(imports: set[Import]) -> None:
    """No import breaks a rule, but for the exceptions."""
    assert {one: rule for one, rule in broken(imports).items() if exception_of(one) is None} == {}


def test_every_exception_is_needed(imports: set[Import]) -> None:
    """An exception whose import is gone must go, too; each of them gives its reason."""
    used = {exception_of(one) for one in broken(imports)}
    assert {key for key in EXCEPTIONS if key not in used} == set()
    assert all(EXCEPTIONS.values())


def test_nothing_imports_in_circles(imports: set[Import]) -> None:
    """Packages and flat modules stand in an order in which each imports only what comes before it, exceptions aside."""
    assert cycles(one for one in imports if exception_of(one) is None) == []


def test_core_touches_nothing_outside() -> None:
    """No module of core opens a file, prints, reads the environment or looks at the clock."""
    found = {
        module: lines
        for module, path in sources()
        if area(module) == "core" and (lines := impure(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("module", "source", "target"),
    [
        ("stream.core.fold", "import logging", "logging"),
        ("stream.core.fold", "def f():\n    from pathlib import Path", "pathlib"),
        ("stream.core.fold", "import time", "time"),
        ("stream.core.fold", "from asyncio import sleep", "asyncio"),
        ("stream.core.fold", "import scipy.stats", "scipy.stats"),
        ("stream.core.fold", "from ..files import AnyPath", "stream.files"),
        ("stream.scorer.room", "from stream.lab.split import Split", "stream.lab.split"),
        ("stream.scorer.room", "from stream import lab", "stream.lab"),
        ("stream.closer.worker", "from stream.scorer.room import ScorerRoom", "stream.scorer.room"),
        ("stream.models.store", "import_module('stream.scorer.room')", "stream.scorer.room"),
        ("stream.config", "import stream.dev.stack as stack", "stream.dev.stack"),
        ("stream.lab.split", "if TYPE_CHECKING:\n    from stream.dev import shipped", "stream.dev.shipped"),
        ("stream.lab.split", "from stream.scorer import rebuild", "stream.scorer.rebuild"),
        ("stream.monitoring.page", "import stream.scorer.room", "stream.scorer.room"),
        ("stream.dev.stack", "from stream.cli import main", "stream.cli.main"),
        ("stream.kafka.clients", "import faust", "faust"),
        ("stream.lane.loop", "from mode.services import Service", "mode.services"),
    ],
)
def test_a_planted_fault_is_found(module: str, source: str, target: str) -> None:
    """One forbidden import in a text is found, wherever and however it is written."""
    assert Import(module, target) in broken(imports_of(module, source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("stream.core.fold", "import math\nimport numpy as np\nfrom stream.core import state"),
        ("stream.scorer.room", "from stream.scorer import fence\nfrom stream.lane.batch import Part\nimport redis"),
        ("stream.lane.faust", "import faust\nfrom mode import Service\nimport aiokafka"),
        ("stream.cli.run", "from stream.scorer.worker import make_scorer\nfrom stream.cli import shown"),
        ("stream.__main__", "from stream.cli import main"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    """A room's own modules, the standard library's pure part, and Faust where it belongs."""
    assert broken(imports_of(module, source)) == {}


@pytest.mark.parametrize("source", ["open('x')", "datetime.now(UTC)", "date.today()", "os.environ['X']", "print(1)"])
def test_a_planted_impurity_is_found(source: str) -> None:
    """A file, a clock, the environment or the terminal in a text of core is found."""
    assert impure(source) == [1]


def test_a_planted_circle_is_found() -> None:
    """Three packages that import each other in a ring are one circle; a straight line is none."""
    ring = [("stream.lab.a", "stream.models.b"), ("stream.models.c", "stream.kafka"), ("stream.kafka", "stream.lab.d")]
    assert cycles(Import(*one) for one in ring) == [["kafka", "lab", "models"]]
    assert cycles(Import(*one) for one in ring[:2]) == []
