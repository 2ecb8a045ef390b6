"""Expressions of a mapping file: paths into a body, constants, templates; each gives one text, or nothing."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from stream.sources.texts import text_of

Step = str | int | tuple[str, str | None]
_STEP = re.compile(
    r'\.?(?:"(?P<quoted>[^"]+)"|(?P<key>[^.\[\]"{}]+))|\[(?P<index>\d+)\]|\[(?P<by>[^=:\]]+)=(?P<is>[^\]]*)\]|\[(?P<tag>[^=:\]]+):\]'
)
_HOLE = re.compile(r"\{([^{}]+)\}")
_HEADER = "header:"


class Path:
    """A path into a JSON value: `a.b`, `a."x.y"`, `a[0]`, or `a[name=host].value` for the first whose name is host.

    >>> Path('tags[tag=team].value').find({"tags": [{"tag": "env"}, {"tag": "team", "value": "payments"}]})
    'payments'

    `tags[team:]` is the first team of a text such as `env:prod,team:payments`.

    Raises:
        ValueError: the text is no path.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps: list[Step] = []
        place = 0
        while place < len(text):
            found = _STEP.match(text, place)
            if found is None:
                raise ValueError(f"{text!r} is no path; write a.b, a[0] or a[name=host].value")
            place = found.end()
            if found["index"]:
                self._steps.append(int(found["index"]))
            elif found["by"]:
                self._steps.append((found["by"], found["is"]))
            elif found["tag"]:
                self._steps.append((found["tag"], None))
            else:
                self._steps.append(found["quoted"] or found["key"])

    def find(self, value: Any) -> Any:
        """What stands there; None where nothing does."""
        for step in self._steps:
            value = _step(value, step)
            if value is None:
                return None
        return value

    def put(self, value: Any, new: Any) -> None:
        """Replace what stands there, below objects only; nothing where it does not exist."""
        for step in self._steps[:-1]:
            value = _step(value, step)
        if isinstance(value, dict) and self._steps and isinstance(self._steps[-1], str):
            value[self._steps[-1]] = new


class Expression:
    """What gives one text of a body.

    `=text` is a constant, `header:NAME` a header, a text with `{path}` a template that needs all its paths; all else is
    a path.

    >>> Expression("{host}/{service}").read({"host": "db-7", "service": "disk"}, {})
    'db-7/disk'

    Raises:
        ValueError: the text holds something that is no path.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._constant = text[1:] if text.startswith("=") else None
        self._header = text.removeprefix(_HEADER).lower() if text.startswith(_HEADER) else None
        self._paths: list[Path] = []
        self._literals: list[str] = []
        if self._constant is None and self._header is None:
            parts = _HOLE.split(text)
            self._literals = parts[0::2]
            if any(brace in literal for literal in self._literals for brace in "{}"):
                raise ValueError(f"{text!r} is no path: a brace in it opens or closes no {{path}}")
            self._paths = [Path(part) for part in parts[1::2]] or [Path(text)]

    def read(self, item: Any, headers: Mapping[str, str]) -> str | None:
        """The text; None where something of it is not there or is no text, number or truth value."""
        if self._constant is not None:
            return self._constant
        if self._header is not None:
            return headers.get(self._header)
        texts = [text_of(path.find(item)) for path in self._paths]
        if any(text is None for text in texts):
            return None
        if len(self._literals) == 1:
            return texts[0]
        filled = [part for pair in zip(self._literals, [*texts, ""], strict=True) for part in pair]
        return "".join(str(part) for part in filled)


def expressions(texts: str | Sequence[str]) -> list[Expression]:
    """The expression, or the expressions of which the first that gives something counts."""
    return [Expression(text) for text in ([texts] if isinstance(texts, str) else texts)]


def _step(value: Any, step: Step) -> Any:
    if isinstance(step, str):
        return value.get(step) if isinstance(value, dict) else None
    if isinstance(step, tuple) and step[1] is None:
        return _tag(value, step[0]) if isinstance(value, str) else None
    if not isinstance(value, list):
        return None
    if isinstance(step, int):
        return value[step] if step < len(value) else None
    key, wanted = step
    return next((one for one in value if isinstance(one, dict) and text_of(one.get(key)) == wanted), None)


def _tag(text: str, key: str) -> str | None:
    tags = (tag.strip() for tag in text.split(","))
    return next((tag.removeprefix(f"{key}:") for tag in tags if tag.startswith(f"{key}:")), None)
