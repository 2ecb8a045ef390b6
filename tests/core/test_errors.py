"""Errors carry problem and mend apart; as text they are one sentence."""

import ast
import pickle
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import stream
from stream.core import errors
from stream.core.errors import Fault, HistoryDamaged, ModelError, NoisegateError

OURS = {name for name, of in vars(errors).items() if isinstance(of, type) and issubclass(of, errors.NoisegateError)}
MENDS = re.compile(r"; (start|set|run|use|see|write|allow|look|wait|give|name|correct|stop|install|put|let|take|try)\b")
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


HEADERS = {"sources/body.py", "triage/auth.py"}  # HTTP headers have semicolons, too


@pytest.mark.slow
def test_no_code_takes_a_message_apart() -> None:
    """Nowhere is a sentence split at its semicolon: the mend is an attribute of the error."""
    root = Path(stream.__file__).parent
    found = {
        path.relative_to(root).as_posix(): lines
        for path in root.rglob("*.py")
        if path.relative_to(root).as_posix() not in HEADERS
        and (lines := splits_at_semicolon(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def flattened(source: str) -> list[int]:
    """The lines that raise an error of ours with one text that goes on with a mend: nobody could show it apart."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and node.exc.func.id in OURS
        and len(node.exc.args) == 1
        and any(
            isinstance(one, ast.Constant) and isinstance(one.value, str) and MENDS.search(one.value)
            for one in ast.walk(node.exc.args[0])
        )
    ]


@pytest.mark.parametrize("source", ['raise ModelError("no; run it")', 'raise LabError(f"{a}; set b")'])
def test_a_mend_inside_the_problem_is_found(source: str) -> None:
    """The check below sees an error whose mend is part of its problem."""
    assert flattened(source) == [1]


@pytest.mark.slow
def test_no_error_hides_its_mend_in_its_problem() -> None:
    """Whoever shows problem and mend apart, such as doctor, finds both."""
    root = Path(stream.__file__).parent
    found = {
        path.relative_to(root).as_posix(): lines
        for path in root.rglob("*.py")
        if (lines := flattened(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_docstrings_name_modules_that_there_are() -> None:
    """A dotted name of the project in a docstring or comment leads somewhere."""
    root = Path(stream.__file__).parent.parent
    missing = {
        f"{path.relative_to(root)}: {name}"
        for path in (root / "stream").rglob("*.py")
        for name in re.findall(r"`(stream(?:\.\w+)+)`", path.read_text(encoding="utf-8"))
        if not leads_somewhere(name)
    }
    assert missing == set()


def leads_somewhere(name: str) -> bool:
    """Whether it is a module, or something in one."""
    parts = name.split(".")
    found: object = import_module(parts[0])
    for length, part in enumerate(parts[1:], 2):
        if not hasattr(found, part) and hasattr(found, "__path__") and find_spec(".".join(parts[:length])) is not None:
            import_module(".".join(parts[:length]))
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True
