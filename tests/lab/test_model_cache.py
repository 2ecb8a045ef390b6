"""Cached models are what training would write now, and are trained once."""

from pathlib import Path

from tests.lab.model_cache import cached_model, key_of


def test_a_changed_source_changes_the_key(tmp_path: Path) -> None:
    """A file with other content, or one file more, gives another key; the same content gives the same."""
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("trees = 200\n")
    second.write_text("")
    key = key_of([first, second])
    assert key_of([second, first]) == key
    assert key_of([first]) != key
    first.write_text("trees = 300\n")
    assert key_of([first, second]) != key
    first.write_text("trees = 200\n")
    assert key_of([first, second]) == key


def test_a_model_is_trained_once(tmp_path: Path) -> None:
    """Each caller gets a copy of its own, free to be damaged; a training that fails leaves nothing behind."""
    calls: list[Path] = []

    def train(out: Path) -> Path:
        calls.append(out)
        (out / "version").mkdir(parents=True)
        (out / "version" / "model").write_text("sound" if len(calls) > 1 else "half")
        if len(calls) == 1:
            raise OSError("the disk is full")
        return out / "version"

    for name in ("failed", "first", "second"):
        try:
            copied = cached_model("one", train, tmp_path / name, tmp_path / "cache")
        except OSError:
            continue
        assert (copied / "model").read_text() == "sound"
        (copied / "model").write_text("damaged")
    assert len(calls) == 2
