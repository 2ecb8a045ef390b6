"""Versions of the small model that differ in name and verdict, and the settings that serve them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from stream.models.store import Store
from tests.lab.logs import PROBLEM_TEXT
from tests.models.damage import edit_manifest

A, B, C = "2026-01-01-aaaa", "2026-01-02-bbbb", "2026-01-03-cccc"
Edit = Callable[[dict[str, Any]], object]


class Shop(NamedTuple):
    """A store in a folder, and the environment by which the command reaches it."""

    store: Store
    folder: Path
    env: dict[str, str]

    def add(self, trained: Path, version: str, passed: bool | None = True, edit: Edit | None = None) -> Path:
        """Put a version there: the trained model under another name, judged or not."""
        folder = self.folder / version
        shutil.copytree(trained, folder)

        def change(content: dict[str, Any]) -> None:
            failed = [] if passed else ["AUC 0.400, team_rate has 0.700"]
            content.update(version=version, gate=None if passed is None else {"passed": passed, "failed": failed})
            if edit is not None:
                edit(content)

        edit_manifest(folder, change)
        return folder


def open_shop(folder: Path, target: str = "") -> Shop:
    """An empty store, with the small model's problem."""
    problem = folder / "problem.toml"
    problem.write_text(PROBLEM_TEXT + target)
    env = {
        "NOISEGATE_MODEL_STORE": str(folder / "models"),
        "NOISEGATE_MODEL_CACHE": str(folder / "cache"),
        "NOISEGATE_PROBLEM": str(problem),
        "NOISEGATE_REDIS_URL": "redis://127.0.0.1:1/0",
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    return Shop(Store(env["NOISEGATE_MODEL_STORE"]), folder / "models", env)
