"""Verdicts: shown at once, published when their undo is over, lost nowhere."""

import logging
from datetime import datetime

import pytest
from msgspec.structs import replace

from stream.core.errors import SettingsError
from stream.core.problem import parse_problem
from stream.core.records import Like
from stream.triage.verdicts import check_kinds, shift_end
from tests.triage.records import NOW, acted, enriched, outcome
from tests.triage.rig import PROBLEM, Rig

KINDS = {"acted": "worked", "dismissed": "dismissed"}


def verdict(name: str = "request1", action: str = "acted", **fields: object) -> dict[str, object]:
    """A verdict on the episode of A1, unless said."""
    return {"id": name, "action": action, "keys": ["episode-A1"]} | fields


def test_a_verdict_shows_at_once_and_is_published_later() -> None:
    """The answer holds the row with the verdict and what it changes; Kafka gets it after eight seconds."""
    rig = Rig()
    rig.take(enriched())
    answer = rig.post("/v1/verdicts", verdict(reason="fixed")).json()
    mark = answer["rows"][0]["mark"]
    assert (mark["action"], mark["reason"], mark["words"]) == ("acted", "fixed", "2 of 43 now")
    assert answer["undo_until"] == rig.now + 8.0
    rig.tick(7.9)
    assert rig.published == []
    rig.tick(0.2)
    (act,) = rig.published
    assert (act.team, act.alert_id, act.kind, act.agent) == ("payments", "A1", "worked", "person")
    assert (act.actor, act.reason, act.at.timestamp()) == ("p-local", "fixed", NOW + 1.0)
    mark_now = rig.room.board.episodes["episode-A1"].mark
    assert mark_now is not None
    assert mark_now.undo_until is None


@pytest.mark.parametrize(
    ("like", "words", "effect"),
    [
        (Like("team_rule_entity", 16, 2), "acted on 2 of the last 16 like this on this entity", "3 of 17 now"),
        (None, "acted on 1 of the last 42 like this", "2 of 43 now"),
    ],
)
def test_a_verdict_changes_the_counts_that_the_row_shows(like: Like | None, words: str, effect: str) -> None:
    """What a verdict makes of the history is about the same past alerts as the row's words."""
    rig = Rig()
    record = enriched()
    assert record.why is not None
    rig.take(replace(record, why=replace(record.why, like=like)))
    (row,) = rig.post("/v1/verdicts", verdict()).json()["rows"]
    assert (row["words"], row["mark"]["words"]) == (words, effect)


def test_an_undone_verdict_leaves_no_trace() -> None:
    """After an undo the row is as before, nothing is published, and a verdict can be given anew."""
    rig = Rig()
    rig.take(enriched())
    before = rig.get("/api/rows").json()["rows"]
    rig.post("/v1/verdicts", verdict())
    assert rig.post("/v1/undo", {"id": "request1"}).json()["count"] == 1
    rig.tick(9.0)
    assert rig.published == []
    assert rig.get("/api/rows").json()["rows"] == before
    assert rig.post("/v1/verdicts", verdict("request2", "dismissed")).json()["count"] == 1


def test_an_undo_that_comes_too_late_says_so() -> None:
    """What is published can't be undone: 409 and one sentence."""
    rig = Rig()
    rig.take(enriched())
    rig.post("/v1/verdicts", verdict())
    rig.tick(8.1)
    answer = rig.post("/v1/undo", {"id": "request1"})
    assert answer.status_code == 409
    assert "published already" in answer.json()["error"]


def test_many_rows_are_one_request_and_one_undo() -> None:
    """A snapshot's rows get one verdict, of which one undo takes back all."""
    rig = Rig()
    rig.take(*(enriched(f"A{n}", n) for n in range(1_200)))
    page = rig.get("/api/rows?q=team:payments").json()
    answer = rig.post("/v1/verdicts", verdict(keys=[], snapshot=page["snapshot"])).json()
    assert (page["total"], answer["count"], len(answer["rows"])) == (1_200, 1_200, 200)
    assert rig.post("/v1/undo", {"id": "request1"}).json()["count"] == 1_200
    assert all(row.mark is None for row in (one.row(rig.now) for one in rig.room.board.episodes.values()))


def test_a_forgotten_snapshot_is_refused() -> None:
    """A verdict on rows that nobody can name any more changes nothing: 410."""
    rig = Rig()
    rig.take(enriched())
    assert rig.post("/v1/verdicts", verdict(keys=[], snapshot="gone")).status_code == 410


def test_somebody_else_was_quicker() -> None:
    """The second verdict is answered with who gave the first, when and which; the first stands."""
    rig = Rig()
    rig.take(enriched())
    rig.take(acted(kind="dismissed"))
    answer = rig.post("/v1/verdicts", verdict()).json()
    assert answer["count"] == 0
    assert answer["conflicts"] == [
        {"key": "episode-A1", "action": "dismissed", "person": "9b97e7f7fd", "at": NOW + 60.0}
    ]
    assert answer["rows"][0]["mark"]["action"] == "dismissed"


def test_a_repeated_request_counts_once() -> None:
    """A request whose answer was lost may be sent again."""
    rig = Rig()
    rig.take(enriched())
    first = rig.post("/v1/verdicts", verdict()).json()
    assert rig.post("/v1/verdicts", verdict()).json() == first
    rig.tick(9.0)
    assert len(rig.published) == 1


def test_a_verdict_is_about_all_firings_without_an_outcome() -> None:
    """Each undecided firing of the episode gets its own act, with an action id of its own."""
    rig = Rig()
    rig.take(*(enriched(f"A{n}", n, episode="E") for n in range(3)), outcome("A0"))
    rig.post("/v1/verdicts", verdict(keys=["E"]))
    rig.tick(9.0)
    assert [act.alert_id for act in rig.published] == ["A1", "A2"]
    assert len({act.action_id for act in rig.published}) == 2


def test_a_verdict_stays_with_its_episode() -> None:
    """A firing that comes while the episode runs gets the same verdict; one of the next episode rings anew."""
    rig = Rig()
    rig.take(enriched("A1", episode="E"))
    rig.post("/v1/verdicts", verdict(keys=["E"], reason="known"))
    rig.tick(9.0)
    rig.take(enriched("A2", 9.0, episode="E"), enriched("A3", 9.5, episode="F"))
    rig.tick(0.3)
    assert [(act.alert_id, act.kind, act.reason) for act in rig.published] == [
        ("A1", "worked", "known"),
        ("A2", "worked", "known"),
    ]
    assert rig.room.board.rows["E"].mark is not None
    assert rig.room.board.rows["F"].mark is None


def test_a_page_that_closes_publishes() -> None:
    """What the closing page names is due at once, but only its own person's verdicts."""
    rig = Rig()
    rig.take(enriched())
    rig.post("/v1/verdicts", verdict())
    assert rig.post("/v1/publish", {"ids": ["request1", "unknown-1"]}).json()["count"] == 1
    rig.tick(0.1)
    assert len(rig.published) == 1


def test_verdicts_wait_for_kafka() -> None:
    """While Kafka is away verdicts wait, the page says how many, and they go out when it is back."""
    rig = Rig()
    rig.take(enriched())
    rig.post("/v1/verdicts", verdict())
    rig.is_away = True
    rig.tick(9.0)
    rig.tick(0.3)
    assert rig.published == []
    assert rig.room.counts().away == ["1 verdicts wait for Kafka"]
    rig.is_away = False
    rig.tick(0.3)
    assert len(rig.published) == 1
    rig.tick(0.3)
    assert rig.room.counts().away == []


@pytest.mark.parametrize(("until", "seconds"), [("hour", 3_600.0), ("shift", 39_599.0), ("escalates", None)])
def test_a_snooze_is_no_label(until: str, seconds: float | None) -> None:
    """A snooze shows at once, is published as the kind `snoozed` with its end, and decides nothing."""
    rig = Rig()
    rig.take(enriched())
    rig.post("/v1/snooze", {"id": "snooze-1", "until": until, "keys": ["episode-A1"]})
    rig.tick(8.1)
    (act,) = rig.published
    assert (act.kind, act.agent) == ("snoozed", "person")
    assert (None if act.until is None else act.until.timestamp() - NOW - 1.0) == seconds
    assert rig.room.board.rows["episode-A1"].state == "snoozed"
    assert "snoozed" not in rig.problem.outcome.deciding("person")


def test_a_snooze_can_be_undone() -> None:
    """The row is open again, and nothing is published."""
    rig = Rig()
    rig.take(enriched())
    rig.post("/v1/snooze", {"id": "snooze-1", "until": "hour", "keys": ["episode-A1"]})
    rig.post("/v1/undo", {"id": "snooze-1"})
    rig.tick(9.0)
    assert rig.published == []
    assert rig.room.board.rows["episode-A1"].state == "open"


def test_every_verdict_is_audited(caplog: pytest.LogCaptureFixture) -> None:
    """The log says who did what to how many rows and why, also what was refused."""
    caplog.set_level(logging.INFO, "noisegate.audit")
    rig = Rig()
    rig.take(enriched())
    rig.post("/v1/verdicts", verdict(reason="fixed"))
    rig.post("/v1/undo", {"id": "unknown-1"})
    given, refused = (vars(record)["fields"] for record in caplog.records if record.name == "noisegate.audit")
    assert (given["deed"], given["person"], given["rows"], given["reason"]) == ("acted", "p-local", 1, "fixed")
    assert (refused["deed"], refused["rows"]) == ("undo", 0)
    assert "published already" in refused["refused"]


def test_a_reason_can_be_required() -> None:
    """With the setting a verdict without a reason is refused, with a sentence."""
    rig = Rig(triage_reason_required=True)
    rig.take(enriched())
    answer = rig.post("/v1/verdicts", verdict())
    assert answer.status_code == 409
    assert "needs a reason" in answer.json()["error"]
    assert rig.post("/v1/verdicts", verdict(reason="known")).json()["count"] == 1


def test_kinds_that_decide_are_taken() -> None:
    """What the buttons write decides as the button says."""
    assert check_kinds(KINDS, parse_problem(PROBLEM), "problem.toml")["worked"] is True


@pytest.mark.parametrize(
    ("kinds", "problem", "mend"),
    [
        ({"acted": "fixed"}, "does not decide by it", 'actionable = ["worked", "remediated", "fixed"]'),
        ({"dismissed": "ignored"}, "does not decide by it", 'noise = ["dismissed", "resolved", "ignored"]'),
        ({"acted": "resolved"}, "counts that as noise", "actionable = "),
    ],
)
def test_kinds_that_do_not_decide_are_refused(kinds: dict[str, str], problem: str, mend: str) -> None:
    """A button that would teach nothing is refused at start, with the line to add to the problem file."""
    with pytest.raises(SettingsError) as error:
        check_kinds(KINDS | kinds, parse_problem(PROBLEM), "problem.toml")
    assert problem in error.value.problem
    assert mend in str(error.value.mend)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("now", "end"), [("2026-03-01T07:59", "2026-03-01T08:00"), ("2026-03-01T20:00", "2026-03-02T08:00")]
)
def test_the_end_of_the_shift(now: str, end: str) -> None:
    """The next end of a shift, of the next day where today's are over."""
    assert shift_end(datetime.fromisoformat(now), ["08:00", "20:00"]) == datetime.fromisoformat(end)
