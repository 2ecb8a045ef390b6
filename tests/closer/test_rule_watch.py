"""The rules in use: files that change, break and are mended while the closer runs."""

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from stream.closer.rule_watch import RuleWatch
from stream.core.errors import RulesError
from stream.metrics.closer import CloserMetrics

RULE = '[[rule]]\nname = "{0}"\nowner = "payments"\nmatch = {{ rule = "disk_*" }}\nmax_probability = 0.1\n'
BROKEN = RULE.format("disks").replace("0.1", "7")


def names(watch: RuleWatch) -> list[str]:
    """The rules in use."""
    return [one.rule.name for one in watch.rules.rules]


def shown_fault(watch: RuleWatch) -> str | None:
    """Why the rules are not those of the files."""
    return watch.fault


def test_a_closer_without_rules_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """It runs, and its share of the alerts meets no rule, which nobody would see otherwise."""
    with caplog.at_level(logging.WARNING):
        watch = RuleWatch([], CloserMetrics())
    assert names(watch) == []
    assert ["set closer_rules" in one.message for one in caplog.records] == [True]


@pytest.mark.expects_errors
def test_a_broken_file_keeps_the_last_good_rules_and_rings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once in the log, and in the gauge as long as it is broken; a mended file is taken."""
    file, metrics = tmp_path / "a.toml", CloserMetrics()
    file.write_text(RULE.format("disks"))
    watch = RuleWatch([tmp_path], metrics)
    valid = metrics.rule_files_valid.collect
    assert not watch.look()
    file.write_text(BROKEN)
    with caplog.at_level(logging.ERROR):
        assert not watch.look()
        assert not watch.look()
    assert names(watch) == ["disks"]
    assert f"{file}:5" in (shown_fault(watch) or "")
    assert len(caplog.records) == 1
    assert [one.value for one in valid()[0].samples] == [0]  # type: ignore[index]  # it is a list
    file.write_text(RULE.format("disks") + RULE.format("more"))
    assert watch.look()
    assert names(watch) == ["disks", "more"]
    assert shown_fault(watch) is None
    assert [one.value for one in valid()[0].samples] == [1]  # type: ignore[index]


@pytest.mark.expects_errors
def test_a_file_that_is_as_before_it_broke_is_good_again(tmp_path: Path) -> None:
    """The same rules go on; a folder that is gone rings as well."""
    file = tmp_path / "a.toml"
    file.write_text(RULE.format("disks"))
    watch = RuleWatch([tmp_path], CloserMetrics())
    file.unlink()
    watch.look()
    assert shown_fault(watch) is not None
    file.write_text(RULE.format("disks"))
    watch.look()
    assert names(watch) == ["disks"]
    assert shown_fault(watch) is None


@pytest.mark.expects_errors
def test_a_start_with_broken_files_goes_on_by_the_last_good_ones(tmp_path: Path) -> None:
    """They were kept when they were read, so that what is suppressed comes back and no rule is disarmed."""
    file, kept = tmp_path / "a.toml", list[Mapping[str, str]]()
    file.write_text(RULE.format("disks"))
    RuleWatch([file], CloserMetrics(), kept.append).look()
    assert kept == [{str(file): RULE.format("disks")}]
    file.write_text(BROKEN)
    watch = RuleWatch([file], CloserMetrics(), kept.append, lambda: kept[-1])
    assert names(watch) == ["disks"]
    assert watch.fault is not None
    watch.look()
    assert len(kept) == 1
    with pytest.raises(RulesError, match="max_probability"):
        RuleWatch([file], CloserMetrics())


def test_files_that_could_not_be_kept_are_kept_later(tmp_path: Path) -> None:
    """Redis may be away when they change."""
    calls = list[int]()

    def keep(files: Mapping[str, str]) -> None:
        calls.append(len(files))
        if len(calls) == 1:
            raise RulesError("Redis does not answer")

    (tmp_path / "a.toml").write_text(RULE.format("disks"))
    watch = RuleWatch([tmp_path], CloserMetrics(), keep)
    for _ in range(3):
        watch.look()
    assert calls == [1, 1]


def test_without_files_there_are_no_rules() -> None:
    """Nothing is decided then, and nothing rings."""
    watch = RuleWatch([], CloserMetrics())
    assert (names(watch), watch.look(), watch.fault) == ([], False, None)


@pytest.mark.parametrize("half", ["", RULE.format("disks"), RULE.format("disks") + RULE.format("more")])
def test_a_file_that_is_being_written_disarms_no_rule(tmp_path: Path, half: str) -> None:
    """Half of a file may be TOML: it would take rules away, or make them other versions, whose proof is lost then."""
    file, whole = tmp_path / "a.toml", RULE.format("disks") + RULE.format("more") + "risk = 0.1\n"
    file.write_text(whole)
    watch = RuleWatch([file], CloserMetrics())
    before = watch.rules
    file.write_text(half)
    assert not watch.look()
    file.write_text(whole)
    assert not watch.look()
    assert watch.rules is before
    file.write_text(half)
    assert not watch.look()
    assert watch.look()
    assert names(watch) == ["disks", "more"][: half.count("[[rule]]")]
