"""Pushes by occlusion, on models made by hand whose right answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import features
from stream.core.frame import Array, Decayed, Frame, Matrix, expit, logit
from stream.core.occlusion import LEAST, Occlusion, contradicts
from stream.core.records import Evidence, Like, Push, Score
from tests.core.logs import LAW, Timed, acted, raised, run, small_problem

ROOT = 0.3
PRIORS = {"rule": 0.6, "severity": 0.2}
TABLE = features.table((), list(PRIORS))
NAMES = list(TABLE)
USUAL = dict.fromkeys(NAMES, 2.0)
OCCLUSION = Occlusion(NAMES, USUAL, ROOT)
PROBLEM = small_problem(history="forget_days = 3000")


def matrix_of(log: list[Timed]) -> Matrix:
    """The features of the log's last alert, as a model would read them."""
    rows = run(PROBLEM, log).take_rows()[-1:]
    frame = Frame(Decayed(rows), {key: np.array([rate]) for key, rate in PRIORS.items()}, ROOT, ())
    return features.compute(frame, list(TABLE.values()))


def history(*entities: str) -> list[Timed]:
    """Alerts of these hosts in turn, those of `db` acted on, and then one more of `db`."""
    log: list[Timed] = []
    for number, entity in enumerate(entities):
        log += [raised(number * 600.0, f"n{number}", entity=entity)]
        log += [acted(number * 600.0 + 1, f"n{number}", "worked" if entity == "db" else "dismissed")]
    return [*log, raised(len(entities) * 600.0, "last", entity="db")]


HISTORY = matrix_of(history(*["db", "web", "web"] * 8))


def reads(name: str) -> "Reads":
    """A model whose probability is one of its features, which is a rate."""
    return Reads(NAMES.index(name))


class Reads:
    """The probability is what stands in one column; `rows` counts what was scored."""

    def __init__(self, column: int) -> None:
        self.column = column
        self.rows = 0

    def __call__(self, matrix: Matrix) -> Array:
        """Probabilities, float64[N]."""
        self.rows += len(matrix)
        return matrix[:, self.column].astype(np.float64)


def pushes_of(matrix: Matrix, model: "Reads", occlusion: Occlusion = OCCLUSION) -> dict[str, float]:
    """Each group's push on the first alert."""
    return dict(zip(occlusion.groups, occlusion.pushes(matrix, model)[0].tolist(), strict=True))


def test_the_groups_are_what_the_model_reads() -> None:
    """Levels give the team, the rule and the entity; priors their own groups; what else there is comes after."""
    assert OCCLUSION.groups == ("team", "rule", "entity", "severity", "recent", "repeat", "load", "weekday", "hour")
    assert Occlusion(["hour_sin", "hour_cos", "new_thing"], {"new_thing": 1.0}, ROOT).groups == ("new_thing", "hour")


def test_what_the_model_does_not_read_pushes_nothing() -> None:
    """A model of the entity's rate is moved by the entity, whose parent stays, and by nothing else."""
    pushes = pushes_of(HISTORY, reads("team_rule_entity.rate_ever"))
    own, parent = (HISTORY[0, NAMES.index(f"{level}.rate_ever")] for level in ("team_rule_entity", "team_rule"))
    assert pushes.pop("entity") == pytest.approx(float(logit(own) - logit(parent)), abs=1e-5)
    assert set(pushes.values()) == {0.0}


def test_pushes_are_ranked_by_their_size() -> None:
    """The strongest push comes first, whatever its direction, and what is below a tenth of a logit is left out."""

    def model(matrix: Matrix) -> Array:
        columns = {name: matrix[:, NAMES.index(name)].astype(np.float64) for name in ("prior.severity", "prior.rule")}
        return expit(2.0 * logit(columns["prior.severity"]) - logit(columns["prior.rule"]))

    found = OCCLUSION.ranked(HISTORY[0], model)
    pushes = dict(zip(OCCLUSION.groups, OCCLUSION.pushes(HISTORY, model)[0].tolist(), strict=True))
    assert {push.group: push.by for push in found} == {
        group: round(by, 2) for group, by in pushes.items() if abs(by) >= LEAST
    }
    sizes = [abs(push.by) for push in found]
    assert len(sizes) >= 2
    assert sizes == sorted(sizes, reverse=True)


def test_a_prior_pushes_by_its_distance_from_the_global_rate() -> None:
    """A model of the severity's prior: below the global rate it pushes down."""
    assert pushes_of(HISTORY, reads("prior.severity"))["severity"] == pytest.approx(
        float(logit(0.2) - logit(ROOT)), abs=1e-5
    )


def test_features_computed_from_several_levels_follow() -> None:
    """A model of all shifts added up is moved by each group by exactly its own shifts."""

    def score(matrix: Matrix) -> Array:
        return expit(matrix[:, NAMES.index("shifts")].astype(np.float64))

    def rate(name: str) -> float:
        return float(logit(float(HISTORY[0, NAMES.index(name)])))

    pushes = dict(zip(OCCLUSION.groups, OCCLUSION.pushes(HISTORY, score)[0].tolist(), strict=True))
    entity = rate("team_entity.rate_ever") - rate("team.rate_ever")
    entity += rate("team_rule_entity.rate_ever") - rate("team_rule.rate_ever")
    assert pushes["entity"] == pytest.approx(entity, abs=1e-4)
    assert pushes["severity"] == pytest.approx(float(logit(0.2) - logit(ROOT)), abs=1e-4)
    assert (pushes["recent"], pushes["hour"], pushes["load"]) == (0.0, 0.0, 0.0)


def test_groups_are_taken_out_together() -> None:
    """Without severity and entity the score is that of both changes; one group alone is its own push."""
    model = reads("prior.severity")
    assert OCCLUSION.without(HISTORY, ["severity", "entity"], model) == pytest.approx([ROOT])
    assert OCCLUSION.without(HISTORY, ["hour"], model) == pytest.approx([PRIORS["severity"]])
    rate = reads("team_rule_entity.rate_ever")
    single = expit(logit(rate(HISTORY)) - pushes_of(HISTORY, rate)["entity"])
    assert OCCLUSION.without(HISTORY, ["entity"], rate) == pytest.approx(single)


def test_a_forgotten_level_is_as_one_that_is_new() -> None:
    """Without the entity the model reads what it reads of an alert of a new one, but for the time since the last."""
    seen: list[Matrix] = []

    def score(matrix: Matrix) -> Array:
        seen.append(matrix)
        return np.full(len(matrix), 0.5)

    OCCLUSION.pushes(HISTORY, score)
    without = seen[0][1 + OCCLUSION.groups.index("entity")]
    new = matrix_of([*history(*["db", "web", "web"] * 8)[:-1], raised(24 * 600.0, "last", entity="new")])[0]
    for name in NAMES:
        if not name.endswith("hours_since_raised"):
            column = NAMES.index(name)
            assert without[column] == pytest.approx(new[column], rel=1e-4, abs=1e-5, nan_ok=True), name


def test_a_change_of_late_is_the_recent_group() -> None:
    """A model of the last day's rate is pushed up by what changed of late, and by nothing that was so for long."""
    log: list[Timed] = []
    for number in range(40):
        at = number * 43_200.0
        log += [raised(at, f"n{number}"), acted(at + 1, f"n{number}", "worked" if number > 34 else "dismissed")]
    matrix = matrix_of([*log, raised(40 * 43_200.0, "last")])
    pushes = pushes_of(matrix, reads("team.rate_1d"))
    assert pushes["recent"] > 1.0
    assert pushes_of(matrix, reads("team.rate_ever"))["recent"] == 0.0


def test_the_strongest_push_is_in_the_asked_direction_and_not_in_the_words() -> None:
    """Of pushes up and down that is named which explains the score, unless the words speak of it already."""
    pushes = np.zeros(len(OCCLUSION.groups))
    for group, by in (("entity", -2.0), ("hour", -1.0), ("severity", 0.5), ("load", LEAST / 2)):
        pushes[OCCLUSION.groups.index(group)] = by
    assert OCCLUSION.strongest(pushes, upwards=False) == Push("entity", -2.0)
    assert OCCLUSION.strongest(pushes, upwards=False, level="team_entity") == Push("hour", -1.0)
    assert OCCLUSION.strongest(pushes, upwards=True) == Push("severity", 0.5)
    assert OCCLUSION.strongest(pushes * (np.array(OCCLUSION.groups) == "load"), upwards=True) is None


def test_only_what_contradicts_is_explained() -> None:
    """The alert whose words are 50 points off is scored again; one within 25 points, one without words is not."""
    model, matrix = reads("team_rule_entity.rate_ever"), np.repeat(HISTORY, 3, axis=0)
    scores = [Score(0.9, "likely_actionable", "m", "strong")] * 3
    likes = [Like("team", 20, 8), Like("team", 20, 18), None]
    found = OCCLUSION.explain(matrix, scores, likes, model)
    assert [push and push.group for push in found] == ["entity", None, None]
    assert model.rows == len(OCCLUSION.groups) + 3  # the alert itself, and the hour three times
    assert OCCLUSION.explain(matrix, scores, likes, model, most=0) == [None, None, None]


def test_a_short_and_a_long_time_since_the_last_have_names_of_their_own() -> None:
    """The time since the last alert is `repeat` where it is shorter than usual, `pause` where it is longer."""
    column = NAMES.index("team_rule.hours_since_raised")

    def score(matrix: Matrix) -> Array:
        return np.where(matrix[:, column] == 2.0, 0.5, 0.1)

    for hours, group in ((0.1, "repeat"), (90.0, "pause")):
        matrix = HISTORY.copy()
        matrix[0, [NAMES.index(name) for name in NAMES if name.endswith("hours_since_raised")]] = hours
        (push,) = OCCLUSION.explain(matrix, [Score(0.1, "unsure", "m", "strong")], [Like("team_rule", 20, 10)], score)
        assert push is not None
        assert (push.group, push.by < 0.0) == (group, True)


@pytest.mark.parametrize(
    ("probability", "evidence", "apart"),
    [
        (0.74, "strong", False),
        (0.76, "weak", True),
        (0.24, "some", True),
        (0.9, "none", False),
        (None, "strong", False),
    ],
)
def test_words_contradict_a_score_from_25_points_on(probability: float | None, evidence: Evidence, apart: bool) -> None:
    """Beside words of a half; where no words or no score are shown nothing contradicts."""
    score = Score(probability, "unsure", "m", evidence)
    assert contradicts(score, Like("team", 10, 5)) is apart
    assert contradicts(score, None) is False


@LAW
@given(st.lists(st.sampled_from(["db", "web"]), max_size=20), st.sampled_from(NAMES))
def test_pushes_are_finite_and_depend_on_no_other_alert(entities: list[str], name: str) -> None:
    """Whatever the alert and whatever the model reads: each push is a number, the same alone as in a batch."""
    matrix = np.concatenate([matrix_of(history(*entities)), HISTORY])

    def score(scored: Matrix) -> Array:
        return expit(np.nan_to_num(scored[:, NAMES.index(name)].astype(np.float64), nan=-1.0) / 10.0)

    together = OCCLUSION.pushes(matrix, score)
    assert np.isfinite(together).all()
    assert (together[:1] == OCCLUSION.pushes(matrix[:1], score)).all()


def test_a_model_of_few_features_has_few_groups() -> None:
    """A model that reads two features is explained by these, whatever else the table holds."""
    few = Occlusion(["team_rule.rate_7d", "team_rule.rate_ever"], {}, ROOT)
    matrix = np.array([[0.8, 0.4]], dtype=np.float32)
    assert few.groups == ("rule", "recent")
    assert few.pushes(matrix, lambda scored: scored[:, 0].astype(np.float64)) == pytest.approx(
        np.array([[logit(0.8) - logit(ROOT), logit(0.8) - logit(0.4)]]), abs=1e-5
    )


def test_titles_are_one_group() -> None:
    """Mean, highest and lowest rate of a title's words go out together, and say what the words pushed."""
    names = ["prior.rule", *features.TITLE_FEATURES]
    occlusion = Occlusion(names, {}, ROOT)
    assert occlusion.groups == ("rule", "title")
    row = np.array([[0.6, 0.5, 0.9, 0.2]], dtype=np.float32)
    (pushes,) = occlusion.pushes(row, lambda rows: rows[:, 1:].mean(axis=1).astype(np.float64))
    assert pushes[1] == pytest.approx(logit((0.5 + 0.9 + 0.2) / 3) - logit(ROOT), abs=1e-5)
    assert pushes[0] == 0.0


def test_a_model_of_few_features_has_pushes() -> None:
    """Where it lacks what a computed feature is made of, that feature stays as it is and nothing is NaN."""
    names = ["team_rule.shrunk", "prior.rule", "additive", "shifts"]
    occlusion = Occlusion(names, {}, ROOT)
    row = np.array([[0.4, 0.6, 0.5, 0.1]], dtype=np.float32)
    (pushes,) = occlusion.pushes(row, lambda rows: rows[:, :3].mean(axis=1).astype(np.float64))
    assert np.isfinite(pushes).all()
