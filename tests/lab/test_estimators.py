"""Estimators of one's own go the way of the lab's trees: calibrated, exported, checked, judged, served."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from onnxruntime import InferenceSession

from stream.core.errors import EstimatorError, LabError, NoisegateError
from stream.core.frame import Array, Decayed
from stream.lab.conversion import convert
from stream.lab.export import check_parity, export, extreme_rows
from stream.lab.learning.estimators import NEAREST, Estimator, EstimatorModel, as_estimator, load_estimator
from stream.lab.learning.plan import Plan
from stream.lab.log_checks import about, about_estimator
from stream.lab.matrix import predict, served_matrix
from stream.lab.replaying import Replayed
from stream.lab.training import train_replayed
from stream.models.active import ActiveModels, Challenger
from stream.models.artifact import CARD, FINDINGS, read_file, verify
from stream.models.manifest import Calibration
from stream.models.model import load_model
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.reload import Loader, Reloader
from stream.models.store import Store
from tests.lab import own_models
from tests.lab.logs import small_problem
from tests.lab.model_cache import cached_model, small_model
from tests.servers.availability import unavailable

OWN = "tests.lab.own_models"
LOG = Path("log.jsonl")
ROWS = np.random.default_rng(1).normal(size=(400, 3)).astype(np.float32)
LABELS = (ROWS[:, 0] > 0.3).astype(np.int8)


def own_model(store: Path) -> Path:
    """The folder of a version learnt by `own_models.Logistic`."""

    def train(out: Path) -> Path:
        from stream.lab.replaying import replay
        from tests.lab.logs import lines, small_log

        plan = Plan(estimator=load_estimator(f"{OWN}:make"))
        return train_replayed(replay(lines(small_log()), small_problem()), out, plan=plan)

    return cached_model("own", train, store)


@pytest.mark.slow
def test_an_estimator_goes_through_to_a_served_challenger(small: Replayed, tmp_path: Path) -> None:
    """Trained, judged and written as a version; named as challenger, its scores stand beside the champion's."""
    store = tmp_path / "models"
    champion, own = small_model(store), own_model(store)
    manifest = verify(own)
    assert manifest.metrics is not None
    assert manifest.metrics.model.auc > 0.7
    assert manifest.training.rounds == 0
    assert manifest.training.params == {"estimator": f"{OWN}:make", "ridge": 1.0}
    assert manifest.training.options["estimator"] == f"{OWN}:make"
    assert set(manifest.training.canaries) == set(verify(champion).training.canaries)
    assert len(manifest.training.folds) == len(verify(champion).training.folds)
    assert b'"importance": null' in read_file(own, FINDINGS)
    assert f"`{OWN}:make` on " in read_file(own, CARD).decode()
    served_as_challenger(small, store, champion.name, own.name, tmp_path / "cache")


def served_as_challenger(small: Replayed, store: Path, champion: str, challenger: str, cache: Path) -> None:
    """Point at both and score some alerts as a worker does."""
    models = Store(str(store))
    models.point(CHAMPION, Pointer(champion))
    models.point(CHALLENGER, Pointer(challenger))
    reloader = Reloader(Loader(models, small.problem, cache, "test", None), 1.0, 10.0, lambda: 0.0)
    reloader.poll()
    served: ActiveModels = reloader.active
    assert isinstance(served.challenger, Challenger)
    assert served.challenger.model.version == challenger
    some = np.arange(500, 520)
    alerts = [small.alerts[index] for index in some.tolist()]
    shadow = served.challenger.begin(Decayed(np.asarray(small.rows[some])), alerts)
    assert shadow is not None
    scores = served.challenger.finish(shadow)
    model = load_model(store / challenger, small.problem)
    assert scores is not None
    assert scores.tolist() == predict(model, served_matrix(small, model, some)).tolist()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the library's own
def test_a_pipeline_of_scikit_learn_goes_through_to_a_served_challenger(small: Replayed, tmp_path: Path) -> None:
    """Five lines of another library, without a word on ONNX."""
    store = tmp_path / "models"
    champion = small_model(store)
    own = train_replayed(small, store, plan=Plan(estimator=load_estimator(f"{OWN}:pipeline")))
    metrics = verify(own).metrics
    assert metrics is not None
    assert metrics.model.auc > 0.7
    served_as_challenger(small, store, champion.name, own.name, tmp_path / "cache")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nomodule_of_ours:make", "there is no module 'nomodule_of_ours'; name a module of this folder"),
        (f"{OWN}:nothing", "tests.lab.own_models has no function 'nothing'"),
        (OWN, "is no MODULE:FUNCTION; name it as `mymodels:make_pipeline`"),
    ],
)
def test_what_names_no_function_is_told(where: str, said: str) -> None:
    """One sentence with what was typed."""
    with pytest.raises(LabError) as caught:
        load_estimator(where)
    assert str(caught.value).startswith(f"--estimator {where}")
    assert said in str(caught.value)


def test_a_module_of_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beside the person, one that needs what is not installed, and one with a fault."""
    (tmp_path / "my_own_model.py").write_text("def make():\n    return 1\n")
    (tmp_path / "my_missing_model.py").write_text("import skl2onnx_of_nobody\n")
    (tmp_path / "my_broken_model.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # which it adds to
    assert load_estimator("my_own_model:make").make() == 1
    with pytest.raises(LabError, match="needs skl2onnx_of_nobody, which is not installed; pip install"):
        load_estimator("my_missing_model:make")
    with pytest.raises(LabError, match="failed: division by zero"):
        load_estimator("my_broken_model:make")


def test_the_extra_of_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that the extra `estimators` brings is told with it."""
    (tmp_path / "my_sklearn_model.py").write_text("raise ModuleNotFoundError('none', name='sklearn.pipeline')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(LabError, match=r"needs sklearn, which is not installed; pip install 'noisegate\[estimators\]'"):
        load_estimator("my_sklearn_model:make")


def test_a_fault_of_an_estimator_is_not_blamed_on_the_log() -> None:
    """Training begins what is wrong with a log with its path, and what is wrong with an estimator with its name."""
    with pytest.raises(EstimatorError, match=r"^tests\.lab\.own_models:fail failed: division by zero$"), about(LOG):
        as_estimator(own_models.fail).fit(ROWS, LABELS)
    fitted = as_estimator(own_models.make_unexported).fit(ROWS, LABELS)
    said = r"^tests\.lab\.own_models:make_unexported: .* no export"
    with pytest.raises(EstimatorError, match=said), about(LOG), about_estimator():
        fitted.to_onnx(ROWS)
    with pytest.raises(LabError, match=r"^log\.jsonl: too short; take a longer one$") as caught, about(LOG):
        raise LabError("too short", "take a longer one")
    assert caught.value.mend == "take a longer one"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (own_models.make_nothing, "gave object, which lacks fit or predict_proba"),
        (own_models.fail, "failed: division by zero"),
    ],
)
def test_what_is_no_estimator_is_told(make: object, said: str) -> None:
    """What the function gives is looked at before anything is learnt."""
    with pytest.raises(LabError, match=said):
        as_estimator(make).fit(ROWS, LABELS)  # type: ignore[arg-type]  # anything callable


def test_a_library_without_an_export_is_told() -> None:
    """The way out is named: `to_onnx`, or `lab adopt`."""
    fitted = as_estimator(own_models.make_unexported).fit(ROWS, LABELS)
    with pytest.raises(LabError, match=r"Unexported has no export to ONNX .*`noisegate lab adopt`"):
        fitted.to_onnx(ROWS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the library's own
def test_xgboost_goes_through_to_a_served_challenger(small: Replayed, tmp_path: Path) -> None:
    """Trees that take NaN as they are: trained, held to their export, judged and served."""
    _require("xgboost")
    store = tmp_path / "models"
    champion = small_model(store)
    own = train_replayed(small, store, plan=Plan(estimator=load_estimator(f"{OWN}:xgboost")))
    manifest = verify(own)
    assert manifest.metrics is not None
    assert manifest.metrics.model.auc > 0.7
    assert manifest.training.params["max_depth"] == 3
    served_as_challenger(small, store, champion.name, own.name, tmp_path / "cache")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the libraries' own
@pytest.mark.parametrize("name", ["xgboost", "xgboost_forest", "xgboost_pipeline", "xgboost_ensemble", "histogram"])
def test_an_export_scores_as_the_estimator(name: str) -> None:
    """Also within a pipeline and an ensemble, and where features are not known."""
    if name.startswith("xgboost"):
        _require("xgboost")
    rows = np.where(ROWS > 1.5, np.float32(np.nan), ROWS)
    fitted = as_estimator(getattr(own_models, name)).fit(rows, LABELS)
    session = InferenceSession(export(fitted, Calibration(), rows))
    check_parity(fitted, Calibration(), lambda some: np.asarray(session.run(None, {"features": some})[0]), rows)


@pytest.mark.slow
def test_a_booster_that_can_t_be_exported_is_told() -> None:
    """With the one that can, in one sentence with what helps."""
    _require("xgboost")
    fitted = as_estimator(own_models.xgboost_dart).fit(ROWS, LABELS)
    with pytest.raises(LabError, match=r"the booster is 'dart', and .* knows 'gbtree' only; take a model that"):
        fitted.to_onnx(ROWS)


def _require(package: str) -> None:
    if find_spec(package) is None:
        unavailable(f"{package} is not installed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "package", "said"),
    [
        ("sklearn.linear_model", "skl2onnx", "the ONNX export of a scikit-learn estimator needs skl2onnx"),
        ("xgboost.sklearn", "onnxmltools", "the ONNX export of an XGBoost model needs onnxmltools"),
    ],
)
def test_a_converter_that_is_not_installed_is_told(library: str, package: str, said: str) -> None:
    """With the extra that brings it; where it is installed, it refuses what is no estimator of its library."""
    alien = type("Alien", (), {"__module__": library})()
    with pytest.raises(LabError) as caught:
        convert(alien, ROWS, "m:f")
    if find_spec(package) is None:
        assert str(caught.value) == f"{said}, which is not installed; pip install 'noisegate[estimators]'"
    else:
        assert str(caught.value).startswith("m:f: can't be exported to ONNX: ")


def test_catboost_writes_its_export_itself() -> None:
    """By a file, as its save_model does; a fault of it is one sentence."""
    fitted = own_models.make().fit(ROWS, LABELS)

    class Saving:
        """What of CatBoost's classifier is used."""

        def save_model(self, path: str, format: str) -> None:  # noqa: A002  # its name
            """Write the model."""
            assert format == "onnx"
            Path(path).write_bytes(fitted.to_onnx(ROWS))

    class Failing:
        """One with text features, say."""

        def save_model(self, path: str, format: str) -> None:  # noqa: A002  # its name
            """Fail."""
            raise ValueError("no categories\nand so on")

    for one in (Saving, Failing):
        one.__module__ = "catboost.core"
    assert convert(Saving(), ROWS, "m:f") == fitted.to_onnx(ROWS)
    with pytest.raises(LabError, match=r"m:f: can't be exported to ONNX: no categories; take a model"):
        convert(Failing(), ROWS, "m:f")


def test_weights_reach_the_estimator() -> None:
    """Weights decide what is learnt; one that takes none is told, of a pipeline its last step."""
    heavy = np.where(LABELS == 1, 10.0, 0.1)
    plain, weighed = (as_estimator(own_models.make).fit(ROWS, LABELS, weights) for weights in (None, heavy))
    assert weighed.probabilities(ROWS).mean() > plain.probabilities(ROWS).mean() + 0.1

    class Pipeline:
        """As scikit-learn's: weights go to the last step."""

        steps = (("first", None), ("last", own_models.Logistic()))
        predict_proba = steps[-1][1].predict_proba

        def fit(self, rows: object, labels: object, **given: object) -> None:
            """Take what it is given."""
            assert list(given) == ["last__sample_weight"]

    as_estimator(Pipeline).fit(ROWS, LABELS, heavy)

    class Deaf(own_models.Logistic):
        """Without weights."""

        def fit(self, X: object, y: object) -> "Deaf":  # type: ignore[override]
            """Learn nothing."""
            return self

    with pytest.raises(LabError, match="the fit of Deaf takes no sample_weight"):
        as_estimator(Deaf).fit(ROWS, LABELS, heavy)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.full((400, 3), 0.3), r"gave \(400, 3\) for 400 rows"),
        (np.full(7, 0.3), r"gave \(7,\) for 400 rows"),
        (np.full(400, np.nan), "not a probability; a feature that is not known is NaN"),
        (np.full(400, 1.5), "not a probability"),
    ],
)
def test_what_is_no_probability_is_told(given: Array, said: str) -> None:
    """Shapes, NaN and values beyond 0 and 1."""
    model = EstimatorModel("m:f", lambda rows: given, lambda rows: b"")
    with pytest.raises(LabError, match=said):
        model.probabilities(ROWS)


def test_log_odds_are_those_of_the_probabilities() -> None:
    """The logit of what predict_proba gives, kept off 0 and 1."""
    model = EstimatorModel("m:f", lambda rows: np.array([0.0, 0.5, 1.0]), lambda rows: b"")
    most = np.log((1 - NEAREST) / NEAREST)
    assert model.logits(ROWS[:3]) == pytest.approx([-most, 0.0, most])


def test_an_export_that_scores_otherwise_fails_the_gate() -> None:
    """The parity gate holds for any model, and names it."""
    fitted = as_estimator(own_models.make).fit(ROWS, LABELS)
    with pytest.raises(LabError, match=r"make and its ONNX export disagree by .*; if a scaler stands before trees"):
        check_parity(fitted, Calibration(), lambda rows: np.full(len(rows), 0.5), ROWS)


def test_extreme_rows_hold_what_is_rare() -> None:
    """The least, the largest and the absence of each feature, one at a time."""
    matrix = np.array([[1.0, 2.0], [3.0, np.nan]], dtype=np.float32)
    rows = extreme_rows(matrix)
    assert rows.shape == (5, 2)
    assert rows[:2, 0].tolist() == [1.0, 3.0]
    assert np.isnan(rows[4, 1])


def test_an_estimator_takes_no_parameters_of_lightgbm() -> None:
    """Options of the trees beside an estimator would do nothing, so they are refused."""
    with pytest.raises(NoisegateError, match="an estimator learns in its place; leave one out"):
        replace(Plan(), estimator=Estimator("m:f"), trials=3)
