"""The alerts about models and the world: drift, and quality once outcomes matured."""

from stream.monitoring import quality, queries
from stream.monitoring.queries import equals, raw, recorded, total
from stream.monitoring.rules import Alert

MISSING_MORE, UNSEEN_MORE, RATE_MOVED = 0.2, 0.2, 0.1
DETECTION, CALIBRATION_GAP = 0.9, 0.1
OTHER = 'feature!="score"'
SERVED = "and on (job, model) ({})"


def drift(window: str) -> list[Alert]:
    """The alerts about one window's spread of features, scores and values."""
    enough = f"and on (job, model, feature) {recorded('feature_observed', window)} >= {queries.LEAST_OBSERVED}"
    rings = f"and on (job, model, feature) {raw('feature_info', equals('watch', 'ring'))} == 1"
    served = SERVED.format(queries.served_model())

    def drifted(*matchers: str) -> str:
        psi, threshold = recorded("psi", window, *matchers), recorded("psi_threshold", window)
        return f"{psi} > on (job, model, feature) {threshold}\nand {psi} > {queries.EFFECT_FLOOR}\n{enough}\n{served}"

    missing, unseen = recorded("missing_share", window), recorded("unseen_share", window)
    was_missing = recorded("feature_reference_missing_share")
    was_unseen = queries.greatest(queries.KEY, raw("reference_unseen_share"))
    looked_up = f"and on (job, model, key) {recorded('categories_observed', window)} >= {queries.LEAST_OBSERVED}"
    figures = 'PSI {{ $value | printf "%.2f" }} over ' + window + " for model {{ $labels.model }}"
    return [
        Alert(
            alert="NoisegateFeatureDrift",
            expr=f"{drifted(OTHER)}\n{rings}",
            held="10m",
            severity="ticket",
            labels={"window": window},
            summary="{{ $labels.feature }} differs from training",
            description=figures + f", more than chance explains and above {queries.EFFECT_FLOOR:g}.",
        ),
        Alert(
            alert="NoisegateScoreDrift",
            expr=drifted('feature="score"'),
            held="10m",
            severity="ticket",
            labels={"window": window},
            summary="The distribution of scores differs from training",
            description=figures + f", more than chance explains and above {queries.EFFECT_FLOOR:g}.",
        ),
        Alert(
            alert="NoisegateFeatureMissing",
            expr=f"{missing} - {was_missing} > {MISSING_MORE}\n{enough}\n{served}",
            held="10m",
            severity="ticket",
            labels={"window": window},
            summary="{{ $labels.feature }} is missing more often than in training",
            description="An additional {{ $value | humanizePercentage }} of the alerts of "
            + window
            + " have no value.",
        ),
        Alert(
            alert="NoisegateUnseenValues",
            expr=f"{unseen} - {was_unseen} > {UNSEEN_MORE}\n{looked_up}\n{served}",
            held="10m",
            severity="ticket",
            labels={"window": window},
            summary="{{ $labels.key }} has values that training never saw",
            description="An additional {{ $value | humanizePercentage }} of the alerts of "
            + window
            + " have such values.",
        ),
    ]


def from_outcomes(window: str) -> list[Alert]:
    """The alerts about what became of the alerts."""
    by = ", ".join(quality.MODEL)
    n = total(quality.MODEL, recorded("quality_outcomes", window))
    enough = f"and on ({by}) {n} >= {quality.LEAST_OUTCOMES}"
    acted = total(quality.MODEL, recorded("quality_outcomes", window, 'outcome="actionable"'))
    acted_enough = f"and on ({by}) {acted} >= {quality.LEAST_ACTED}"
    open_enough = f"and {total(quality.PART, recorded('quality_outcomes', window))} >= {quality.LEAST_OUTCOMES}"
    reference = queries.greatest(("job", "model"), raw("reference_label_rate"))
    champion = 'role!="challenger"'
    part = 'part="open"'
    detection = recorded("detection", window, champion, equals("edge", "likely_noise"))
    estimated = recorded("estimated_rate", window, champion)
    published = f"and on ({by}) {recorded('scores', window, equals('le', '1.0'))} >= {quality.LEAST_OUTCOMES}"
    return [
        Alert(
            alert="NoisegateDetectionLow",
            expr=f"{detection} < {DETECTION}\n{enough}\n{acted_enough}",
            summary="Too many actionable alerts are called likely noise",
            description="Only {{ $value | humanizePercentage }} of the alerts acted on lie above likely noise.",
            held="30m",
            severity="ticket",
        ),
        Alert(
            alert="NoisegateCalibrationOff",
            expr=f"{recorded('calibration_error', window, champion, part)} > {CALIBRATION_GAP}\n{open_enough}",
            summary="Probabilities do not match what happens",
            description="Over "
            + window
            + " the share acted on differs from the score by {{ $value | humanizePercentage }} on average.",
            held="30m",
            severity="ticket",
        ),
        Alert(
            alert="NoisegateLabelRateMoved",
            expr=(
                f"abs({recorded('label_rate', window, champion, part)} - on (job, model) group_left () {reference})"
                f" > {RATE_MOVED}\n{open_enough}"
            ),
            summary="Teams act more or less often than in training",
            description="The share acted on moved by {{ $value | humanizePercentage }} since training.",
            held="30m",
            severity="ticket",
        ),
        Alert(
            alert="NoisegateEstimatedRateMoved",
            expr=f"abs({estimated} - on (job, model) group_left () {reference}) > {RATE_MOVED}\n{published}",
            held="30m",
            severity="info",
            summary="Scores predict a different share acted on than in training",
            description="The mean score differs from the rate in training by {{ $value | humanizePercentage }}.",
        ),
    ]
