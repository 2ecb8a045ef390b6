"""The alerts about models and the world: what is served, drift, and quality once outcomes matured."""

from stream.monitoring.queries import drift, quality, service
from stream.monitoring.queries.promql import equals, greatest, increase, raw, recorded, select, total
from stream.monitoring.rules import Alert

CHAMPION_DAYS = 45
SERVED_BEFORE = "1d"
"""No model at all is how everyone starts: its loss is an incident where one was served within this time."""
MISSING_MORE, UNSEEN_MORE, RATE_MOVED = 0.2, 0.2, 0.1
RAISED_LEAST = 100  # alerts of which nobody acted on any
OTHER = 'feature!="score"'
SERVED = "and on (job, model) ({})"


def of_service(job: str) -> list[Alert]:
    """The alerts about which models are served, and how old they are."""
    return [*_served(job), *_ages()]


def _served(job: str) -> list[Alert]:
    up = select("up", equals("job", job))
    champion = raw("model_info", 'role="champion"')
    served_before = f"count by (job) (max_over_time({champion}[{SERVED_BEFORE}])) > 0"
    return [
        Alert(
            alert="NoisegateNoModel",
            expr=f"{up} == 1 unless on (job, instance) {champion} == 1\nand on (job) {served_before}",
            held="5m",
            severity="page",
            summary="A scorer serves no model any more",
            description="{{ $labels.instance }} has no champion, though its job had one. "
            "Its alerts are published unscored.",
        ),
        Alert(
            alert="NoisegateChampionsDiffer",
            expr=f"count by (job) (count by (job, model) ({champion} == 1)) > 1",
            held="10m",
            severity="ticket",
            summary="Scorers serve different champions",
            description="{{ $value }} versions are champion at once. A scorer refused the new one or can't read it.",
        ),
        Alert(
            alert="NoisegateModelRefused",
            expr=(
                f"{increase(('job', 'instance'), 'model_refused_total', '1h')} > 0\n"
                f"or max by (job, instance) ({raw('model_pointers_refused')}) > 0"
            ),
            held="0m",
            severity="ticket",
            summary="A model was refused",
            description="{{ $labels.instance }} refused the version that a pointer names, and keeps the model it has.",
        ),
        Alert(
            alert="NoisegateModelStoreDown",
            expr=f"min by (job, instance) ({raw('model_store_up')}) == 0",
            held="10m",
            severity="ticket",
            summary="The model store is away",
            description="{{ $labels.instance }} can't read the model store. It keeps serving the models it has loaded.",
        ),
        Alert(
            alert="NoisegateChallengerDropped",
            expr=f"{increase(('job', 'reason'), 'challenger_dropped_total', '1h')} > 0",
            held="0m",
            severity="info",
            summary="A challenger was dropped",
            description="It was dropped as {{ $labels.reason }}. The champion keeps scoring; the comparison has a gap.",
        ),
    ]


def _ages() -> list[Alert]:
    return [
        Alert(
            alert="NoisegateChampionOld",
            expr=f"{recorded('champion_age', 'seconds')} > {CHAMPION_DAYS * 86_400}",
            held="1h",
            severity="ticket",
            summary="The champion is old",
            description=f"{{{{ $labels.model }}}} was trained {{{{ $value | humanizeDuration }}}} ago, more than "
            f"{CHAMPION_DAYS} days.",
        ),
        Alert(
            alert="NoisegateFeaturesUnwatched",
            expr=f"max by (job, model, reason) ({raw('features_unwatched')}) > 0",
            held="10m",
            severity="info",
            summary="Features are not watched for drift",
            description="{{ $value }} features of {{ $labels.model }} are not watched: {{ $labels.reason }}.",
        ),
    ]


def of_drift(window: str) -> list[Alert]:
    """The alerts about one window's spread of features, scores and values."""
    enough = f"and on (job, model, feature) {recorded('feature_observed', window)} >= {drift.LEAST_OBSERVED}"
    rings = f"and on (job, model, feature) {raw('feature_info', equals('watch', 'ring'))} == 1"
    served = SERVED.format(service.served_model())

    def drifted(*matchers: str) -> str:
        psi, threshold = recorded("psi", window, *matchers), recorded("psi_threshold", window)
        return f"{psi} > on (job, model, feature) {threshold}\nand {psi} > {drift.EFFECT_FLOOR}\n{enough}\n{served}"

    missing, unseen = recorded("missing_share", window), recorded("unseen_share", window)
    was_missing = recorded("feature_reference_missing_share")
    was_unseen = greatest(drift.KEY, raw("reference_unseen_share"))
    looked_up = f"and on (job, model, key) {recorded('categories_observed', window)} >= {drift.LEAST_OBSERVED}"
    figures = 'PSI {{ $value | printf "%.2f" }} over ' + window + " for model {{ $labels.model }}"
    return [
        Alert(
            alert="NoisegateFeatureDrift",
            expr=f"{drifted(OTHER)}\n{rings}",
            held="10m",
            severity="ticket",
            labels={"window": window},
            summary="{{ $labels.feature }} differs from training",
            description=figures + f", more than chance explains and above {drift.EFFECT_FLOOR:g}.",
        ),
        Alert(
            alert="NoisegateScoreDrift",
            expr=drifted('feature="score"'),
            held="10m",
            severity="ticket",
            labels={"window": window},
            summary="The distribution of scores differs from training",
            description=figures + f", more than chance explains and above {drift.EFFECT_FLOOR:g}.",
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


def of_labels(window: str) -> list[Alert]:
    """The alert about what is learnt from: what people do."""
    acts = increase(("job",), "acts_total", window, equals("agent", "person"))
    raised = increase(("job",), "events_total", window, equals("type", "raised"))
    counted_since = total(("job",), f"{raw('acts_total', equals('agent', 'person'))} offset {window}")
    return [
        Alert(
            alert="NoisegateNoPersonActs",
            expr=f"{acts} == 0\nand on (job) {raised} >= {RAISED_LEAST}\nand on (job) {counted_since} >= 0",
            held="1h",
            severity="ticket",
            summary="There is nothing to learn",
            description=f"No act by a person in {window}, though alerts were raised.",
        ),
    ]


def of_quality(window: str) -> list[Alert]:
    """The alerts about what became of the alerts."""
    by = ", ".join(quality.MODEL)
    n = total(quality.MODEL, recorded("quality_outcomes", window))
    enough = f"and on ({by}) {n} >= {quality.LEAST_OUTCOMES}"
    acted = total(quality.MODEL, recorded("quality_outcomes", window, 'outcome="actionable"'))
    acted_enough = f"and on ({by}) {acted} >= {quality.LEAST_ACTED}"
    open_enough = f"and {total(quality.PART, recorded('quality_outcomes', window))} >= {quality.LEAST_OUTCOMES}"
    reference = greatest(("job", "model"), raw("reference_label_rate"))
    champion = 'role!="challenger"'
    part = 'part="open"'
    detection = recorded("detection", window, champion, equals("edge", "likely_noise"))
    estimated = recorded("estimated_rate", window, champion)
    published = f"and on ({by}) {recorded('scores', window, equals('le', '1.0'))} >= {quality.LEAST_OUTCOMES}"
    return [
        Alert(
            alert="NoisegateDetectionLow",
            expr=f"{detection} < {quality.DETECTION}\n{enough}\n{acted_enough}",
            summary="Too many actionable alerts are called likely noise",
            description="Only {{ $value | humanizePercentage }} of the alerts acted on lie above likely noise.",
            held="30m",
            severity="ticket",
        ),
        Alert(
            alert="NoisegateCalibrationOff",
            expr=f"{recorded('calibration_error', window, champion, part)} > {quality.CALIBRATION_GAP}\n{open_enough}",
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
