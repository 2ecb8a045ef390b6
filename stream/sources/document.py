"""A JSON document of which nothing is certain: its fields by name, of the type that is wanted or not there."""

from collections.abc import Iterator, Mapping
from typing import Any

from stream.core import limits
from stream.sources.missing import MissingValues
from stream.sources.parsed import Unusable

_LARGEST = 10**limits.DIGITS  # writing out a number of many digits takes the square of their count


class Document:
    """An object of a JSON document, or an empty one where something else stands.

    Args:
        value: what stands there.
        where: its place, for errors; empty where it is the body.
        missing: texts that stand for no value.
    """

    def __init__(self, value: Any, where: str = "", missing: MissingValues | None = None) -> None:
        self.fields: Mapping[str, Any] = value if isinstance(value, dict) else {}
        self.where = where
        self._missing = missing or MissingValues()

    def place(self, name: str) -> str:
        """Where a field stands in the body, for errors."""
        return f"{self.where}.{name}" if self.where else name

    def inner(self, name: str) -> "Document":
        """An object in a field; an empty one where there is none."""
        return Document(self.fields.get(name), self.place(name), self._missing)

    def inners(self, name: str) -> Iterator["Document"]:
        """The objects of a list, of which at most `limits.LISTED` are read; what else it holds is passed over."""
        listed = self.fields.get(name)
        for number, value in enumerate(listed[: limits.LISTED] if isinstance(listed, list) else ()):
            if isinstance(value, dict):
                yield Document(value, f"{self.place(name)}[{number}]", self._missing)

    def texts(self, name: str) -> Iterator[str]:
        """The texts of a list, of which at most `limits.LISTED` are read."""
        listed = self.fields.get(name)
        for value in listed[: limits.LISTED] if isinstance(listed, list) else ():
            text = self.usable(value)
            if text is not None:
                yield text

    def text(self, name: str, longest: int = limits.NAME_LENGTH) -> str | None:
        """A text without blanks around it; None where it is missing, too long or holds NUL. Numbers count as texts."""
        return self.usable(self.fields.get(name), longest)

    def usable(self, value: Any, longest: int = limits.NAME_LENGTH) -> str | None:
        """A value as such a text."""
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST:
            value = repr(value)
        if not isinstance(value, str) or len(value) > longest or "\0" in value or self._missing.holds(value):
            return None
        return value.strip()

    def title(self, name: str) -> tuple[str | None, bool]:
        """A text that people only read, without NUL and cut at its limit; and whether anything of it was lost."""
        value = self.fields.get(name)
        if not isinstance(value, str) or self._missing.is_whole(value):
            return None, False
        clean = value.replace("\0", " ")[: limits.TITLE_LENGTH].strip()
        return clean or None, len(value) > limits.TITLE_LENGTH or "\0" in value

    def id(self, name: str) -> str:
        """A text that identifies.

        Raises:
            Unusable: reason `missing`, `too_long`, `nul` or `bad_field`.
        """
        where, value = self.place(name), self.fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if abs(value) < _LARGEST else "9" * (limits.ID_LENGTH + 1)
        if value is None or value == "":
            raise Unusable(where, "missing", f"`{where}` is not there; it says which alert is meant")
        if not isinstance(value, str):
            raise Unusable(where, "bad_field", f"`{where}` is no text")
        if len(value) > limits.ID_LENGTH:
            raise Unusable(where, "too_long", f"`{where}` has {len(value)} characters, at most {limits.ID_LENGTH} fit")
        if "\0" in value:
            raise Unusable(where, "nul", f"`{where}` holds the character NUL, which no name may")
        if self._missing.holds(value):
            raise Unusable(where, "missing", f"`{where}` is {value[:40]!r}, which stands for no value")
        return value.strip()
