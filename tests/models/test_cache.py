"""Copies on this machine are held to the store's hashes, bounded, and one that served last outlives the store."""

import os
import shutil
from pathlib import Path

import pytest

from stream.core.errors import ModelError
from stream.models.artifact import MANIFEST, ONNX, SIGNATURE, load_artifact, verify
from stream.models.cache import KEPT, fetch, read_last_good, trim, write_last_good
from stream.models.pointers import CHAMPION
from stream.models.store import Store
from tests.models.storage import new_url


@pytest.fixture
def remote(trained: Path, tmp_path: Path) -> Store:
    """A store that is not of this machine, with the one version."""
    store = Store(new_url("memory", tmp_path))
    store.publish(verify(trained), {name: (trained / name).read_bytes() for name in verify(trained).files})
    return store


@pytest.mark.parametrize("name", [ONNX, MANIFEST])
def test_a_damaged_copy_is_fetched_anew(remote: Store, trained: Path, tmp_path: Path, name: str) -> None:
    """A copy is used again while it is what the store has, and not when a file of it has changed."""
    cache = tmp_path / "cache"
    copy = fetch(remote, trained.name, cache)
    made = copy.stat().st_ino
    assert fetch(remote, trained.name, cache).stat().st_ino == made
    content = bytearray((copy / name).read_bytes())
    content[50] ^= 1
    (copy / name).write_bytes(content)
    assert load_artifact(fetch(remote, trained.name, cache)).manifest == verify(trained)
    assert sorted(path.name for path in cache.iterdir()) == [trained.name]


def test_a_damaged_version_does_not_enter(remote: Store, trained: Path, tmp_path: Path) -> None:
    """What the store has is held to its hashes as well."""
    remote._storage.write(f"{trained.name}/{ONNX}", b"rubbish")
    with pytest.raises(ModelError, match=f"{ONNX} does not match manifest.json"):
        fetch(remote, trained.name, tmp_path)


def test_a_later_signature_comes_along(remote: Store, trained: Path, tmp_path: Path) -> None:
    """A version signed after it was copied is signed in the copy too."""
    copy = fetch(remote, trained.name, tmp_path)
    assert not (copy / SIGNATURE).exists()
    remote.sign(trained.name, b"signed")
    assert (fetch(remote, trained.name, tmp_path) / SIGNATURE).read_bytes() == b"signed"


def test_another_signature_replaces_the_first(remote: Store, trained: Path, tmp_path: Path) -> None:
    """When keys are changed and a version is signed anew, copies of it do not go on with the old signature."""
    remote.sign(trained.name, b"by the old key")
    fetch(remote, trained.name, tmp_path)
    remote.sign(trained.name, b"by the new key")
    assert (fetch(remote, trained.name, tmp_path) / SIGNATURE).read_bytes() == b"by the new key"


def test_a_last_good_copy_gets_a_later_signature(artifact: Path, tmp_path: Path) -> None:
    """A local store's version that is signed while it serves can be started with where keys are set later."""
    write_last_good(tmp_path, "prod", CHAMPION, artifact)
    (artifact / SIGNATURE).write_bytes(b"signed")
    write_last_good(tmp_path, "prod", CHAMPION, artifact)
    kept = read_last_good(tmp_path, "prod", CHAMPION)
    assert kept is not None
    assert (kept / SIGNATURE).read_bytes() == b"signed"


def test_the_last_good_one_outlives_the_store(store: Path, artifact: Path, tmp_path: Path) -> None:
    """Its copy is there when the store's version is damaged or gone, per deployment and pointer."""
    cache = tmp_path / "cache"
    assert read_last_good(cache, "prod", CHAMPION) is None
    write_last_good(cache, "prod", CHAMPION, artifact)
    shutil.rmtree(store)
    kept = read_last_good(cache, "prod", CHAMPION)
    assert kept is not None
    assert load_artifact(kept).manifest.version == kept.name == artifact.name
    assert read_last_good(cache, "test", CHAMPION) is None
    assert read_last_good(cache, "prod", "CHALLENGER") is None


def test_a_damaged_last_good_one_is_refused(artifact: Path, tmp_path: Path) -> None:
    """A copy that changed is an error and not none, a marker of rubbish is none; writing it again mends both."""
    cache = tmp_path / "cache"
    write_last_good(cache, "prod", CHAMPION, artifact)
    (cache / artifact.name / ONNX).write_bytes(b"")
    with pytest.raises(ModelError, match=ONNX):
        read_last_good(cache, "prod", CHAMPION)
    write_last_good(cache, "prod", CHAMPION, artifact)
    assert read_last_good(cache, "prod", CHAMPION) is not None
    (cache / "last_good" / "prod-CHAMPION.json").write_bytes(b'{"version": "../../etc", "sha256": ""}')
    assert read_last_good(cache, "prod", CHAMPION) is None
    write_last_good(cache, "prod", CHAMPION, artifact)
    assert read_last_good(cache, "prod", CHAMPION) == cache / artifact.name


def test_another_store_s_last_good_one_is_none(artifact: Path, tmp_path: Path) -> None:
    """What served from one store does not come back in the name of another; where the store was not noted, it does."""
    write_last_good(tmp_path, "prod", CHAMPION, artifact, "s3://models")
    assert read_last_good(tmp_path, "prod", CHAMPION, "s3://others") is None
    assert read_last_good(tmp_path, "prod", CHAMPION, "s3://models") == tmp_path / artifact.name
    write_last_good(tmp_path, "prod", CHAMPION, artifact)
    assert read_last_good(tmp_path, "prod", CHAMPION, "s3://others") == tmp_path / artifact.name


def test_what_is_not_sound_is_not_remembered(artifact: Path, tmp_path: Path) -> None:
    """A damaged version never becomes the last good one; a cache that can't be written is one sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="the last good model can't be kept"):
        write_last_good(tmp_path / "file", "prod", CHAMPION, artifact)
    (artifact / ONNX).write_bytes(b"")
    with pytest.raises(ModelError, match=ONNX):
        write_last_good(tmp_path / "cache", "prod", CHAMPION, artifact)
    assert read_last_good(tmp_path / "cache", "prod", CHAMPION) is None


def test_the_cache_is_bounded(artifact: Path, tmp_path: Path) -> None:
    """Only the versions touched last stay, besides what is used and what served last."""
    cache = tmp_path / "cache"
    write_last_good(cache, "prod", CHAMPION, artifact)
    for number in range(KEPT + 4):
        made = cache / f"2026-01-01-{number:04x}"
        made.mkdir()
        os.utime(made, (number, number))
    trim(cache, ["2026-01-01-0000"])
    left = {path.name for path in cache.iterdir()} - {"last_good"}
    newest = {f"2026-01-01-{number:04x}" for number in range(4, KEPT + 4)}
    assert left == {artifact.name, "2026-01-01-0000"} | newest
