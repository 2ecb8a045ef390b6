"""The sentences that a report begins with say what its figures mean, and nothing of too few alerts."""

import pytest

from stream.monitoring.queries import drift, quality
from stream.monitoring.report import (
    NAMED,
    DriftReport,
    FeatureDrift,
    ModelQuality,
    QualityReport,
    drift_verdicts,
    quality_verdicts,
)


def feature(name: str, drifted: bool | None, model: str = "m1", rings: bool = True) -> FeatureDrift:
    """A feature's drift, as far as a verdict looks at it."""
    return FeatureDrift(
        model=model, feature=name, observed=drift.LEAST_OBSERVED, psi=0.2, threshold=0.1, jensen_shannon=None,
        missing=None, missing_reference=None, rings=rings, drifted=drifted,
        untested=None if drifted is not None else "fewer than 200 observations",
    )  # fmt: skip


def verdicts_of(*features: FeatureDrift) -> list[str]:
    """The verdicts on features over a day."""
    return drift_verdicts(DriftReport("24h", 0.0, list(features), {}, {}))


def quality_of(matured: float, figures: dict[str, float], role: str = "champion") -> str:
    """The verdict on one model over a week."""
    model = ModelQuality(model="m1", role=role, matured=matured, matured_share=None, figures=figures, bins=[])
    (sentence,) = quality_verdicts(QualityReport("7d", 0.0, None, [model]))
    return sentence


def test_drift_is_said_of_each_model_apart() -> None:
    """Champion and challenger have a sentence each; what is only shown is in neither."""
    features = [feature("a", True), feature("b", False), feature("hour", True, rings=False), feature("a", False, "m2")]
    assert verdicts_of(*features) == [
        "Model m1: of 2 watched features, 1 has drifted: a, over 24h.",
        "Model m2: of 1 watched features, none has drifted, over 24h.",
    ]


def test_untested_features_are_not_called_calm() -> None:
    """What could not be tested is counted apart, and where nothing could be the reason is given."""
    assert verdicts_of(feature("a", None)) == ["Model m1: drift over 24h was not tested: fewer than 200 observations."]
    assert "of 1 watched features (1 were not tested), none" in verdicts_of(feature("a", False), feature("b", None))[0]


def test_many_features_are_counted() -> None:
    """A verdict names a few features and counts the rest."""
    sentence = verdicts_of(*(feature(f"f{number}", True) for number in range(NAMED + 3)))[0]
    assert "f4 and 3 more" in sentence
    assert "f5" not in sentence


def test_few_matured_alerts_are_no_verdict() -> None:
    """Below the named number the sentence says how many there are and how many it takes."""
    sentence = quality_of(quality.LEAST_OUTCOMES - 1, {"auc": 0.2})
    assert "not tested" in sentence
    assert f"it takes {quality.LEAST_OUTCOMES}" in sentence


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"calibration_error": 0.11}, "off by 11.0% on average"),
        ({"detection": 0.89}, "only 89.0% of what people acted on"),
        ({"auc": 0.5}, "no better than chance"),
    ],
)
def test_each_fault_is_said(figures: dict[str, float], words: str) -> None:
    """A figure beyond the limit of its alert is a fault, whatever the others are."""
    good = {"calibration_error": 0.1, "detection": 0.9, "auc": 0.8}
    sentence = quality_of(quality.LEAST_OUTCOMES, good | figures)
    assert sentence.startswith("Champion m1: not right")
    assert words in sentence


def test_good_figures_are_given() -> None:
    """A model whose figures are within the limits is called right, with the figures and their number."""
    sentence = quality_of(5_000, {"calibration_error": 0.02, "detection": 0.97, "auc": 0.83}, "challenger")
    assert sentence == (
        "Challenger m1: scores can be taken at their word, over 7d, 5,000 matured alerts: off by 2.0% on average, "
        "97.0% of what people acted on above likely_noise, AUC 0.830."
    )
    assert "no figures" in quality_of(5_000, {})
