"""Texts that stand for no value: what templates leave behind when nothing fills them."""

from collections.abc import Sequence

MISSING = (
    *("<no value>", "[no value]", "null", "(null)", "undefined", "*UNKNOWN*", "-- None --"),
    *("{{...}}", "${...}"),
)


class MissingValues:
    """Which texts count as no value.

    Args:
        patterns: texts, of any case; one that holds `...` stands for every text that holds what is before and after it.

    >>> missing = MissingValues(["<no value>", "{{...}}"])
    >>> [text for text in ("<NO VALUE>", " ", "team-{{ $labels.team }}", "{{", "payments") if missing.holds(text)]
    ['<NO VALUE>', ' ', 'team-{{ $labels.team }}']
    """

    def __init__(self, patterns: Sequence[str] = MISSING) -> None:
        self._whole = frozenset(pattern.casefold() for pattern in patterns if "..." not in pattern)
        self._around = [pattern.split("...", 1) for pattern in patterns if "..." in pattern]

    def holds(self, text: str) -> bool:
        """Whether the text stands for no value; blank text always does."""
        text = text.strip()
        if self.is_whole(text):
            return True
        for before, after in self._around:
            start = text.find(before)
            if start >= 0 and text.find(after, start + len(before)) >= 0:
                return True
        return False

    def is_whole(self, text: str) -> bool:
        """Whether the text is blank or one of the texts without `...`: for titles, which may quote a template."""
        return not text or text.isspace() or text.strip().casefold() in self._whole
