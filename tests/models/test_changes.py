"""The log of changes tells what a rollback restores, whatever was done, also by hand."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from stream.models.changes import Change, before_last, challenged_since, decode_change, encode_change, name_of, who
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer

START = datetime(2026, 1, 1, tzinfo=UTC)


class Deployment:
    """A pointer that is promoted, rolled back and written by hand, its log, and what a person would expect of it."""

    def __init__(self) -> None:
        self.now: Pointer | None = None
        self.log: list[Change] = []
        self.past: list[Pointer] = []

    def note(self, verb: str, after: Pointer | None, pointer: str = CHAMPION) -> None:
        """Write a change into the log."""
        at = START + timedelta(seconds=len(self.log))
        change = Change(at=at, who="a@b", verb=verb, pointer=pointer, before=self.now, after=after)  # type: ignore[arg-type]
        self.log.append(change)

    def promote(self, version: str) -> None:
        """As the verb does."""
        if self.now is not None:
            self.past.append(self.now)
        self.note("promote", Pointer(version))
        self.now = Pointer(version)

    def by_hand(self, version: str) -> None:
        """Written by a person: nothing is noted."""
        if self.now is not None and self.log:
            self.past.append(self.now)
        self.now = Pointer(version)

    def rollback(self) -> Pointer | None:
        """As the verb does; None where it is refused."""
        target = before_last(self.log, self.now)
        if target is not None:
            self.note("rollback", target)
            self.now = target
        return target


@given(st.lists(st.sampled_from(["promote", "rollback", "challenge"]), max_size=30))
def test_rollbacks_undo_promotions_one_by_one(verbs: list[str]) -> None:
    """After any moves the next rollback restores what was there before; at the end it is refused."""
    deployment = Deployment()
    for number, verb in enumerate(verbs):
        if verb == "promote":
            deployment.promote(f"2026-01-01-{number:04x}")
        elif verb == "challenge":
            deployment.note("challenge", Pointer("2026-09-09-ffff"), CHALLENGER)
        else:
            expected = deployment.past.pop() if deployment.past else None
            assert deployment.rollback() == expected
    while deployment.past:
        assert deployment.rollback() == deployment.past.pop()
    assert deployment.rollback() is None


@given(st.lists(st.sampled_from(["promote", "by_hand"]), min_size=1, max_size=12))
def test_what_was_written_by_hand_is_undone_too(verbs: list[str]) -> None:
    """A pointer that a person wrote counts as a change, as soon as the log has begun and sees it."""
    deployment = Deployment()
    deployment.promote("2026-01-01-eeee")
    seen: list[Pointer] = []
    for number, verb in enumerate(verbs):
        if deployment.now is not None and (verb == "promote" or verbs[number - 1 : number] != ["by_hand"]):
            seen.append(deployment.now)  # of several written by hand in a row only the last is ever seen
        getattr(deployment, verb)(f"2026-01-01-{number:04x}")
    for expected in reversed(seen):
        assert deployment.rollback() == expected
    assert deployment.rollback() is None


def test_a_pointer_of_rubbish_is_rolled_back_to_what_was_known() -> None:
    """What can't be understood is undone to what was promoted last."""
    deployment = Deployment()
    deployment.promote("2026-01-01-aaaa")
    deployment.promote("2026-01-01-bbbb")
    assert before_last(deployment.log, None) == Pointer("2026-01-01-bbbb")
    assert before_last([], None) is None
    assert before_last([], Pointer("2026-01-01-aaaa")) is None


def test_a_challenge_is_found_by_its_last_time() -> None:
    """Since when a version serves as challenger."""
    changes = [
        Change(at=START + timedelta(days=day), who="a@b", verb="challenge", version=version)
        for day, version in enumerate(["v", "w", "v", "w"])
    ]
    assert challenged_since(changes, "v") == (START + timedelta(days=2)).timestamp()
    assert challenged_since(changes, "x") is None


def test_changes_come_back_and_rubbish_does_not() -> None:
    """A change on disk is the change; anything else is None; names sort by time; who is user@host."""
    change = Change(
        at=START,
        who=who(),
        verb="promote",
        version="v",
        pointer=CHAMPION,
        after=Pointer("v", {"b": "w", "a": "v"}),
        forced=True,
    )
    assert decode_change(encode_change(change)) == change
    assert decode_change(encode_change(change)[:-10]) is None
    assert decode_change(b"[" * 100_000) is None
    later = Change(at=START + timedelta(microseconds=1), who="", verb="rollback")
    assert name_of(change) < name_of(later)
    assert who().count("@") == 1
