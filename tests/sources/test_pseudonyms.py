"""People are told apart by pseudonyms that only who has the key can make."""

import math
import multiprocessing
import stat
from pathlib import Path

import pytest

from stream.core.errors import SettingsError
from stream.sources.pseudonyms import DIGITS, Pseudonyms, load_key

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))


def test_the_same_person_is_the_same_pseudonym() -> None:
    """By key, source and account; case and blanks around do not count."""
    people = Pseudonyms(KEY)
    assert people.of("opsgenie", "Kim.Berg@example.org ") == people.of("opsgenie", "kim.berg@example.org")
    assert people.maker("opsgenie")("kim.berg@example.org") == people.of("opsgenie", "kim.berg@example.org")
    found = {
        people.of("opsgenie", "kim.berg@example.org"),
        people.of("opsgenie", "kim.berg@example.com"),
        people.of("pagerduty", "kim.berg@example.org"),
        Pseudonyms(OTHER_KEY).of("opsgenie", "kim.berg@example.org"),
    }
    assert len(found) == 4
    assert all(len(one) == DIGITS and int(one, 16) >= 0 for one in found)


def test_how_many_people_fit() -> None:
    """Ten digits: two of 148,665 people have the same with a chance of 1 %, as the module says."""
    space = 16**DIGITS

    def collision(people: int) -> float:
        return 1 - math.exp(-people * (people - 1) / 2 / space)

    assert collision(148_664) < 0.01 <= collision(148_665)
    assert collision(10_000) == pytest.approx(4.5e-5, rel=0.02)


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """Where there is none: whole, for its owner's eyes only, and a sentence says so; the next time it is read."""
    path = tmp_path / "keys" / "pseudonym.key"
    first, second = load_key(path), load_key(path)
    assert (first.made, second.made) == (True, False)
    assert first.key == second.key
    assert len(first.key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in first.sentence
    assert not second.sentence
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_key_that_others_can_read_is_told(tmp_path: Path) -> None:
    """It is used, since secrets are mounted so in places, and a sentence says how to close it."""
    path = tmp_path / "key"
    load_key(path)
    path.chmod(0o644)
    assert f"chmod 600 {path}" in load_key(path).sentence


@pytest.mark.parametrize("content", ["", "abc", "x" * 64, "A" * 64, "a" * 63, "a" * 65, "\0" * 64])
def test_what_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    """A file with anything else is not overwritten and not used."""
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(SettingsError, match="64 hex digits"):
        load_key(path)
    assert path.read_text() == content


def test_a_place_that_can_not_be_written(tmp_path: Path) -> None:
    """One sentence names the setting, the file and why."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match=r"pseudonym_key = .*file/key"):
        load_key(tmp_path / "file" / "key")
    with pytest.raises(SettingsError, match="can't be read: "):
        load_key(tmp_path)


def _load(path: Path) -> bytes:
    return load_key(path).key


@pytest.mark.slow
def test_processes_that_start_together_have_one_key(tmp_path: Path) -> None:
    """Whoever is first makes it; no process reads half a key, or has another."""
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert len(set(pool.map(_load, [tmp_path / "key"] * 12, chunksize=1))) == 1
