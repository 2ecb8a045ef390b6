"""`noisegate models`: what is promoted can be served and has passed; what was done is noted, and undone by a word."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream.models.artifact import ONNX
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.store import Store
from tests.cli.conftest import Ran, Run
from tests.cli.versions import A, B, C, Shop, open_shop
from tests.models.conftest import trained
from tests.models.damage import constant_graph, external_graph, put_onnx
from tests.models.storage import BUCKET, s3_server, use_endpoint

__all__ = ["trained"]
Verb = Callable[..., Ran]


@pytest.fixture
def shop(tmp_path: Path, trained: Path) -> Shop:
    """Three versions that passed the gate."""
    shop = open_shop(tmp_path)
    for version in (A, B, C):
        shop.add(trained, version)
    return shop


@pytest.fixture
def models(run: Run, shop: Shop) -> Verb:
    """`noisegate models` with this store."""
    return lambda *arguments, **env: run("models", *arguments, env={**shop.env, **env})


def refused(ran: Ran) -> str:
    """The one sentence, with status 1."""
    assert ran.status == 1, ran
    told = [line for line in ran.err.splitlines() if not line.startswith("waiting for Kafka at ")]
    assert len(told) == 1
    assert told[0].startswith("noisegate: ")
    return told[0] + "\n"


def champion(shop: Shop) -> Pointer | None:
    """What CHAMPION says."""
    return shop.store.pointer(CHAMPION)


def test_the_first_model_needs_the_gate_alone(models: Verb, shop: Shop) -> None:
    """Without a champion there is nothing to compare with; who did it, and what changed, is noted."""
    ran = models("promote", B, "--json")
    assert ran.status == 0, ran.err
    assert champion(shop) == Pointer(B)
    [change] = shop.store.changes()
    assert (change.verb, change.pointer, change.before, change.after) == ("promote", CHAMPION, None, Pointer(B))
    assert (change.forced, change.reason) == (False, None)
    assert ran.json["who"] == change.who
    assert "is already the champion" in refused(models("promote", B))


@pytest.mark.slow
@pytest.mark.parametrize(("passed", "told"), [(False, "did not pass the gate: AUC 0.400"), (None, "never judged")])
def test_the_gate_holds_even_for_the_first(
    models: Verb, shop: Shop, trained: Path, passed: bool | None, told: str
) -> None:
    """A version that failed, or was never judged, needs a reason, and the reason is noted beside what it overrode."""
    shop.add(trained, "2026-02-01-aaaa", passed)
    assert told in refused(models("promote", "2026-02-01-aaaa"))
    assert champion(shop) is None
    assert "needs a reason" in refused(models("promote", "2026-02-01-aaaa", "--force", " "))
    assert models("promote", "2026-02-01-aaaa", "--force", "we know").status == 0
    [change] = shop.store.changes()
    assert change.forced
    assert change.reason is not None
    assert change.reason.startswith("we know; overrode: ")
    assert told in change.reason


def _lose(folder: Path) -> None:
    (folder / ONNX).write_bytes((folder / ONNX).read_bytes()[:1000])


def _width(shop: Shop) -> int:
    return len(shop.store.manifest(A).features)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda content: content["golden"]["probabilities"].__setitem__(0, 0.987), "golden probabilities"),
        (lambda content: content["features"][0].update(name="team.mood"), "needs the feature 'team.mood'"),
        (lambda content: content["files"].update({ONNX: "0" * 64}), f"{ONNX} does not match manifest.json"),
        (lambda content: content["problem"].update(digest="00000000"), "was made for the problem"),
        (lambda content: content["onnxruntime"].update(at_least="99.0", below="100.0"), "needs onnxruntime"),
        (lambda content: content.update(version="2026-02-01-bbbb"), "holds version 2026-02-01-bbbb"),
    ],
)
def test_what_can_t_be_served_is_never_promoted(
    models: Verb, shop: Shop, trained: Path, edit: Callable[[dict[str, Any]], object], told: str
) -> None:
    """Golden rows, features, hashes, problem, runtime, name: no reason overrides them, for neither pointer."""
    shop.add(trained, "2026-02-01-aaaa", edit=edit)
    assert told in refused(models("promote", "2026-02-01-aaaa"))
    assert told in refused(models("promote", "2026-02-01-aaaa", "--force", "I insist"))
    assert told in refused(models("challenge", "2026-02-01-aaaa"))
    assert (champion(shop), shop.store.pointer(CHALLENGER), shop.store.changes()) == (None, None, [])


def test_unsafe_graphs_are_never_promoted(models: Verb, shop: Shop) -> None:
    """NaN for a probability, data in other files, a graph cut short."""
    width = _width(shop)
    put_onnx(shop.folder / A, constant_graph(width, float("nan")))
    put_onnx(shop.folder / B, external_graph(width))
    _lose(shop.folder / C)
    for version, told in (
        (A, "not a probability"),
        (B, "keeps data in other files"),
        (C, "does not match manifest.json"),
    ):
        assert told in refused(models("promote", version, "--force", "I insist"))
    assert "there is no such version" in refused(models("promote", "2026-05-05-aaaa"))
    assert "is not the name of a version" in refused(models("promote", "../../etc"))
    assert champion(shop) is None


@pytest.mark.slow
def test_a_version_that_never_served_as_challenger_is_refused(models: Verb, shop: Shop) -> None:
    """With a champion there, evidence is asked for; a reason overrides it, also while Kafka is away."""
    models("promote", A)
    assert "has not served as challenger" in refused(models("promote", B))
    models("challenge", B)
    assert shop.store.pointer(CHALLENGER) == Pointer(B)
    assert "127.0.0.1:1" in refused(models("promote", B))
    assert champion(shop) == Pointer(A)
    assert models("promote", B, "--force", "the old one rings all night").status == 0
    assert champion(shop) == Pointer(B)
    assert shop.store.pointer(CHALLENGER) is None  # nobody is left to challenge
    forced = shop.store.changes()[-2]
    assert forced.forced
    assert "could not be read" in str(forced.reason)


@pytest.mark.slow
def test_teams_move_first(models: Verb, shop: Shop) -> None:
    """Some teams get a version, the others keep theirs; promoting for all drops the table, rollback brings it back."""
    assert "promote without --team first" in refused(models("promote", A, "--team", "payments"))
    models("promote", A)
    assert "default means all other teams" in refused(models("promote", B, "--team", "default", "--force", "x"))
    assert "--team is empty" in refused(models("promote", B, "--team", "", "--force", "x"))
    assert champion(shop) == Pointer(A)
    ran = models("promote", B, "--team", "payments", "--team", "web-*", "--force", "try")
    assert ran.status == 0, ran.err
    table = Pointer(A, {"payments": B, "web-*": B})
    assert champion(shop) == table
    assert "would change nothing" in refused(models("promote", A, "--team", "web-a*", "--force", "back"))
    assert champion(shop) == table
    models("promote", B, "--force", "all")
    assert champion(shop) == Pointer(B)
    models("rollback")
    assert champion(shop) == table
    models("rollback")
    assert champion(shop) == Pointer(A)


@pytest.mark.slow
def test_rollback_is_one_word(models: Verb, shop: Shop) -> None:
    """It goes back one change at a time, past a corrupt version and a pointer of rubbish, until there is nothing."""
    for version in (A, B, C):
        models("promote", version, "--force", "test")
    _lose(shop.folder / C)
    assert models("rollback", "--json").json["after"]["default"] == B
    assert champion(shop) == Pointer(B)
    models("rollback")
    assert champion(shop) == Pointer(A)
    assert "promote a version instead" in refused(models("rollback"))
    models("promote", B, "--force", "test")
    (shop.folder / CHAMPION).write_text("rubbish")
    assert "run `noisegate models rollback` first" in refused(models("promote", C))
    assert models("rollback").status == 0
    assert champion(shop) == Pointer(B)
    assert [change.verb for change in shop.store.changes()][-1] == "rollback"


@pytest.mark.slow
def test_what_is_needed_is_not_retired(models: Verb, shop: Shop) -> None:
    """Neither what a pointer names nor what a rollback would restore, unless for a reason, which is noted."""
    models("promote", A)
    models("promote", B, "--force", "test")
    models("challenge", C)
    assert "CHAMPION names it" in refused(models("retire", B))
    assert "a rollback would restore it" in refused(models("retire", A))
    assert "CHALLENGER names it" in refused(models("retire", C))
    assert models("challenge", "--none").status == 0
    assert models("retire", C).status == 0
    assert models("retire", A, "--force", "leaked data").status == 0
    assert shop.store.versions() == [B]
    assert shop.store.changes()[-1].reason == "leaked data"
    assert "there is no such version" in refused(models("rollback"))
    assert champion(shop) == Pointer(B)
    assert "there is no such version" in refused(models("retire", C))


@pytest.mark.slow
def test_a_challenge_begins_and_ends(models: Verb, shop: Shop) -> None:
    """The champion can't challenge itself; ending what has not begun is told."""
    models("promote", A)
    assert "is the champion of all teams" in refused(models("challenge", A))
    assert "there is no CHALLENGER" in refused(models("challenge", "--none"))
    assert "name a version, or give --none" in refused(models("challenge"))
    assert "name a version, or give --none" in refused(models("challenge", B, "--none"))
    assert models("challenge", B, "--json").json["version"] == B
    (shop.folder / CHALLENGER).write_text("rubbish")
    assert models("challenge", "--none").status == 0
    assert shop.store.pointer(CHALLENGER) is None


@pytest.mark.slow
def test_only_signed_models_where_keys_are_set(models: Verb, shop: Shop, tmp_path: Path) -> None:
    """keys, sign, promote; an unsigned one is refused whatever the reason; a damaged one is not signed."""
    key = tmp_path / "key"
    assert models("keys", str(key), "--json").json == {"private": str(key), "public": f"{key}.pub"}
    keys = {"NOISEGATE_MODEL_KEYS": f"{key}.pub"}
    assert "is not signed" in refused(models("promote", A, "--force", "please", **keys))
    assert "is not signed" in refused(models("verify", A, **keys))
    assert models("sign", A, "--key", str(key)).status == 0
    assert models("promote", A, **keys).status == 0
    assert models("verify", **keys).status == 0
    assert [change.verb for change in shop.store.changes()] == ["sign", "promote"]
    other = tmp_path / "other"
    assert models("keys", str(other)).status == 0
    told = models("list", NOISEGATE_MODEL_KEYS=f"{other}.pub").out
    assert f"{A}: the signature is by none of the 1 keys" in told.replace("\n", " ")
    _lose(shop.folder / B)
    assert "does not match manifest.json" in refused(models("sign", B, "--key", str(key)))
    assert "no private key" in refused(models("sign", C, "--key", f"{key}.pub"))
    assert not shop.store.entries()[2].signed


@pytest.mark.slow
def test_verify_takes_a_version_a_folder_or_the_champion(models: Verb, shop: Shop) -> None:
    """Whatever is meant, it is checked as the scorer would; without a champion there is nothing to check."""
    assert "no CHAMPION; train a model" in refused(models("verify"))
    assert "no CHAMPION; train a model" in refused(models("verify", str(shop.folder)))
    assert models("verify", str(shop.folder / A), "--json").json["version"] == A
    assert models("verify", B, "--json").json["gate"]["result"] == "passed"
    models("promote", C)
    assert models("verify", "--json").json["version"] == C
    assert "golden rows" in models("verify", str(shop.folder)).out
    _lose(shop.folder / C)
    assert ONNX in refused(models("verify"))


def test_show_tells_what_was_done_with_a_version(models: Verb, shop: Shop) -> None:
    """Figures, gate, and the changes that name it."""
    models("promote", A)
    shown = models("show", A)
    assert "gate      passed" in shown.out
    assert f"promote {A}: CHAMPION nothing -> {A}" in shown.out
    assert len(models("show", A, "--json").json["changes"]) == 1
    assert models("show", B, "--json").json["changes"] == []


def test_diff_tells_what_differs(models: Verb, shop: Shop, trained: Path) -> None:
    """Only what differs, with both values; the priors that moved most come first."""

    def edit(content: dict[str, Any]) -> None:
        content["features"][0]["version"] = 2
        content["thresholds"]["likely_noise"] = 0.01
        content["training"]["params"]["num_leaves"] = 99
        rules = content["priors"]["tables"]["rule"]
        first, second = sorted(rules)[:2]
        rules[first], rules[second] = rules[first] / 2, rules[second] * 0.99

    shop.add(trained, "2026-02-01-aaaa", passed=False, edit=edit)
    found = models("diff", A, "2026-02-01-aaaa", "--json").json
    manifest = shop.store.manifest(A)
    assert found["features"] == [{"name": manifest.features[0].name, "before": 1, "after": 2}]
    likely_noise = manifest.thresholds.likely_noise
    assert found["thresholds"] == [{"name": "likely_noise", "before": likely_noise, "after": 0.01}]
    assert [row["after"] for row in found["params"]] == [99]
    assert found["metrics"] == [{"name": "gate", "before": "passed", "after": "failed"}]
    moves = [abs(row["after"] - row["before"]) for row in found["priors"]]
    assert len(moves) == 2
    assert moves[0] > moves[1]
    assert found["calibration"] == found["training"] == []
    assert "num_leaves" in models("diff", A, "2026-02-01-aaaa").out
    assert "nothing differs" in models("diff", A, B).out


def test_a_store_elsewhere_is_the_same_to_all_verbs(run: Run, shop: Shop, tmp_path: Path) -> None:
    """promote, rollback and diff over a URL; the copy that is checked lies in the cache."""
    elsewhere = Store("memory://verbs")
    for version in (A, B):
        folder = shop.folder / version
        names = shop.store.manifest(version).files
        elsewhere.publish(shop.store.manifest(version), {name: (folder / name).read_bytes() for name in names})
    env = {**shop.env, "NOISEGATE_MODEL_STORE": "memory://verbs"}
    assert run("models", "promote", A, env=env).status == 0
    assert run("models", "promote", B, "--force", "test", env=env).status == 0
    assert run("models", "rollback", env=env).status == 0
    assert elsewhere.pointer(CHAMPION) == Pointer(A)
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {A, B}


@pytest.mark.slow
def test_the_command_ends_with_status_1_by_itself(shop: Shop) -> None:
    """As a process: a store that nobody knows is one sentence, no traceback."""
    env = {**os.environ, **shop.env, "NOISEGATE_MODEL_STORE": "nosuch://x"}
    ran = subprocess.run(
        [sys.executable, "-m", "stream", "models", "rollback"], env=env, capture_output=True, text=True, timeout=180
    )
    assert ran.returncode == 1
    assert "model_store = 'nosuch://x' can't be opened" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


@pytest.mark.slow
def test_s3_is_reached_as_the_docs_say(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process: FSSPEC_S3_ENDPOINT_URL and AWS's variables are all that it takes to promote and to roll back."""
    with s3_server() as endpoint, monkeypatch.context() as patched:
        use_endpoint(endpoint, patched)
        bucket = Store(f"s3://{BUCKET}/noisegate")
        for version in (A, B):
            manifest = shop.store.manifest(version)
            names = manifest.files
            bucket.publish(manifest, {name: (shop.folder / version / name).read_bytes() for name in names})
        env = {**os.environ, **shop.env, "NOISEGATE_MODEL_STORE": bucket.url, "FSSPEC_S3_ENDPOINT_URL": endpoint}

        def models(*arguments: str) -> None:
            command = [sys.executable, "-m", "stream", "models", *arguments]
            ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180)
            assert ran.returncode == 0, ran.stderr

        models("promote", A)
        models("promote", B, "--force", "test")
        assert bucket.pointer(CHAMPION) == Pointer(B)
        models("rollback")
        assert bucket.pointer(CHAMPION) == Pointer(A)
        assert [change.verb for change in bucket.changes()] == ["promote", "promote", "rollback"]
