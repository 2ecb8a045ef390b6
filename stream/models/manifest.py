"""The manifest of a model artifact, `manifest.json`: its types, and a strict decoder of any bytes."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stream.core.errors import ModelError, ModelMismatch
from stream.core.frame import Priors, is_prior_key
from stream.core.problem import Problem
from stream.core.scoring import Thresholds

FORMAT_VERSION = 1
VERSION_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{4,64}\Z"
FILE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,60}\.[a-z0-9]{1,10}\Z"  # a plain name: no folder, nothing hidden
FEATURES = 2_000  # columns of one model
GOLDEN_ROWS = 64
KNOTS = 100  # points of an isotonic calibration

Version = Annotated[str, Meta(pattern=VERSION_PATTERN)]
FileName = Annotated[str, Meta(pattern=FILE_PATTERN)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
At = Annotated[datetime, Meta(tz=True)]
Release = Annotated[str, Meta(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}\Z")]


class FeatureRef(Struct, frozen=True, forbid_unknown_fields=True):
    """A feature the model reads; its place in the list is its column."""

    name: Annotated[str, Meta(min_length=1, max_length=500)]
    version: Annotated[int, Meta(ge=1)] = 1


class ProblemRef(Struct, frozen=True, forbid_unknown_fields=True):
    """The problem that the model answers. Another digest is another history: such a model is not loaded."""

    name: str
    digest: str
    question: str
    definition: Problem


class Calibration(Struct, frozen=True, forbid_unknown_fields=True):
    """How scores were calibrated, inside the ONNX graph.

    sigmoid(a * logit + b); isotonic: lines through the points (x, y) over the logit, flat beyond the ends.
    """

    kind: Literal["none", "platt", "isotonic"] = "none"
    a: float = 1.0
    b: float = 0.0
    x: Annotated[list[float], Meta(max_length=KNOTS)] = []
    y: Annotated[list[Share], Meta(max_length=KNOTS)] = []


class FoldFigures(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One fold of the cross-validation in order of time: learnt from what was known at `start`, judged from there."""

    start: At
    learnt: Count
    judged: Count
    auc: Share
    log_loss: Annotated[float, Meta(ge=0)]
    rounds: Count


class LabelWeights(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How labels were weighed, because rules kept alerts from people: each of the `held_out` ones stands for several.

    `effective` is how many labels of equal weight would tell as much, `most` the largest weight, to which `clipped` of
    them were cut.
    """

    held_out: Count
    effective: Annotated[float, Meta(ge=0)]
    most: Annotated[float, Meta(ge=1)]
    clipped: Count


class Training(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What the model was made from, and how.

    `excluded` are visibility-only and flood alerts, `purged` those not decided at `split_at`. `fixed_thresholds` kept
    the target's detection on the end of the training window, by name of the score: `model` and the baselines.
    `options` are those of the training, `folds` its cross-validation, `canaries` what each check found, none of which
    failed; `untested_canaries` names those that could not be tested. `weights` are of the `used` labels.
    """

    command: str
    seed: int
    split: Share
    split_at: At
    first_raise: At
    last_raise: At
    events: Count
    used: Count
    purged: Count
    excluded: Count
    label_rate: Share
    rounds: Count
    params: dict[str, str | int | float | bool]
    fixed_thresholds: dict[str, float]
    simulated: bool = False
    options: dict[str, str | int | float | bool | None] = {}
    folds: list[FoldFigures] = []
    canaries: dict[str, str] = {}
    untested_canaries: list[str] = []
    weights: LabelWeights | None = None


class Figures(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How good scores were on the test part.

    `suppressed_at` is a ranking figure: its threshold is found on the test part. `threshold` was fixed before it, on
    the end of the training window; `detection` and `suppressed` are what it really kept and suppressed.
    """

    auc: Share
    ece: Share
    brier: Share
    log_loss: Annotated[float, Meta(ge=0)]
    suppressed_at: Share
    threshold: float
    detection: Share
    suppressed: Share


class Metrics(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The test part's size, and the model beside the baselines on it; `weights` are of the judged labels."""

    judged: Count
    label_rate: Share
    target_detection: Share
    model: Figures
    baselines: dict[str, Figures]
    weights: LabelWeights | None = None


class GateVerdict(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether the model passed the problem's gate when it was judged, and which conditions failed or were not tested.

    It passed only if each condition was tested and held.
    """

    passed: bool
    failed: list[str] = []
    not_tested: list[str] = []

    @property
    def result(self) -> str:
        """`passed`, `failed` or `not tested`."""
        if self.passed:
            return "passed"
        return "not tested" if self.not_tested and not self.failed else "failed"

    @property
    def faults(self) -> list[str]:
        """Each condition that does not let the model pass, and why."""
        return [*self.failed, *(f"not tested: {text}" for text in self.not_tested)]


class Golden(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of the feature matrix (null = NaN) and what the model said of them when it was made."""

    rows: Annotated[list[list[float | None]], Meta(min_length=1, max_length=GOLDEN_ROWS)]
    probabilities: Annotated[list[Share], Meta(min_length=1, max_length=GOLDEN_ROWS)]


class Runtime(Struct, frozen=True, forbid_unknown_fields=True):
    """The onnxruntime releases that may serve the model: at_least <= release < below."""

    at_least: Release = "1.20"
    below: Release = "2.0"


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model version. `thresholds` are the edges of bands and evidence, `priors` the rates learnt in training."""

    format_version: Annotated[int, Meta(ge=FORMAT_VERSION, le=FORMAT_VERSION)] = FORMAT_VERSION
    version: Version
    created: At
    problem: ProblemRef
    labels: list[str]
    features: Annotated[list[FeatureRef], Meta(min_length=1, max_length=FEATURES)]
    priors: Priors
    thresholds: Thresholds
    calibration: Calibration
    training: Training
    metrics: Metrics | None = None
    gate: GateVerdict | None = None
    golden: Golden
    opset: dict[str, int]
    onnxruntime: Runtime = Runtime()
    files: dict[FileName, Sha256] = {}


class _Head(Struct):
    """What every format of a manifest holds."""

    format_version: int = FORMAT_VERSION


_decoder = msgspec.json.Decoder(Manifest)
_head_decoder = msgspec.json.Decoder(_Head)


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as indented JSON, ending in a line end."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode_manifest(data: bytes, where: str) -> Manifest:
    """Decode and check a manifest, whatever the bytes.

    Raises:
        ModelError: one sentence that begins with `where`.
        ModelMismatch: it is of a newer format than this code reads.
    """
    try:
        manifest = _decoder.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError, OverflowError) as error:
        _check_format(data, where)
        raise ModelError(f"{where}: manifest.json can't be read: {str(error) or 'nested too deep'}") from None
    fault = _fault_of(manifest)
    if fault:
        raise ModelError(f"{where}: manifest.json contradicts itself: {fault}")
    return manifest


def _check_format(data: bytes, where: str) -> None:
    try:
        version = _head_decoder.decode(data).format_version
    except (msgspec.DecodeError, ValueError, RecursionError, OverflowError):
        return
    if version > FORMAT_VERSION:
        raise ModelMismatch(
            f"{where}: manifest.json is of format {version}, and this noisegate reads up to {FORMAT_VERSION}",
            "upgrade noisegate, or train the model with this one",
        )


def _fault_of(manifest: Manifest) -> str | None:
    """What is wrong beyond types, if anything."""
    priors, thresholds, golden = manifest.priors, manifest.thresholds, manifest.golden
    if not 0.0 < priors.global_rate < 1.0:
        return f"priors.global_rate is {priors.global_rate}, it must lie between 0 and 1"
    for key, table in priors.tables.items():
        if not is_prior_key(key):
            return f"priors.tables has {key[:40]!r}, of which no alert has a value"
        if not all(0.0 <= rate <= 1.0 for rate in table.values()):
            return f"a rate in priors.tables[{key!r}] is not between 0 and 1"
    if not 0.0 <= thresholds.likely_noise <= thresholds.likely_actionable <= 1.0:
        return "thresholds must hold 0 <= likely_noise <= likely_actionable <= 1"
    fault = _fault_of_calibration(manifest.calibration)
    if fault:
        return fault
    if len({feature.name for feature in manifest.features}) != len(manifest.features):
        return "a feature is named twice"
    if "model" not in manifest.training.fixed_thresholds:
        return "training.fixed_thresholds lacks `model`"
    if len(golden.rows) != len(golden.probabilities):
        return "golden has another number of rows than of probabilities"
    if any(len(row) != len(manifest.features) for row in golden.rows):
        return f"a golden row has not {len(manifest.features)} values, one a feature"
    return None


def _fault_of_calibration(how: Calibration) -> str | None:
    if how.kind != "isotonic":
        return None
    if len(how.x) != len(how.y) or len(how.x) < 2:
        return "an isotonic calibration must have as many x as y, two at least"
    if any(b <= a for a, b in zip(how.x, how.x[1:], strict=False)) or list(how.y) != sorted(how.y):
        return "the points of an isotonic calibration must rise"
    return None
