"""`noisegate models list`: every version, what the pointers make of it, and who runs it."""

import time
from pathlib import Path

import pytest

from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.scorer.heartbeat import Heartbeat, Heartbeats
from tests.cli.conftest import Run
from tests.cli.versions import A, B, C, Shop, open_shop
from tests.models.conftest import trained
from tests.models.damage import edit_manifest

__all__ = ["trained"]


@pytest.fixture
def shop(tmp_path: Path, trained: Path) -> Shop:
    """A champion, one of a team, and a challenger that failed the gate."""
    shop = open_shop(tmp_path)
    shop.add(trained, A)
    shop.add(trained, B)
    shop.add(trained, C, passed=False)
    shop.store.point(CHAMPION, Pointer(A, {"pay*": B}))
    shop.store.point(CHALLENGER, Pointer(C))
    return shop


def test_what_each_worker_runs(run: Run, shop: Shop, redis_url: str, unique_name: str) -> None:
    """Roles come from the pointers, workers from their heartbeats; what a worker refused is told."""
    env = {**shop.env, "NOISEGATE_REDIS_URL": redis_url, "NOISEGATE_DEPLOYMENT": unique_name}
    now = time.time()
    heart = Heartbeats(redis_url, unique_name)
    heart.write("one:1", Heartbeat(now, {A: now, B: now}, challenger=C))
    heart.write("two:2", Heartbeat(now, {A: now}, fault="something was refused"))
    heart.write("gone:3", Heartbeat(now - 3600, {A: now}))
    heart.close()
    found = run("models", "list", "--json", env=env).json
    rows = {row["version"]: row for row in found["versions"]}
    assert [row["version"] for row in found["versions"]] == [A, B, C]
    assert rows[A]["workers"] == ["one:1", "two:2"]
    assert rows[B]["workers"] == ["one:1"]
    assert rows[C]["workers"] == ["one:1 (challenger)"]
    assert [rows[version]["roles"] for version in (A, B, C)] == [["champion"], ["champion of pay*"], ["challenger"]]
    assert [rows[version]["gate"] for version in (A, B, C)] == ["passed", "passed", "failed"]
    assert found["notes"] == ["two:2: something was refused"]


def test_redis_away_is_no_reason_to_list_nothing(run: Run, shop: Shop) -> None:
    """The list works, and says that it does not know the workers."""
    ran = run("models", "list", env=shop.env)
    assert ran.status == 0
    assert "workers: unknown, since Redis can't be reached" in ran.out
    assert all(version in ran.out for version in (A, B, C))


def test_what_is_wrong_in_the_store_is_told_in_its_place(run: Run, shop: Shop) -> None:
    """A manifest that can't be read, a pointer of rubbish, a pointer to nothing: the rest is listed."""
    edit_manifest(shop.folder / A, lambda content: content.pop("golden"))
    (shop.folder / CHAMPION).write_text("rubbish")
    shop.store.point(CHALLENGER, Pointer("2026-09-09-ffff"))
    found = run("models", "list", "--json", env=shop.env).json
    assert "golden" in found["versions"][0]["fault"]
    assert found["versions"][1]["gate"] == "passed"
    assert any("CHAMPION: holds 'rubbish'" in note for note in found["notes"])
    assert "CHALLENGER names 2026-09-09-ffff, which is not there" in found["notes"]


def test_an_empty_store_is_listed(run: Run, tmp_path: Path) -> None:
    """Nothing there is not an error."""
    ran = run("models", "list", env=open_shop(tmp_path).env)
    assert ran.status == 0
    assert "0 versions" in ran.out
    assert "there is no such folder, so no model; train a model" in ran.out.replace("\n", " ")


def test_a_champion_that_is_gone_is_rolled_back_to(run: Run, tmp_path: Path, trained: Path) -> None:
    """Where the log of changes knows a champion, list and verify say that a rollback restores it, and it does."""
    shop = open_shop(tmp_path)
    shop.add(trained, A)
    assert run("models", "promote", A, env=shop.env).status == 0
    (shop.folder / CHAMPION).unlink()
    mend = f"CHAMPION is gone; run `noisegate models rollback`, which restores {A}"
    (note,) = [one for one in run("models", "list", "--json", env=shop.env).json["notes"] if "CHAMPION" in one]
    assert note == f"{shop.folder}: {mend}"
    assert mend in run("models", "verify", env=shop.env).err
    assert run("models", "rollback", env=shop.env).status == 0
    assert shop.store.pointer(CHAMPION) == Pointer(A)
