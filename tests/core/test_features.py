"""Every feature's value on a row made by hand, what is not known, and what a model may ask for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import state
from stream.core.errors import ModelMismatch
from stream.core.events import Raised, moment
from stream.core.features import Feature, choose, compute, table
from stream.core.frame import Array, Decayed, Frame, Priors, level_index, parent_of, prior_values
from stream.core.problem import Problem
from tests.core.logs import DAY, HOUR, LAW, PROBLEMS, START, Timed, acted, logs, raised, run, small_problem, tick

KEYS = ("rule", "severity", "label.env")
LABELS = ["env"]
LONG = small_problem(history='labels = ["env"]\nforget_days = 3000', flood="per_day = 1e9")
GLOBAL = 0.2


def frame_of(rows: Array, global_rate: float | Array = GLOBAL) -> Frame:
    """A frame whose priors are 0.1, 0.3 and 0.6 for all."""
    encoded = {key: np.full(len(rows), rate) for key, rate in zip(KEYS, (0.1, 0.3, 0.6), strict=True)}
    return Frame(Decayed(rows), encoded, global_rate, LABELS)


def known() -> dict[str, Feature]:
    """The whole table."""
    return table(LABELS, KEYS)


def values_of(log: list[Timed]) -> dict[str, float]:
    """All features of a log's last alert, float64."""
    frame = frame_of(run(LONG, log).take_rows()[-1:])
    return {name: float(feature.of(frame)[0]) for name, feature in known().items()}


# Of the same rule: acted on after a day, dismissed on the second day; on another entity one is open.
AT = 3 * DAY
LOG = [
    raised(0, "a", env="prod"),
    acted(DAY / 48, "a"),
    raised(DAY, "b", env="prod"),
    acted(DAY + DAY / 48, "b", "dismissed"),
    raised(3 * DAY - HOUR / 2, "c", entity="db2", env="test"),
    raised(AT, "last", env="prod"),
]
KNOWN_AT = (DAY / 48, DAY + DAY / 48)


def decayed(times: tuple[float, ...], half_life: float) -> float:
    """A decayed count at AT."""
    return math.fsum(2.0 ** (-(AT - at) / DAY / half_life) for at in times)


def rate(parent: float, half_life: float = math.inf, times: tuple[float, ...] = KNOWN_AT) -> float:
    """A smoothed rate of which the first outcome was actionable."""
    return (decayed(times[:1], half_life) + 5 * parent) / (decayed(times, half_life) + 5)


def logit(share: float) -> float:
    """Log odds."""
    return math.log(share / (1 - share))


def test_rates_are_smoothed_to_their_parents() -> None:
    """Each level's rate leans on the level above by five outcomes, team on the global rate, in each half-life."""
    values = values_of(LOG)
    for window, half_life in {"1d": 1.0, "7d": 7.0, "30d": 30.0, "ever": math.inf}.items():
        team = rate(GLOBAL, half_life)
        team_rule = rate(team, half_life)
        assert values[f"team.rate_{window}"] == pytest.approx(team)
        assert values[f"team_rule.rate_{window}"] == pytest.approx(team_rule)
        assert values[f"team_entity.rate_{window}"] == pytest.approx(rate(team, half_life))
        assert values[f"team_rule_entity.rate_{window}"] == pytest.approx(rate(team_rule, half_life))
        assert values[f"team_label.env.rate_{window}"] == pytest.approx(rate(team, half_life))
        assert values[f"team_rule_label.env.rate_{window}"] == pytest.approx(rate(team_rule, half_life))
    for level in level_index(tuple(LABELS)):
        assert values[f"{level}.decided_30d"] == pytest.approx(decayed(KNOWN_AT, 30.0))


def test_load_counts_raises() -> None:
    """Raises of the last day, against the last month's, and alerts now open."""
    values, raises = values_of(LOG), (0.0, DAY, 3 * DAY - HOUR / 2)
    for level in ("team", "team_rule"):
        day, month = decayed(raises, 1.0), decayed(raises, 30.0)
        assert values[f"{level}.raised_1d"] == pytest.approx(day)
        assert values[f"{level}.raised_ratio"] == pytest.approx(day * 30 / month)
        assert values[f"{level}.open"] == 1.0
    assert values_of([raised(0)])["team.raised_ratio"] == 0.0


def test_recent_outcomes_and_times() -> None:
    """The last outcome, the last eight, and hours since the last raise and the last action."""
    values = values_of(LOG)
    assert (values["team_rule.last_1"], values["team_rule.last_8"]) == (0.0, 0.5)
    assert values["team_rule.hours_since_raised"] == pytest.approx(0.5)
    assert values["team_rule_entity.hours_since_raised"] == pytest.approx(48.0)
    assert values["team_rule_entity.hours_since_acted"] == pytest.approx(71.5)


def test_the_last_eight_are_the_last_eight() -> None:
    """Of twelve outcomes the four oldest, all actionable, no longer stand in `last_8`, and do in `ever`."""
    log = [raised(n * HOUR, f"n{n}") for n in range(12)]
    log += [acted(n * HOUR + 1, f"n{n}", "dismissed" if n >= 4 else "worked") for n in range(12)]
    values = values_of([*sorted(log, key=lambda timed: timed[1]), raised(DAY, "x")])
    assert (values["team_rule.last_1"], values["team_rule.last_8"]) == (0.0, 0.0)
    assert values["team.rate_ever"] == pytest.approx((4 + 5 * GLOBAL) / 17)


def test_priors_and_combinations() -> None:
    """Priors come through as they are; `additive`, `shrunk` and `shifts` are their formulas."""
    values = values_of(LOG)
    assert [values[f"prior.{key}"] for key in KEYS] == [0.1, 0.3, 0.6]
    team = rate(GLOBAL)
    additive = 1 / (1 + math.exp(-(logit(team) + logit(0.1) - logit(GLOBAL))))
    assert values["additive"] == pytest.approx(additive)
    assert values["team_rule.shrunk"] == pytest.approx((1 + 5 * additive) / 7)
    shifts = (
        logit(GLOBAL) + sum(logit(prior) - logit(GLOBAL) for prior in (0.1, 0.3, 0.6)) + logit(team) - logit(GLOBAL)
    )
    shifts += 3 * (logit(rate(team)) - logit(team)) + 2 * (logit(rate(rate(team))) - logit(rate(team)))
    assert values["shifts"] == pytest.approx(shifts)


@pytest.mark.parametrize(("at", "weekday", "hour"), [(0.0, 6, 0), (DAY, 0, 0), (2.25 * DAY, 1, 6), (6.75 * DAY, 5, 18)])
def test_time_of_the_week(at: float, weekday: int, hour: int) -> None:
    """1 March 2026 is a Sunday; Monday is 0, hours are UTC."""
    values = values_of([raised(at)])
    assert moment(START).strftime("%A") == "Sunday"
    assert values["weekday"] == weekday
    angle = 2 * math.pi * hour / 24
    assert (values["hour_sin"], values["hour_cos"]) == pytest.approx((math.sin(angle), math.cos(angle)), abs=1e-9)


def test_what_is_not_known_is_nan() -> None:
    """For a first alert rates are the global one, counts zero, and last outcomes and times NaN."""
    values = values_of([raised(0)])
    unknown = {name for name, value in values.items() if math.isnan(value)}
    recent = ("last_1", "last_8", "hours_since_raised", "hours_since_acted")
    assert unknown == {f"{level}.{what}" for level in ("team_rule", "team_rule_entity") for what in recent}
    for level in level_index(tuple(LABELS)):
        assert values[f"{level}.rate_7d"] == pytest.approx(GLOBAL)
        assert values[f"{level}.decided_30d"] == 0.0


def test_a_label_the_alert_lacks_holds_nothing() -> None:
    """Levels of a missing label count as empty: their rate is their parent's."""
    values = values_of([*LOG[:4], raised(AT, "x")])
    assert values["team_label.env.rate_ever"] == values["team.rate_ever"] > GLOBAL
    assert values["team_rule_label.env.rate_ever"] == values["team_rule.rate_ever"]


def test_a_late_alert_is_read_at_its_levels_time() -> None:
    """An alert that comes days late has the features of its levels now; only its time of day is its own."""
    late = values_of([*LOG[:-1], tick(AT), raised(AT, "x", env="prod"), raised(DAY / 2, "late", env="prod")])
    now = values_of([*LOG[:-1], raised(AT, "x", env="prod"), raised(AT, "on time", env="prod")])
    for name in known():
        if name not in ("hour_sin", "hour_cos", "weekday"):
            assert late[name] == pytest.approx(now[name], nan_ok=True), name
    assert late["hour_cos"] == pytest.approx(-1.0)


def test_an_outcome_moves_its_levels_time() -> None:
    """A late alert is read when the last outcome became known, where that came after the last raise."""
    values = values_of([raised(0, "a"), acted(HOUR / 2, "a"), raised(60, "late")])
    assert values["team_rule.hours_since_raised"] == 0.5
    assert values["team_rule.hours_since_acted"] == 0.0


@pytest.mark.slow
@LAW
@given(st.sampled_from([PROBLEMS[0], LONG]), logs(late=(0.0, 301.0, DAY)), st.integers(1, 9))
def test_batch_size_changes_no_bit(problem: Problem, log: list[Timed], size: int) -> None:
    """Computed over N rows, in chunks or row by row, each feature of each alert is the same, bit by bit."""
    rows = run(problem, log).take_rows()
    features = list(known().values())
    whole = compute(frame_of(rows), features)
    chunks = [compute(frame_of(rows[n : n + size]), features) for n in range(0, len(rows), size)]
    single = [compute(frame_of(rows[n : n + 1]), features) for n in range(len(rows))]
    assert whole.dtype == np.float32
    assert b"".join(chunk.tobytes() for chunk in chunks) == whole.tobytes()
    assert b"".join(row.tobytes() for row in single) == whole.tobytes()


def test_float64_values_do_not_depend_on_the_batch_either() -> None:
    """Before rounding to float32, too: 1,000 rows at once and one by one."""
    log = [
        timed
        for n in range(1_000)
        for timed in (raised(n * 977.0, f"n{n}", env="prod"), acted(n * 977.0 + 60, f"n{n}"))
    ]
    rows = run(LONG, log).take_rows()
    frame, alone = frame_of(rows), [frame_of(rows[n : n + 1]) for n in range(0, 1_000, 37)]
    for feature in known().values():
        assert feature.of(frame)[::37].tobytes() == b"".join(feature.of(one).tobytes() for one in alone), feature.name


def test_a_row_has_its_own_root_in_training() -> None:
    """The global rate may be one of each alert: in training each is smoothed to what was known before it."""
    rows = run(LONG, LOG).take_rows()
    roots = np.linspace(0.1, 0.9, len(rows))
    values = known()["team.rate_ever"].of(frame_of(rows, roots))
    assert values[0] == pytest.approx(0.1)
    assert values[-1] == pytest.approx((1 + 5 * 0.9) / 7)


def test_an_empty_batch_has_no_rows() -> None:
    """No alerts, no values, no warning."""
    rows = run(LONG, []).take_rows()
    assert compute(frame_of(rows), list(known().values())).shape == (0, len(known()))


def test_the_table_is_whole() -> None:
    """Every line has a name of its own, one of four groups, a unit, a meaning and a version."""
    features = known()
    assert len(features) == 30 + 6 + 8 + 3 + 3 + 3
    for name, feature in features.items():
        assert (feature.name, feature.version) == (name, 1)
        assert feature.group in ("history", "alert", "time", "load")
        assert feature.unit
        assert feature.meaning
    assert len({feature.meaning for feature in features.values()}) == len(features)


def test_without_a_prior_of_the_rule_nothing_is_combined() -> None:
    """`additive` and its kin need the rule's prior."""
    assert not {"additive", "team_rule.shrunk", "shifts"} & set(table(LABELS, ["severity"]))


def test_a_model_chooses_by_name_and_version() -> None:
    """Features come in the model's order; one this code lacks, or has in another version, is a mismatch by name."""
    features = known()
    assert [f.name for f in choose([("weekday", 1), ("additive", 1)], features)] == ["weekday", "additive"]
    for wanted in [("moon_phase", 1), ("team_label.site.rate_1d", 1), ("prior.entity", 1)]:
        with pytest.raises(ModelMismatch, match=f"needs the feature '{wanted[0]}', which this code and problem"):
            choose([wanted], features)
    with pytest.raises(ModelMismatch, match="needs 'weekday' in version 2, this code has 1"):
        choose([("weekday", 2)], features)


def test_levels_lean_on_the_level_above() -> None:
    """Team, then rule, entity and labels, then both."""
    index = level_index(("env", "site"))
    assert list(index.values()) == list(range(8))
    assert [parent_of(level) for level in index] == [
        None, "team", "team", "team_rule", "team", "team_rule", "team", "team_rule",
    ]  # fmt: skip


def test_priors_encode_values() -> None:
    """A known value has its rate, an unknown one the global rate, an absent one that of the empty text."""
    alerts = [
        Raised(moment(START), "a", "pay", "disk", "db", severity="high", labels={"env": "prod"}),
        Raised(moment(START), "b", "pay", "cpu", "db"),
    ]
    priors = Priors(0.2, {"rule": {"disk": 0.9}, "severity": {"high": 0.8, "": 0.1}, "label.env": {"": 0.3}})
    encoded = priors.encode(alerts)
    assert {key: values.tolist() for key, values in encoded.items()} == {
        "rule": [0.9, 0.2],
        "severity": [0.8, 0.1],
        "label.env": [0.2, 0.3],
    }
    known = priors.encode_known(alerts)[1]
    assert {key: values.tolist() for key, values in known.items()} == {
        "rule": [True, False],
        "severity": [True, True],
        "label.env": [False, True],
    }
    assert prior_values("entity", alerts) == ["db", "db"]


def test_a_row_is_as_wide_as_its_levels() -> None:
    """Time, then 19 numbers a level: what `Frame` reads is what the fold wrote."""
    rows = run(LONG, LOG).take_rows()
    frame = frame_of(rows)
    assert rows.shape[1] == 1 + state.WIDTH * len(frame.index)
    assert frame.at.tolist() == [timed[1] for timed in LOG if isinstance(timed[0], Raised)]


def test_frames_of_two_models_share_the_history_and_nothing_else() -> None:
    """Other priors on the same decayed counts give what they would alone, and a row taken out stays that row."""
    rows = run(LONG, LOG).take_rows()
    decayed, features = Decayed(rows), list(known().values())
    encoded = {key: np.full(len(rows), rate) for key, rate in zip(KEYS, (0.7, 0.2, 0.4), strict=True)}
    one, two = frame_of(rows), Frame(decayed, encoded, 0.5, LABELS)
    alone = Frame(Decayed(rows), encoded, 0.5, LABELS)
    first = compute(one, features)
    assert compute(two, features).tobytes() == compute(alone, features).tobytes()
    assert compute(one, features).tobytes() == first.tobytes()
    taken = Frame(decayed.take(np.array([2, 0])), {key: rates[:2] for key, rates in encoded.items()}, 0.5, LABELS)
    assert compute(taken, features).tobytes() == compute(alone, features)[[2, 0]].tobytes()
