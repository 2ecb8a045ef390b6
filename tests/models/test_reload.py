"""What serves follows both pointers; what is bad is refused, what serves stays, and nothing of the old is kept."""

import gc
import itertools
import logging
import os
import shutil
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from msgspec.structs import replace
from onnx import TensorProto, helper

from stream.core.errors import StoreAway
from stream.core.events import Raised, moment
from stream.core.frame import Decayed
from stream.core.limits import CHAMPIONS
from stream.models import artifact as artifacts
from stream.models import model as model_module
from stream.models.active import ActiveModels, Challenger
from stream.models.artifact import MANIFEST, ONNX, golden_matrix, load_artifact
from stream.models.cache import KEPT, fetch
from stream.models.graph import Graph
from stream.models.model import Model, load_model
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.reload import LONGEST_PAUSE_SECONDS, Loaded, Loader, Reloader
from stream.models.signing import make_keys, sign
from stream.models.store import Store
from tests.lab.logs import small_problem
from tests.lab.model_cache import small_model
from tests.models.damage import constant_graph, edit_manifest, graph, mean_graph, put_onnx

POLL = 5.0


def put_prior(folder: Path, key: str) -> None:
    """Let the manifest hold rates of another key."""
    edit_manifest(folder, lambda content: content["priors"]["tables"].update({key: {"a": 0.5}}))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another version for the same problem."""
    return small_model(tmp_path_factory.mktemp("other"), seed=2, judged=False)


class Away(Store):
    """A store whose network can be cut."""

    away = False

    def pointer_bytes(self, name: str) -> bytes | None:
        """As the store, while it is there."""
        if self.away:
            raise StoreAway(f"{self.url}: the model store can't be reached: the cable is out")
        return super().pointer_bytes(name)


class Desk:
    """A reloader of a local store, at a clock of its own."""

    def __init__(self, folder: Path, cache: Path, problem: str = "1", keys: Path | None = None) -> None:
        self.folder = folder
        self.store = Away(str(folder))
        self.now = 0.0
        self._loader = Loader(self.store, small_problem(horizon_hours=problem), cache, "test", keys)
        self.start()

    def start(self) -> None:
        """Start the worker anew."""
        self.reloader = Reloader(self._loader, POLL, 1.0, lambda: self.now)

    def point(self, content: str | bytes | None, name: str = CHAMPION) -> None:
        """Write a pointer's bytes without looking at them, or take it away."""
        path = self.folder / name
        if content is None:
            path.unlink()
            return
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def poll(self, seconds: float = POLL, anew: bool = False) -> Reloader:
        """Poll after some time."""
        self.now += seconds
        self.reloader.poll(anew)
        return self.reloader

    @property
    def serving(self) -> list[str]:
        """The champions' versions."""
        return [model.version for model in self.reloader.active.champions]


@pytest.fixture
def desk(store: Path, other: Path, tmp_path: Path) -> Desk:
    """Two versions, and no pointer yet."""
    shutil.copytree(other, store / other.name)
    return Desk(store, tmp_path / "cache")


def test_no_pointer_is_no_model_and_no_fault(desk: Desk) -> None:
    """Starting without a model is a supported mode; before the first look nobody claims that there is none."""
    assert desk.reloader.active.reason == "model_failed"
    reloader = desk.poll()
    assert reloader.active == ActiveModels((), None, None, "no_model")
    assert (reloader.faults, reloader.swaps, reloader.refusals, reloader.store_up) == ([], 0, 0, True)


@pytest.mark.slow
def test_the_pointer_is_followed(desk: Desk, artifact: Path, other: Path) -> None:
    """A new version is loaded when it is promoted, and only then; the same again is not."""
    for version in (artifact.name, other.name, artifact.name):
        desk.point(version)
        desk.poll()
        served = desk.poll().active
        assert [model.version for model in served.champions] == [version]
    assert (desk.reloader.faults, desk.reloader.swaps, desk.reloader.refusals) == ([], 3, 0)
    desk.point(f"{artifact.name}\n")
    assert desk.poll().active.champions == served.champions


def test_teams_have_their_champions(desk: Desk, artifact: Path, other: Path) -> None:
    """A table in the pointer serves several versions, each loaded once, the default first."""
    desk.point(f'"pay*" = "{other.name}"\n"payday" = "{artifact.name}"\ndefault = "{artifact.name}"\n')
    served = desk.poll().active
    assert desk.serving == [artifact.name, other.name]
    teams = {"payments": other.name, "payday": artifact.name, "web": artifact.name}
    for team, version in teams.items():
        model = served.champion_of(team)
        assert model is not None
        assert model.version == version
    default = served.champions[0]
    desk.point(artifact.name)
    assert desk.poll().active.champions == (default,)
    assert set(desk.reloader.loaded) == {artifact.name}


def test_a_challenger_is_served_beside_and_promoted_without_loading_it_again(
    desk: Desk, artifact: Path, other: Path
) -> None:
    """Named, it scores in shadow; promoted, the very model serves; named and promoted at once it is no rival."""
    desk.point(artifact.name)
    desk.point(other.name, CHALLENGER)
    challenger = desk.poll().active.challenger
    assert challenger is not None
    model = challenger.model
    assert (desk.serving, model.version) == ([artifact.name], other.name)
    desk.point(other.name)
    served = desk.poll().active
    assert served.champions == (model,)
    assert served.challenger is None
    desk.point(artifact.name)
    back = desk.poll().active.challenger
    assert back is challenger
    desk.point(None, CHALLENGER)
    assert desk.poll().active.challenger is None
    assert set(desk.reloader.loaded) == {artifact.name}


def test_a_dropped_challenger_comes_back_when_it_is_named_anew_or_at_a_signal(
    desk: Desk, artifact: Path, other: Path
) -> None:
    """Polls alone don't bring it back; another pointer or SIGHUP does."""
    desk.point(artifact.name)
    desk.point(other.name, CHALLENGER)
    desk.poll()

    def dropped() -> Challenger:
        challenger = desk.reloader.active.challenger
        assert challenger is not None
        return challenger

    dropped().dropped = "failed"
    desk.poll()
    assert dropped().dropped == "failed"
    desk.poll(anew=True)
    assert dropped().dropped is None
    dropped().dropped = "slow"
    desk.point(f"{other.name}\n", CHALLENGER)
    desk.poll()
    assert dropped().dropped is None


def nan_graph(width: int) -> bytes:
    """A graph that says NaN of everything."""
    return constant_graph(width, float("nan"))


def endless_graph(width: int) -> bytes:
    """A graph that counts for ever before it answers."""
    inside = helper.make_graph(
        [
            helper.make_node("Identity", ["go_in"], ["go_out"]),
            helper.make_node("Identity", ["sum_in"], ["sum_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_in", TensorProto.FLOAT, ["N"]),
        ],
        [
            helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_out", TensorProto.FLOAT, ["N"]),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Loop", ["", "go", "mean"], ["y"], body=inside),
    ]
    go = helper.make_tensor("go", TensorProto.BOOL, [], [True])
    return graph(nodes, [("x", TensorProto.FLOAT, ["N", width])], [("y", TensorProto.FLOAT, ["N"])], go)


def two_inputs(width: int) -> bytes:
    """A graph that wants something else beside the features."""
    nodes = [
        helper.make_node("Add", ["x", "more"], ["both"]),
        helper.make_node("ReduceMean", ["both"], ["y"], axes=[1]),
    ]
    inputs = [("x", TensorProto.FLOAT, ["N", width]), ("more", TensorProto.FLOAT, ["N", width])]
    return graph(nodes, inputs, [("y", TensorProto.FLOAT, ["N"])])


BAD: dict[str, tuple[Callable[[Path, int], object], str]] = {
    "truncated": (lambda folder, width: (folder / ONNX).write_bytes((folder / ONNX).read_bytes()[:1000]), "sha256"),
    "truncated, hash fits": (lambda folder, width: put_onnx(folder, (folder / ONNX).read_bytes()[:1000]), "loaded"),
    "wrong hash": (lambda folder, width: (folder / ONNX).write_bytes(mean_graph(width)), "sha256 differs"),
    "extra input": (lambda folder, width: put_onnx(folder, two_inputs(width)), "must take one float32"),
    "wrong shape": (lambda folder, width: put_onnx(folder, mean_graph(width + 1)), "must take one float32"),
    "wrong output": (lambda folder, width: put_onnx(folder, mean_graph(width, keep=1)), "must give one float32"),
    "NaN": (lambda folder, width: put_onnx(folder, nan_graph(width)), "not a probability"),
    "another answer": (lambda folder, width: put_onnx(folder, constant_graph(width, 0.25)), "golden"),
    "no manifest": (lambda folder, width: (folder / MANIFEST).unlink(), "no such version"),
    "a prior of nothing": (lambda folder, width: put_prior(folder, "labels"), "no alert has a value"),
    "too large": (lambda folder, width: os.truncate(folder / ONNX, 2 << 30), "2147483648 bytes"),
}


@pytest.mark.expects_errors
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("name", [CHAMPION, CHALLENGER])
def test_a_bad_version_is_refused_and_what_serves_stays(
    desk: Desk, artifact: Path, other: Path, kind: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One sentence, counted once; the running models go on, as champion and as challenger."""
    desk.point(artifact.name)
    before = desk.poll().active
    damage, told = BAD[kind]
    damage(desk.folder / other.name, len(load_model(other, small_problem()).manifest.features))
    desk.point(other.name, name)
    for _ in range(3):
        assert desk.poll().active is before
    (fault,) = desk.reloader.faults
    assert told in fault
    assert "\n" not in fault
    assert desk.reloader.refusals == 1
    assert sum(fault in record.getMessage() for record in caplog.records) == 1
    shutil.rmtree(desk.folder / other.name)
    shutil.copytree(other, desk.folder / other.name)
    assert desk.poll(LONGEST_PAUSE_SECONDS).faults == []  # mended, and tried again without a new pointer


@pytest.mark.expects_errors
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not the name of a version"),
        (b"2026-03-0", "not the name of a version"),
        (b"\xff\xfe\x00", "not the name of a version"),
        (b"2026-01-01-abcd", "no such version"),
        (b'"pay" = "2026-01-01-abcd"\n', "lacks the line default"),
        (b'"pay" = "2026-01-', "neither a version nor a table"),
        (b"=" * 200_000, "bytes, at most"),
    ],
)
def test_a_bad_pointer_is_a_fault_and_what_serves_stays(desk: Desk, artifact: Path, content: bytes, told: str) -> None:
    """Half written, rubbish, too long, naming nothing: told in one sentence until it is mended."""
    desk.point(artifact.name)
    before = desk.poll().active
    desk.point(content)
    assert desk.poll().active is before
    assert told in desk.reloader.faults[0]
    desk.point(artifact.name)
    reloader = desk.poll()
    assert (reloader.active.champions, reloader.faults, reloader.refusals) == (before.champions, [], 1)


@pytest.mark.expects_errors
def test_tables_are_taken_whole_or_not_at_all(desk: Desk, artifact: Path, other: Path) -> None:
    """One bad version among several, too many of them, or a challenger for one team: the old table stays."""
    desk.point(artifact.name)
    before = desk.poll().active
    desk.point(f'"pay" = "2026-01-01-abcd"\ndefault = "{other.name}"\n')
    assert desk.poll().active is before
    many = "".join(f'"t{number}" = "2026-01-01-{number:04x}"\n' for number in range(CHAMPIONS))
    desk.point(f'{many}default = "{artifact.name}"\n')
    assert f"names {CHAMPIONS + 1} versions, at most {CHAMPIONS}" in desk.poll().faults[0]
    desk.point(f'"pay" = "{other.name}"\ndefault = "{other.name}"\n', CHALLENGER)
    assert "one for all teams" in desk.poll().faults[1]
    assert desk.reloader.active is before


@pytest.mark.expects_errors
def test_a_refused_version_is_tried_again_with_growing_pauses(
    desk: Desk, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5, 10, 20 seconds and so on to five minutes; at once at a signal or for another pointer."""
    tried: list[float] = []
    load = Loader.load

    def counted(self: Loader, version: str) -> Loaded:
        tried.append(desk.now)
        return load(self, version)

    monkeypatch.setattr(Loader, "load", counted)
    desk.point("2026-01-01-abcd")
    for _ in range(400):
        desk.poll(5.0)
    pauses = [after - before for before, after in itertools.pairwise(tried)]
    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0, 300.0, 300.0]
    count = len(tried)
    desk.poll(1.0)
    desk.poll(1.0, anew=True)
    assert len(tried) == count + 1
    desk.point("2026-01-01-abce")
    desk.poll(1.0)
    assert len(tried) == count + 2
    assert desk.reloader.refusals == 2  # another pointer, another fault; the signal told nothing new
    desk.point(artifact.name)
    assert desk.poll(1.0).faults == []


@pytest.mark.expects_errors
def test_a_pointer_that_is_gone_leaves_what_serves(desk: Desk, artifact: Path) -> None:
    """Taking CHAMPION away stops nothing."""
    desk.point(artifact.name)
    before = desk.poll().active
    desk.point(None)
    assert desk.poll().active is before
    gone = f"{desk.folder}/CHAMPION: is gone, and the running model stays; run `noisegate models rollback`"
    assert desk.reloader.faults == [gone]


def test_a_store_that_hiccups_while_there_is_no_model_changes_no_reason(desk: Desk, artifact: Path) -> None:
    """That there is no model stays known through a failed poll, though a copy that served once lies on this machine."""
    desk.point(artifact.name)
    desk.poll()
    desk.point(None)
    desk.start()
    assert desk.poll().active.reason == "no_model"
    desk.store.away = True
    assert desk.poll().active == ActiveModels((), None, None, "no_model")
    desk.store.away = False
    assert desk.poll().active == ActiveModels((), None, None, "no_model")


def test_a_start_without_the_store_ends_in_no_model_when_it_answers(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """While nobody knows whether there is a model the reason is that it failed; once known, that there is none."""
    desk.store.away = True
    assert desk.poll().active.reason == "model_failed"
    desk.store.away = False
    assert desk.poll().active.reason == "no_model"
    assert caplog.messages[-2] == (
        f"{desk.folder}: no CHAMPION; train a model (`noisegate lab train`) and `noisegate models promote` it; until "
        "then alerts are unscored"
    )


@pytest.mark.expects_errors
def test_a_named_model_that_can_t_be_had_is_not_no_model(
    desk: Desk, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pointer whose version can't be fetched while the store is away makes alerts model_failed, until it can."""
    assert desk.poll().active.reason == "no_model"

    def away(version: str, into: Path) -> Path:
        raise StoreAway(f"{desk.folder}: the cable is out")

    with monkeypatch.context() as cut:
        cut.setattr(desk.store, "fetch", away)
        desk.point(artifact.name)
        assert desk.poll().active.reason == "model_failed"
        assert not desk.reloader.store_up
    desk.poll()
    assert desk.serving == [artifact.name]


@pytest.mark.expects_errors
def test_a_broken_pointer_after_another_is_told_as_such_again(desk: Desk, other: Path) -> None:
    """Broken, gone and broken again: each time the reason is what is the case now."""
    (desk.folder / other.name / ONNX).write_bytes(b"")
    for _ in range(2):
        desk.point(other.name)
        assert desk.poll().active.reason == "model_failed"
        desk.point(None)
        assert desk.poll().active.reason == "no_model"


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_folder_that_went_away_is_a_store_that_is_away(desk: Desk, artifact: Path, other: Path, left: str) -> None:
    """Gone or not mounted, while serving or at the start: what served goes on, the store is not up, it comes back."""
    desk.point(artifact.name)
    desk.point(other.name, CHALLENGER)
    before = desk.poll().active
    aside = desk.folder.with_name("aside")
    desk.folder.rename(aside)
    if left != "nothing":
        desk.folder.mkdir()
    assert desk.poll().active is before
    assert (desk.reloader.faults, desk.reloader.store_up) == ([], False)
    desk.start()
    assert not desk.poll().store_up
    assert desk.serving == [artifact.name]
    if left != "nothing":
        desk.folder.rmdir()
    aside.rename(desk.folder)
    assert desk.poll().store_up
    challenger = desk.reloader.active.challenger
    assert challenger is not None
    assert challenger.model.version == other.name


def test_a_folder_that_never_was_is_an_empty_store(
    tmp_path: Path, artifact: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no model of that store has served, one that is not there is how everyone starts; the log says it once."""
    elsewhere = Desk(tmp_path / "store", tmp_path / "cache")
    elsewhere.point(artifact.name)
    elsewhere.poll()
    new = Desk(tmp_path / "new", tmp_path / "cache")
    for _ in range(3):
        reloader = new.poll()
        assert (reloader.active, reloader.store_up) == (ActiveModels((), None, None, "no_model"), True)
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text.split(";")[0] for text in told] == [f"{tmp_path / 'new'}: there is no such folder, so no model"]


def test_a_user_without_a_home_is_served(
    desk: Desk, artifact: Path, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the cache can't be anywhere a local store serves all the same, and the log says what that costs."""
    homeless = Desk(store, Path("~nobody-here/cache"))
    assert homeless.poll().active.reason == "no_model"
    homeless.point(artifact.name)
    homeless.poll()
    assert homeless.serving == [artifact.name]
    assert "name a folder in NOISEGATE_MODEL_CACHE; without it, a worker" in caplog.messages[-1]


@pytest.mark.expects_errors
def test_a_last_good_copy_that_is_damaged_says_so(
    desk: Desk, artifact: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not taken for none: the log says why it does not serve."""
    desk.point(artifact.name)
    desk.poll()
    (tmp_path / "cache" / artifact.name / ONNX).write_bytes(b"")
    desk.start()
    desk.store.away = True
    assert desk.poll().active.reason == "model_failed"
    assert any("the last good model can't be served either" in record.getMessage() for record in caplog.records)


@pytest.mark.slow
def test_copies_of_all_that_a_pointer_names_stay(trained: Path, tmp_path: Path) -> None:
    """Sixteen champions and a challenger of a store elsewhere all have their copies, whatever else is fetched."""
    store, manifest = Store(f"memory://{tmp_path.name}"), load_artifact(trained).manifest
    files = {name: (trained / name).read_bytes() for name in manifest.files}
    names = [f"2026-01-01-{number:04x}" for number in range(CHAMPIONS + 1 + KEPT + 4)]
    for name in names:
        store.publish(replace(manifest, version=name), files)
    champions, rival, others = names[:CHAMPIONS], names[CHAMPIONS], names[CHAMPIONS + 1 :]
    store.point(CHAMPION, Pointer(champions[0], {f"team-{name}": name for name in champions[1:]}))
    store.point(CHALLENGER, Pointer(rival))
    reloader = Reloader(Loader(store, small_problem(), tmp_path, "test"), POLL, 1.0)
    reloader.poll()
    assert len(reloader.active.champions) == CHAMPIONS
    for name in others:  # as `models promote` of another deployment does
        fetch(store, name, tmp_path)
    there = {path.name for path in tmp_path.iterdir()}
    assert {*champions, rival} <= there
    store.point(CHAMPION, Pointer(champions[0]))
    reloader.poll()
    fetch(store, others[0], tmp_path)
    assert len([path for path in tmp_path.iterdir() if path.name in names]) <= 3 + KEPT


def test_a_store_away_for_an_hour_changes_nothing(
    desk: Desk, artifact: Path, other: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What serves goes on; the log says once that it is away and once that it is back, and then all is followed."""
    desk.point(artifact.name)
    before = desk.poll().active
    desk.store.away = True
    for _ in range(720):
        reloader = desk.poll()
        assert reloader.active is before
        assert not reloader.store_up
    desk.store.away = False
    desk.point(other.name)
    assert desk.poll().store_up
    assert desk.serving == [other.name]
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == [
        f"{desk.folder}: the model store can't be reached: the cable is out; loaded models keep serving",
        f"{desk.folder}: the model store answers again",
    ]
    assert desk.reloader.refusals == 0


@pytest.mark.expects_errors
def test_a_start_without_the_store_or_with_a_broken_champion_serves_the_last_good_copy(
    desk: Desk, artifact: Path, other: Path
) -> None:
    """The copy on this machine serves, though the store is away or emptied; without one, alerts are model_failed."""
    desk.store.away = True
    assert desk.poll().active == ActiveModels((), None, None, "model_failed")
    desk.store.away = False
    desk.point(artifact.name)
    desk.poll()
    desk.start()
    desk.store.away = True
    assert desk.poll().active.pointer == Pointer(artifact.name)
    assert desk.serving == [artifact.name]
    desk.store.away = False
    (desk.folder / other.name / ONNX).write_bytes(b"")
    shutil.rmtree(artifact)
    desk.point(other.name)
    desk.start()
    desk.poll()
    assert desk.serving == [artifact.name]
    assert other.name in desk.reloader.faults[0]
    shutil.copy(other / ONNX, desk.folder / other.name / ONNX)
    desk.poll()
    assert desk.serving == [other.name]


@pytest.mark.expects_errors
def test_a_first_start_with_a_broken_champion_is_told_as_such(desk: Desk, other: Path) -> None:
    """Nothing to serve, and the reason is that the model failed, not that there is none."""
    (desk.folder / other.name / ONNX).write_bytes(b"")
    desk.point(other.name)
    assert desk.poll().active == ActiveModels((), None, None, "model_failed")
    desk.point(None)
    assert desk.poll().active.reason == "no_model"


@pytest.mark.expects_errors
def test_another_problem_s_model_is_refused(desk: Desk, artifact: Path, tmp_path: Path) -> None:
    """It says for which problem it was made."""
    desk.point(artifact.name)
    elsewhere = Desk(desk.folder, tmp_path / "cache", problem="2")
    assert elsewhere.poll().active.reason == "model_failed"
    assert "was made for the problem" in elsewhere.reloader.faults[0]


@pytest.mark.expects_errors
def test_with_keys_only_signed_versions_are_served(desk: Desk, artifact: Path, tmp_path: Path) -> None:
    """Unsigned, or signed by a stranger: refused. Signed by one of the keys: served."""
    keys = make_keys(tmp_path / "ours")
    make_keys(tmp_path / "theirs")
    guarded = Desk(desk.folder, tmp_path / "cache2", keys=keys)
    guarded.point(artifact.name)
    guarded.poll()
    assert "is not signed" in guarded.reloader.faults[0]
    manifest = guarded.store.manifest_bytes(artifact.name)
    guarded.store.sign(artifact.name, sign(manifest, tmp_path / "theirs"))
    guarded.poll(LONGEST_PAUSE_SECONDS)
    assert "by none of the 1 keys" in guarded.reloader.faults[0]
    guarded.store.sign(artifact.name, sign(manifest, tmp_path / "ours"))
    guarded.poll(LONGEST_PAUSE_SECONDS)
    assert guarded.serving == [artifact.name]


@pytest.mark.slow
@pytest.mark.expects_errors
@pytest.mark.parametrize("name", [CHAMPION, CHALLENGER])
def test_a_graph_that_never_ends_is_ended(
    desk: Desk, artifact: Path, other: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused like any other bad version, and the polls go on."""
    width = len(load_model(other, small_problem()).manifest.features)
    put_onnx(desk.folder / other.name, endless_graph(width))
    desk.point(artifact.name)
    desk.poll()
    monkeypatch.setattr(artifacts, "TRIAL_SECONDS", 0.2)
    monkeypatch.setattr(model_module, "TRIAL_SECONDS", 0.2)
    desk.point(other.name, name)
    assert "took longer than 0.2 s and was ended" in desk.poll().faults[0]
    assert desk.serving == [artifact.name]


def test_a_challenger_that_never_ends_on_a_batch_is_ended(trained: Path) -> None:
    """onnxruntime gives the run up when it is told to, and the thread with it."""
    model = load_model(trained, small_problem())
    width = len(model.manifest.features)
    model._graph = Graph(endless_graph(width), width, "endless")
    challenger = Challenger(model, 0.05)
    rows = np.full((1, 1 + 19 * len(model._levels)), np.nan)
    rows[:, 0] = 1.8e9
    alert = Raised(moment(1.8e9), "a", "pay", "disk", "db")
    shadow = challenger.begin(Decayed(rows), [alert])
    assert shadow is not None
    assert challenger.finish(shadow) is None
    assert challenger.dropped == "slow"
    assert shadow.wait(60) == "failed"  # its thread came back
    assert "terminate" in str(shadow.error)
    assert challenger.begin(Decayed(rows), [alert]) is None


@pytest.mark.slow
def test_two_hundred_swaps_leave_nothing_behind(desk: Desk, artifact: Path, other: Path) -> None:
    """Old models are garbage at the next poll, and memory stays: less than a tenth of a model a swap is kept.

    The bound is what a leak would break: a model that stays costs at least its graph's bytes.
    """

    def swap(turn: int) -> None:
        desk.point((artifact, other)[turn % 2].name)
        model = desk.poll().active.champions[0]
        assert isinstance(model, Model)
        model.predict(np.tile(golden_matrix(model.manifest), (16, 1)))

    threads = set(threading.enumerate())  # those of other tests' challengers may be about to end
    for turn in range(20):
        swap(turn)
    process, size = psutil.Process(), (artifact / ONNX).stat().st_size
    gone = []
    gc.collect()
    before = process.memory_info().rss
    for turn in range(200):
        gone.append(weakref.ref(desk.reloader.active.champions[0]))
        swap(turn)
    desk.poll()
    after = process.memory_info().rss
    assert [one.name for one in set(threading.enumerate()) - threads if one.name == "challenger"] == []
    assert [ref() for ref in gone] == [None] * 200  # without a collection: nothing holds them in a cycle
    assert after - before < 200 * size / 10
    assert desk.reloader.swaps == 220
