"""A store is the same in a folder, in memory and on S3: versions are whole or not there, pointers old or new."""

import itertools
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream.core.errors import ModelError, StoreAway
from stream.core.limits import STORE_CALLS_STUCK
from stream.models import remote, storage
from stream.models.artifact import CARD, FILE_BYTES, ONNX, SIGNATURE, load_artifact, verify
from stream.models.changes import CHANGES, Change
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer, encode_pointer
from stream.models.storage import open_storage
from stream.models.store import Store, find, publish
from tests.models.storage import BUCKET, KINDS, Died, DyingStorage, Frozen, new_url, s3_server, use_endpoint
from tests.servers.kafka import ROOT
from tests.waits import until

TABLE = Pointer("2026-01-01-aaaa", {"web-*": "2026-01-02-bbbb", 'odd "name"': "2026-01-03-cccc"})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A local S3."""
    with s3_server() as url:
        yield url


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new store of each kind."""
    if request.param == "s3":
        use_endpoint(request.getfixturevalue("endpoint"), monkeypatch)
    return new_url(request.param, tmp_path)


def files_of(folder: Path) -> dict[str, bytes]:
    """The files that a manifest names."""
    return {name: (folder / name).read_bytes() for name in verify(folder).files}


def fill(url: str, trained: Path) -> str:
    """Publish the trained version."""
    return Store(url).publish(verify(trained), files_of(trained))


def change(verb: str, minute: int) -> Change:
    """A change of that minute."""
    return Change(at=datetime(2026, 1, 1, 0, minute, tzinfo=UTC), who="a@b", verb=verb, after=TABLE)  # type: ignore[arg-type]


@pytest.mark.slow
def test_an_empty_store_has_nothing(url: str, tmp_path: Path) -> None:
    """Nothing there is not an error; asking for a version is."""
    store = Store(url)
    assert (store.versions(), store.changes(), store.pointer(CHAMPION)) == ([], [], None)
    with pytest.raises(ModelError, match=r"2026-01-01-aaaa: there is no such version"):
        store.fetch("2026-01-01-aaaa", tmp_path / "into")
    store.point(CHAMPION, None)


@pytest.mark.slow
def test_what_is_published_is_fetched(url: str, trained: Path, tmp_path: Path) -> None:
    """A version comes back byte for byte and verifies; publishing it again changes nothing."""
    assert fill(url, trained) == fill(url, trained) == trained.name
    store = Store(url)
    [entry] = store.entries()
    assert (entry.version, entry.signed) == (trained.name, False)
    assert entry.size == sum(path.stat().st_size for path in trained.iterdir())
    folder = store.fetch(trained.name, tmp_path / "into")
    assert folder.name == load_artifact(folder).manifest.version == trained.name
    assert files_of(folder) == files_of(trained)
    assert store.manifest(trained.name) == verify(trained)
    with pytest.raises(ModelError, match="versions never change"):
        store.publish(verify(trained), {**files_of(trained), ONNX: b"other"})


@pytest.mark.slow
def test_a_signature_comes_along(url: str, trained: Path, tmp_path: Path) -> None:
    """It may be added later; a fetch brings it; a version that is not there can't be signed."""
    fill(url, trained)
    store = Store(url)
    assert store.signature(trained.name) is None
    store.sign(trained.name, b"signed\n")
    assert store.entries()[0].signed
    assert (store.fetch(trained.name, tmp_path / "into") / SIGNATURE).read_bytes() == b"signed\n"
    with pytest.raises(ModelError, match="no such version"):
        store.sign("2026-01-01-aaaa", b"x")


@pytest.mark.slow
@pytest.mark.parametrize("pointer", [Pointer("2026-01-01-aaaa"), TABLE])
def test_pointers_come_back(url: str, pointer: Pointer) -> None:
    """What was pointed at is what is read; None takes the pointer away; the other one is left alone."""
    store = Store(url)
    store.point(CHAMPION, pointer)
    store.point(CHALLENGER, Pointer("2026-02-02-dddd"))
    assert store.pointer(CHAMPION) == pointer
    store.point(CHALLENGER, None)
    assert store.pointer(CHALLENGER) is None
    assert store.pointer(CHAMPION) == pointer
    store.point(CHAMPION, Pointer("2026-03-03-eeee"))
    assert store.pointer_bytes(CHAMPION) == b"2026-03-03-eeee\n"


@pytest.mark.slow
def test_a_table_of_challengers_is_refused(url: str) -> None:
    """A challenger is one version for all teams: a table is neither written nor read."""
    store = Store(url)
    with pytest.raises(ModelError, match="CHALLENGER: a challenger is one"):
        store.point(CHALLENGER, TABLE)
    assert store.pointer_bytes(CHALLENGER) is None
    open_storage(url).write(CHALLENGER, encode_pointer(TABLE))
    with pytest.raises(ModelError, match="CHALLENGER: a challenger is one"):
        store.pointer(CHALLENGER)


@pytest.mark.slow
def test_changes_are_kept_in_order(url: str) -> None:
    """All of them come back, by time; a damaged file does not hide the others."""
    store = Store(url)
    noted = [change("promote", 2), change("rollback", 3), change("challenge", 1)]
    for one in noted:
        store.note(one)
    assert store.changes() == [noted[2], noted[0], noted[1]]
    open_storage(url).write(f"{CHANGES}/20260101T000230.000000Z-half.json", b'{"at": "2026')
    assert store.changes() == [noted[2], noted[0], noted[1]]


@pytest.mark.slow
def test_a_removed_version_is_gone(url: str, trained: Path) -> None:
    """All its files go; the rest stays."""
    fill(url, trained)
    store = Store(url)
    store.point(CHAMPION, Pointer(trained.name))
    store.remove(trained.name)
    assert store.versions() == []
    assert open_storage(url).walk().keys() == {CHAMPION}
    with pytest.raises(ModelError, match="no such version"):
        store.remove(trained.name)


@pytest.mark.slow
def test_a_half_written_version_is_never_visible(url: str, trained: Path, tmp_path: Path) -> None:
    """The writer is killed before each of its changes in turn: the version is whole or not there, then written."""
    manifest, files = verify(trained), files_of(trained)
    lived = False
    for last in itertools.count():
        backend = open_storage(f"{url}-{last}")
        try:
            publish(DyingStorage(backend, last), manifest, files)
            lived = True
        except Died:
            assert last < 20
        store = Store(f"{url}-{last}")
        seen = store.versions()
        if seen:
            assert load_artifact(store.fetch(seen[0], tmp_path / f"{last}")).manifest.version == trained.name
        else:
            with pytest.raises(ModelError, match="no such version"):
                store.manifest(trained.name)
        done = len(files) + 1 + (store.folder is not None)  # the manifest is the last file; a folder is renamed
        assert bool(seen) == (last >= done)
        assert store.publish(manifest, files) == trained.name
        assert store.versions() == [trained.name]
        if lived:
            break
    assert last == len(files) + 2


@pytest.mark.slow
def test_a_pointer_is_old_or_new(url: str) -> None:
    """A writer killed at the pointer leaves the old one."""
    store = Store(url)
    store.point(CHAMPION, TABLE)
    store._storage = DyingStorage(open_storage(url), 0)
    with pytest.raises(Died):
        store.point(CHAMPION, Pointer("2026-03-03-eeee"))
    assert Store(url).pointer(CHAMPION) == TABLE


@pytest.mark.slow
def test_too_large_is_refused_by_size(url: str, trained: Path, tmp_path: Path) -> None:
    """Two GiB are never asked for: neither of a file nor of a pointer."""

    class Huge(DyingStorage):
        def size(self, path: str) -> int | None:
            return 2 << 30 if path.endswith(ONNX) else super().size(path)

        def read(self, path: str, limit: int) -> bytes | None:
            assert not path.endswith(ONNX)
            return super().read(path, limit)

    fill(url, trained)
    store = Store(url)
    if store.folder is None:
        store._storage = Huge(open_storage(url), 0)
        with pytest.raises(ModelError, match=f"{ONNX} has 2147483648 bytes, at most {FILE_BYTES[ONNX]} are taken"):
            store.fetch(trained.name, tmp_path / "into")
        assert not list((tmp_path / "into").glob("*"))
    else:
        with (store.folder / trained.name / ONNX).open("r+b") as file:
            file.truncate(2 << 30)  # sparse
        with pytest.raises(ModelError, match=f"{ONNX} has 2147483648 bytes"):
            load_artifact(store.fetch(trained.name, tmp_path / "into"))
    open_storage(url).write(CHAMPION, b"x" * 70_000)
    with pytest.raises(ModelError, match=r"CHAMPION: has 70000 bytes"):
        store.pointer(CHAMPION)


@pytest.mark.slow
def test_a_file_that_went_missing_is_told(url: str, trained: Path, tmp_path: Path) -> None:
    """A version that lost a file is refused by the file's name, and nothing stays behind."""
    fill(url, trained)
    open_storage(url).remove(f"{trained.name}/{CARD}")
    with pytest.raises(ModelError, match=f"{trained.name}: {CARD} is missing"):
        load_artifact(Store(url).fetch(trained.name, tmp_path / "into"))
    assert not list(tmp_path.glob("into/*"))


@pytest.mark.slow
@pytest.mark.parametrize("version", ["../elsewhere", "", "2026-01-01", "2026-01-01-aaaa\n", "CHAMPION"])
def test_only_versions_are_followed(url: str, version: str, tmp_path: Path) -> None:
    """No name leads out of the store."""
    store = Store(url)
    for call in (store.manifest_bytes, store.remove, lambda name: store.fetch(name, tmp_path)):
        with pytest.raises(ModelError, match="is not the name of a version"):
            call(version)


@pytest.mark.slow
def test_a_store_that_is_away_says_so(monkeypatch: pytest.MonkeyPatch, trained: Path) -> None:
    """No server there: one sentence, whatever is asked."""
    use_endpoint("http://127.0.0.1:1", monkeypatch)
    with pytest.raises(StoreAway, match=r"^s3://models/away: the model store can't be reached: ") as caught:
        Store("s3://models/away").pointer(CHAMPION)
    assert "\n" not in str(caught.value)


class Failing:
    """A filesystem of which every use fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> object:
        raise self.error


@pytest.mark.parametrize("error", [ConnectionError("no route"), TimeoutError(), RuntimeError("two\nlines")])
def test_every_failure_is_one_sentence(error: Exception, tmp_path: Path) -> None:
    """Whatever a library raises, whatever is asked, the store is away; where access is refused it is not away."""

    backend = remote.RemoteStorage("x://y", Failing(error), "y")
    asked = (backend.walk, lambda: backend.read("a", 1), lambda: backend.write("a", b""), lambda: backend.remove("a"))
    for call in asked:
        with pytest.raises(StoreAway, match=r"^x://y: the model store can't be reached: .+") as caught:
            call()
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="refuses access") as refused:
        remote.RemoteStorage("x://y", Failing(PermissionError("denied")), "y").walk()
    assert not isinstance(refused.value, StoreAway)


class Hanging:
    """A filesystem whose calls give no answer until `let_go` is set."""

    def __init__(self, let_go: threading.Event) -> None:
        self._let_go = let_go

    def info(self, path: str) -> dict[str, object]:
        """Nothing is there, once it answers."""
        self._let_go.wait(60)
        raise FileNotFoundError(path)


def test_a_store_s_password_is_in_no_message() -> None:
    """A URL may hold a name and a password; what a person reads has neither."""
    with pytest.raises(StoreAway) as away:
        remote.RemoteStorage("ftp://me:pa55@host/models", Failing(OSError("no")), "models").walk()
    assert str(away.value).startswith("ftp://***@host/models: ")
    with pytest.raises(ModelError) as unknown:
        open_storage("nonsense://me:pa55@host/models")
    assert "pa55" not in str(unknown.value)


def test_a_store_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever hangs is waited for once and not long; the next call does not, and goes on when it answers."""
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 0.05)
    let_go = threading.Event()
    backend = remote.RemoteStorage("x://y", Hanging(let_go), "y")
    with pytest.raises(StoreAway, match="gave no answer in"):
        backend.size("CHAMPION")
    with pytest.raises(StoreAway, match="still gives no answer"):
        backend.size("CHAMPION")
    let_go.set()
    for thread in threading.enumerate():
        if thread.name == "model-store":
            thread.join(60)
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 60.0)
    assert backend.size("CHAMPION") is None


def test_a_request_that_hangs_for_good_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause the store is asked through a fresh filesystem, and is there again without a restart."""
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 0.05)
    let_go, now, answers = threading.Event(), [0.0], threading.Event()
    answers.set()
    backend = remote.RemoteStorage("x://y", Hanging(let_go), "y", lambda: Hanging(answers), lambda: now[0])
    with pytest.raises(StoreAway, match="gave no answer in"):
        backend.size("CHAMPION")
    now[0] = remote.AGAIN_SECONDS - 1.0
    with pytest.raises(StoreAway, match="still gives no answer"):
        backend.size("CHAMPION")
    now[0] = remote.AGAIN_SECONDS
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 60.0)
    assert backend.size("CHAMPION") is None
    assert backend.size("CHALLENGER") is None
    let_go.set()


def test_requests_that_hang_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a store hangs, no more than the named number of threads wait; when one ends it is tried again."""
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 0.01)
    gates: list[threading.Event] = []
    now, thawed = [0.0], threading.Event()

    def hanging() -> Hanging:
        gates.append(thawed if thawed.is_set() else threading.Event())
        return Hanging(gates[-1])

    def waiting() -> int:
        return sum(thread.is_alive() for thread in backend._stuck)  # other tests leave such threads, too

    backend = remote.RemoteStorage("x://y", hanging(), "y", hanging, lambda: now[0])
    told = []
    for _ in range(2 * STORE_CALLS_STUCK):
        with pytest.raises(StoreAway) as caught:
            backend.size("CHAMPION")
        told.append(str(caught.value))
        now[0] += remote.AGAIN_MOST_SECONDS
        assert waiting() <= STORE_CALLS_STUCK
    assert sum("gave no answer" in text for text in told) == STORE_CALLS_STUCK
    assert "restart this process" in told[-1]
    gates[0].set()
    until(lambda: waiting() < STORE_CALLS_STUCK, 60)
    thawed.set()
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 60.0)
    assert backend.size("CHAMPION") is None
    for gate in gates:
        gate.set()


@pytest.mark.slow
def test_a_frozen_s3_is_there_again_by_itself(endpoint: str, monkeypatch: pytest.MonkeyPatch, trained: Path) -> None:
    """Requests that were lost on the way hang for good; the store is read over new connections soon after the thaw."""
    way = Frozen(endpoint)
    use_endpoint(way.url, monkeypatch)
    try:
        store = Store(f"s3://{BUCKET}/frozen")
        store.publish(verify(trained), files_of(trained))
        store.point(CHAMPION, TABLE)
        monkeypatch.setattr(remote, "ANSWER_SECONDS", 3.0)
        monkeypatch.setattr(remote, "AGAIN_SECONDS", 0.5)
        way.frozen = True
        for _ in range(2):
            with pytest.raises(StoreAway):
                store.pointer(CHAMPION)
        way.frozen = False

        def is_back() -> bool:
            try:
                return store.pointer(CHAMPION) == TABLE
            except StoreAway:
                return False

        until(is_back, 60)
        monkeypatch.setattr(remote, "ANSWER_SECONDS", 60.0)
        assert store.versions() == [trained.name]
    finally:
        way.close()


def test_a_change_that_can_t_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """What was removed meanwhile is; where reading fails the store is away: a rollback must not miss a change."""

    class Half:
        def cat_ranges(self, paths: list[str], *_: object, **__: object) -> list[object]:
            return [b"{}", FileNotFoundError(paths[1]), TimeoutError("slow")][: len(paths)]

    backend = remote.RemoteStorage("x://y", Half(), "y")
    assert backend.read_many(["a", "b"], 10) == [b"{}"]
    with pytest.raises(StoreAway, match="can't be reached: slow"):
        backend.read_many(["a", "b", "c"], 10)
    (tmp_path / "a").write_bytes(b"{}")
    (tmp_path / "c").mkdir()
    local = storage.LocalStorage(tmp_path)
    assert local.read_many(["a", "b"], 10) == [b"{}"]
    with pytest.raises(StoreAway, match="c can't be read"):
        local.read_many(["a", "b", "c"], 10)


def test_what_is_no_store_is_told() -> None:
    """An URL nobody knows is one sentence that names the setting."""
    with pytest.raises(ModelError, match=r"model_store = 'nosuch://x' can't be opened: "):
        Store("nosuch://x")


def test_a_folder_that_can_t_be_used_is_told(tmp_path: Path) -> None:
    """A file where the folder should be, or in a version's place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="can't be read or written"):
        Store(str(tmp_path / "file")).point(CHAMPION, TABLE)
    with pytest.raises(ModelError, match=r"has no home folder; name a folder or an URL in NOISEGATE_MODEL_STORE"):
        Store("~nobody-here/models")


def test_a_file_url_is_a_folder(tmp_path: Path, trained: Path) -> None:
    """file:// is local: nothing is copied."""
    fill(str(tmp_path), trained)
    assert Store(f"file://{tmp_path}").fetch(trained.name, tmp_path / "into") == tmp_path / trained.name


def test_find_takes_a_version_a_champion_or_the_newest(store: Path, artifact: Path) -> None:
    """What a person may call the model's folder."""
    assert find(artifact) == artifact
    assert find(store) == artifact
    shutil.copytree(artifact, store / "2027-01-01-aaaa")
    assert find(store).name == "2027-01-01-aaaa"
    Store(str(store)).point(CHAMPION, Pointer(artifact.name))
    assert find(store) == artifact
    with pytest.raises(ModelError, match="holds no model"):
        find(store.parent / "nowhere")


def test_the_shipped_store_is_one() -> None:
    """What ships is read by the same code, and its champion is there."""
    store = Store(str(ROOT / "model_artifacts"))
    pointer = store.pointer(CHAMPION)
    assert pointer is not None
    assert pointer.default in store.versions()


def test_a_pointer_that_grows_between_two_requests_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is asked for first; a table of teams that is written before it is read is not cut to the old size."""
    store = Store(new_url("memory", tmp_path))
    store.point(CHAMPION, Pointer("2026-01-01-aaaa"))
    longer = Pointer("2026-01-01-aaaa", {"payments": "2026-01-02-bbbb"})
    asked = store._storage.size

    def size(path: str) -> int | None:
        found = asked(path)
        store.point(CHAMPION, longer)
        return found

    monkeypatch.setattr(store._storage, "size", size)
    assert store.pointer(CHAMPION) == longer
