"""The differences between two versions, by their manifests."""

from typing import Any

import msgspec
from msgspec import Struct

from stream.models.manifest import Manifest

PRIORS_SHOWN = 10
_ABSENT = None


class Difference(Struct, frozen=True):
    """One thing that is not the same; None where a version lacks it."""

    name: str
    before: Any
    after: Any


def differences(before: Manifest, after: Manifest) -> dict[str, list[Difference]]:
    """By subject; a subject in which nothing differs has an empty list."""
    return {
        "problem": _of(_problem(before), _problem(after)),
        "features": _of(_features(before), _features(after)),
        "thresholds": _of(_fields(before.thresholds), _fields(after.thresholds)),
        "training": _of(_training(before), _training(after)),
        "params": _of({**before.training.params}, {**after.training.params}),
        "options": _of({**before.training.options}, {**after.training.options}),
        "calibration": _of(_fields(before.calibration), _fields(after.calibration)),
        "metrics": _of(_metrics(before), _metrics(after)),
        "priors": moved_priors(before, after),
    }


def moved_priors(before: Manifest, after: Manifest, most: int = PRIORS_SHOWN) -> list[Difference]:
    """The rates that both versions learnt and that moved most, the largest move first."""
    moved = [Difference("the global rate", before.priors.global_rate, after.priors.global_rate)]
    for key, table in before.priors.tables.items():
        theirs = after.priors.tables.get(key, {})
        moved += [Difference(f"{key} {value}", table[value], theirs[value]) for value in table.keys() & theirs.keys()]
    moved = [one for one in moved if one.before != one.after]
    return sorted(moved, key=lambda one: (-abs(one.after - one.before), one.name))[:most]


def _of(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    names = dict.fromkeys((*before, *after))
    pairs = [Difference(name, before.get(name, _ABSENT), after.get(name, _ABSENT)) for name in names]
    return [pair for pair in pairs if pair.before != pair.after]


def _fields(held: Struct) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(held)
    return fields


def _problem(manifest: Manifest) -> dict[str, Any]:
    return {"problem": f"{manifest.problem.name}@{manifest.problem.digest}", "labels": ", ".join(manifest.labels)}


def _features(manifest: Manifest) -> dict[str, Any]:
    return {feature.name: feature.version for feature in manifest.features}


def _training(manifest: Manifest) -> dict[str, Any]:
    training = _fields(manifest.training)
    apart = ("params", "options", "folds", "canaries", "fixed_thresholds", "command")
    return {name: value for name, value in training.items() if name not in apart}


def _metrics(manifest: Manifest) -> dict[str, Any]:
    metrics, gate = manifest.metrics, manifest.gate
    shown: dict[str, Any] = {"gate": None if gate is None else "passed" if gate.passed else "failed"}
    if metrics is not None:
        shown |= {"judged": metrics.judged, "label_rate": metrics.label_rate, **_fields(metrics.model)}
    return shown
