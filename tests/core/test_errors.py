"""Errors carry problem and mend apart; as text they are one sentence."""

import ast
import pickle
from pathlib import Path

import pytest

import stream
from stream.core.errors import Fault, HistoryDamaged, ModelError, NoisegateError

SPLITTERS = {"split", "rsplit", "partition", "rpartition", "index", "rindex", "find", "rfind"}


def splits_at_semicolon(source: str) -> list[int]:
    """The lines in which a text is taken apart at a semicolon."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in SPLITTERS
        and any(isinstance(one, ast.Constant) and isinstance(one.value, str) and ";" in one.value for one in node.args)
    ]


def test_problem_and_mend_make_one_sentence() -> None:
    """The text of an error with a mend, and of one without."""
    error = ModelError("the model is damaged", "train it again")
    assert (error.problem, error.mend) == ("the model is damaged", "train it again")
    assert str(error) == str(Fault(error.problem, error.mend)) == "the model is damaged; train it again"
    assert (str(NoisegateError("no")), NoisegateError("no").mend) == ("no", None)


def test_a_damaged_history_has_its_mend_apart() -> None:
    """An error with coordinates of its own carries problem and mend as well."""
    error = HistoryDamaged("alerts.events", 3, "its meta is cut")
    assert error.problem == "alerts.events/3: its meta is cut"
    assert error.mend == "run `noisegate history rebuild`"


def test_an_error_survives_another_process() -> None:
    """Pickled and read back it has the same text, problem and mend."""
    again = pickle.loads(pickle.dumps(ModelError("the model is damaged", "train it again")))
    assert (str(again), again.problem, again.mend) == (
        "the model is damaged; train it again",
        "the model is damaged",
        "train it again",
    )


@pytest.mark.parametrize("source", ['str(e).partition("; ")', 'a.b.rsplit("; ", 1)', "text.find(';')"])
def test_a_split_at_a_semicolon_is_found(source: str) -> None:
    """The check below sees a message that is taken apart."""
    assert splits_at_semicolon(source) == [1]


def test_no_code_takes_a_message_apart() -> None:
    """Nowhere is a sentence split at its semicolon: the mend is an attribute of the error."""
    root = Path(stream.__file__).parent
    found = {
        path.relative_to(root).as_posix(): lines
        for path in root.rglob("*.py")
        if (lines := splits_at_semicolon(path.read_text(encoding="utf-8")))
    }
    assert found == {}
