"""Features of installed packages: what the entry points of the group `noisegate.features` give, beside core's table.

An entry point names a sequence of `Feature`, or a function that returns one. Each name begins with the entry point's
and a dot, so that packages can't take each other's names or core's.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import get_args, get_type_hints

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from stream.core import state
from stream.core.errors import ModelError, ModelMismatch, NoisegateError, first_line
from stream.core.features import Feature, compute
from stream.core.frame import Array, Decayed, Frame, level_index
from stream.core.titles import SIDES, TITLE

log = logging.getLogger(__name__)

GROUP = "noisegate.features"
GROUPS = ("history", "alert", "time", "load")
_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\Z")
_OURS = ("team", "prior", "label", "title")  # what names of core's features begin with
_TAKEN = ("rate_", "decided_", "raised_", "last_", "hours_since_", "open")  # what their last parts begin with
_WATCH = get_args(get_type_hints(Feature)["watch"])
_LARGEST = float(np.finfo(np.float32).max)


class AddedFeatures(Struct, frozen=True):
    """The features that packages add, in the order of their entry points, and a sentence on each that can't be used."""

    features: tuple[Feature, ...] = ()
    faults: tuple[str, ...] = ()


@cache
def added_features() -> AddedFeatures:
    """Those of the packages that are installed here, read once; what is wrong with one is logged."""
    found = read_features(entry_points(group=GROUP))
    for fault in found.faults:
        log.warning("%s; models that need its features are refused", fault)
    return found


def read_features(points: Iterable[EntryPoint]) -> AddedFeatures:
    """The features that these entry points give; one that fails gives none."""
    features: list[Feature] = []
    faults: list[str] = []
    for point in sorted(points, key=lambda one: (one.name, one.value)):
        where = f"the entry point {point.name} = {point.value} of {GROUP}"
        try:
            given = _load(point)
            names = {feature.name for feature in features}
            for feature in given:
                _check(feature, point.name, names)
                names.add(feature.name)
        except MemoryError:
            raise
        except NoisegateError as error:
            faults.append(f"{where}: {error}")
        except Exception as error:  # whatever a package raises
            faults.append(f"{where} can't be loaded: {first_line(error)}")
        else:
            features += [replace(feature, of=_guarded(feature)) for feature in given]
    return AddedFeatures(tuple(features), tuple(faults))


def require_sound(found: AddedFeatures) -> Sequence[Feature]:
    """The features, where no package failed: a training without the features that one expects would mislead.

    Raises:
        ModelError: a package failed.
    """
    if found.faults:
        raise ModelError(found.faults[0], "mend or remove the package")
    return found.features


def try_features(mine: Sequence[Feature], labels: Sequence[str], priors: Iterable[str]) -> None:
    """Compute added features over two alerts without history, so that what can't work is refused before it serves.

    Raises:
        ModelMismatch: one fails, or changes the frame.
    """
    if not mine:
        return
    keys = [side for key in priors for side in (SIDES if key == TITLE else (key,))]
    rows = np.full((2, 1 + state.WIDTH * len(level_index(tuple(labels)))), np.nan)
    rows[:, 0] = (1_767_225_600.0, 1_767_229_200.0)
    decayed = Decayed(rows)
    frame = Frame(decayed, {key: np.full(2, 0.5) for key in keys}, 0.5, labels)
    before = decayed.counts.tobytes(), decayed.levels.tobytes(), decayed.at.tobytes()
    try:
        compute(frame, mine)
    except ModelError as error:
        raise ModelMismatch(error.problem, error.mend) from None
    if before != (decayed.counts.tobytes(), decayed.levels.tobytes(), decayed.at.tobytes()):
        raise ModelMismatch(f"one of the features {', '.join(one.name for one in mine)} changes the frame it reads")


def _load(point: EntryPoint) -> list[Feature]:
    given = point.load()
    if callable(given):
        given = given()
    if not isinstance(given, Sequence) or not all(isinstance(one, Feature) for one in given):
        raise ModelError("gives no sequence of stream.core.features.Feature")
    return list(given)


def _check(feature: Feature, prefix: str, taken: set[str]) -> None:
    """Hold a feature to what the table, drift and reasons rest on."""
    name = feature.name
    if not _NAME.match(name) or not name.startswith(f"{prefix}."):
        raise ModelError(f"the feature {name!r} must be named `{prefix}.` and a word of a-z, 0-9 and _")
    if name.startswith(_OURS) or name.partition(".")[2].startswith(_TAKEN):
        raise ModelError(f"the name {name!r} begins or ends as core's do, which have a meaning of their own")
    if name in taken:
        raise ModelError(f"the feature {name!r} is there twice")
    if feature.group not in GROUPS or feature.watch not in _WATCH or feature.monotone not in (-1, 0, 1):
        raise ModelError(
            f"the feature {name!r} must have a group of {', '.join(GROUPS)}, watch {' or '.join(_WATCH)}, and monotone "
            "-1, 0 or 1"
        )
    if feature.version < 1 or not feature.unit or not feature.meaning or not callable(feature.of):
        raise ModelError(f"the feature {name!r} lacks its unit, meaning or definition, or a version from 1 on")


def _guarded(feature: Feature) -> Callable[[Frame], Array]:
    """Its definition, held to one float64 an alert; what float32 can't hold is not known (NaN)."""

    def definition(frame: Frame) -> Array:
        try:
            values = np.asarray(feature.of(frame), dtype=np.float64)
        except MemoryError:
            raise
        except Exception as error:  # whatever a package raises
            raise ModelError(
                f"the feature {feature.name} failed: {type(error).__name__}: {first_line(error)}"
            ) from error
        if values.shape != (len(frame.at),):
            raise ModelError(f"the feature {feature.name} gave {values.shape} for {len(frame.at)} alerts")
        return np.where(np.abs(values) <= _LARGEST, values, np.nan)

    return definition
