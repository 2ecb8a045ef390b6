"""Labels and annotations of one alert: what is kept of them, and what they say of team, rule, entity and title."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from stream.core import limits
from stream.sources.fingerprint import OUR_LABEL
from stream.sources.missing import MissingValues
from stream.sources.options import SourceOptions
from stream.sources.parsed import Description
from stream.sources.texts import cut_title, strip_port, text_of


class Labels(Struct, frozen=True):
    """The labels of one alert.

    Attributes:
        whole: all that are texts; what tells alerts apart, and where places are looked up.
        kept: those within the limits, which go on with the alert.
        left_out: a sentence where some are not kept; empty where all are.
    """

    whole: Mapping[str, str]
    kept: Mapping[str, str]
    left_out: str = ""


class LabelReader:
    """Reads labels by the options of one source.

    Args:
        options: of the source.
        missing: texts that stand for no value; default: those of the options.
    """

    def __init__(self, options: SourceOptions, missing: MissingValues | None = None) -> None:
        self._options = options
        self._missing = missing or _missing_values(options.missing)

    def read(self, labels: Mapping[str, Any]) -> Labels:
        """The labels as texts: numbers and true as JSON writes them, lists and objects left out, empty ones dropped."""
        whole: dict[str, str] = {}
        dropped: list[str] = []
        for name, value in labels.items():
            text = text_of(value)
            if text is None and value is not None:
                dropped.append(name)
            elif text and name and name != OUR_LABEL:
                whole[name] = text
        if len(whole) > limits.BODY_LABELS:
            names = sorted(whole)  # the same ones, in whatever order they come
            dropped += names[limits.BODY_LABELS :]
            whole = {name: whole[name] for name in names[: limits.BODY_LABELS]}
        kept = {name: text for name, text in whole.items() if _fits(name, text)}
        if len(kept) > limits.LABELS:
            first = self._kept_first()
            order = [*(name for name in first if name in kept), *(name for name in kept if name not in first)]
            kept = {name: kept[name] for name in order[: limits.LABELS]}
        dropped += [name for name in whole if name not in kept]
        return Labels(whole, kept, _left_out(dropped) if dropped else "")

    def describe(
        self, labels: Labels, annotations: Mapping[str, Any], at: float, rule: str | None = None
    ) -> Description:
        """What labels and annotations say of an alert that was raised at `at`; `rule` goes before the places'."""
        title, cut = cut_title(self._first_text(labels, annotations, self._options.title, 0))
        return Description(
            at=at,
            owners=self._owners(labels, annotations),
            rule=rule or self._first_text(labels, annotations, self._options.rule),
            entity=self._entity(labels, annotations),
            severity=self._first_text(labels, annotations, self._options.severity),
            title=title,
            labels=labels.kept,
            cut=cut or bool(labels.left_out),
        )

    def usable(self, text: str | None, longest: int = limits.NAME_LENGTH) -> str | None:
        """The text without blanks around it; None where it stands for no value, is too long or holds NUL.

        With `longest` 0 it is a text that people read: of any length, and it may quote a template.
        """
        if text is None:
            return None
        if not longest:
            return None if self._missing.is_whole(text) else text.strip()
        return None if self._missing.holds(text) or len(text) > longest or "\0" in text else text.strip()

    def _kept_first(self) -> dict[str, None]:
        """Names of labels that are kept before others: those that are listed, and those that places name."""
        keys = ("team", "rule", "entity", "severity")
        named = (place.partition(":")[2] for key in keys for place in _of(self._options, key))
        return dict.fromkeys([*self._options.labels_first, *named])

    def _owners(self, labels: Labels, annotations: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        found = ((place, _value(place, labels, annotations)) for place in self._options.team)
        return tuple((place, text) for place, text in found if text is not None)

    def _entity(self, labels: Labels, annotations: Mapping[str, Any]) -> str | None:
        text = self._first_text(labels, annotations, self._options.entity)
        return strip_port(text) if text is not None and self._options.strip_port else text

    def _first_text(
        self, labels: Labels, annotations: Mapping[str, Any], places: tuple[str, ...], longest: int = limits.NAME_LENGTH
    ) -> str | None:
        for place in places:
            text = self.usable(_value(place, labels, annotations), longest)
            if text is not None:
                return text
        return None


@lru_cache(maxsize=64)
def _missing_values(patterns: tuple[str, ...]) -> MissingValues:
    """Made once for each list of patterns, and not for each body."""
    return MissingValues(patterns)


def _of(options: SourceOptions, key: str) -> tuple[str, ...]:
    places: tuple[str, ...] = getattr(options, key)
    return tuple(place for place in places if place.startswith("label:"))


def _value(place: str, labels: Labels, annotations: Mapping[str, Any]) -> str | None:
    where, _, name = place.partition(":")
    return labels.whole.get(name) if where == "label" else text_of(annotations.get(name))


def _fits(name: str, text: str) -> bool:
    if len(name) > limits.LABEL_KEY_LENGTH or len(text) > limits.LABEL_VALUE_LENGTH:
        return False
    return "\0" not in text and "\0" not in name


def _left_out(names: list[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} labels are left out, over a limit or no text: {shown}"
