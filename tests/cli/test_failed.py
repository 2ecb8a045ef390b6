"""`noisegate failed`: what could not be used is listed, and what can be is sent again."""

from tests.cli.conftest import BAD, Run, Scored, await_folded


def test_every_bad_record_is_listed_with_its_reason(run: Run, scored: Scored) -> None:
    """Each kind of bad input is there once, with coordinates, length and value; a value too large is cut."""
    told = run("failed", "list", "--json", "--limit", "100", env=scored.env).json
    assert {reason: told["counts"][reason] for reason in BAD} == dict.fromkeys(BAD, 1)
    records = {record["reason"]: record for record in told["failed"]}
    assert records["not_json"]["value"] == "{"
    assert (records["too_large"]["length"], records["too_large"]["cut"]) == (300_000, True)
    assert records["misrouted"]["topic"] == "alerts.events"
    assert records["misrouted"]["offset"] >= 0


def test_list_is_limited_and_filtered(run: Run, scored: Scored) -> None:
    """--limit shows the newest, --reason one kind; people get a table."""
    told = run("failed", "list", "--json", "--limit", "2", env=scored.env).json
    assert len(told["failed"]) == 2
    one = run("failed", "list", "--json", "--reason", "not_json", env=scored.env).json
    assert one["counts"] == {"not_json": 1}
    assert "too_large" in run("failed", "list", env=scored.env).out
    assert "no failed records" in run("failed", "list", "--reason", "nul", env=scored.env).out


def test_dry_run_sends_nothing(run: Run, scored: Scored) -> None:
    """A dry run counts what could be sent, and what can't be, by why."""
    before = scored.stack.scorer.folded()
    told = run("failed", "replay", "--dry-run", "--json", env=scored.env).json
    assert told["replayed"] >= 1
    assert (told["cut"], told["unreadable"]) == (1, 3)
    assert scored.stack.scorer.folded() == before


def test_misrouted_record_goes_right(run: Run, scored: Scored) -> None:
    """A record sent into the wrong partition is sent again into its team's, and then scored."""
    before = scored.stack.scorer.folded()
    told = run("failed", "replay", "--reason", "misrouted", "--json", env=scored.env).json
    assert (told["replayed"], told["cut"], told["unreadable"]) == (1, 0, 0)
    await_folded(scored.stack, before + 1)
    assert "LOST-1" in run("tail", "enriched", "--until-idle", "1", env=scored.env).out
    said = run("failed", "replay", "--reason", "too_large", env=scored.env).out
    assert "can't be replayed" in said
