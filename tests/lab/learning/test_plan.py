"""Options: held to their bounds, told in the manifest and the card, and each does what it says."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from stream.core.errors import LabError
from stream.core.ledger import HELD_OUT
from stream.lab.learning.estimators import Estimator
from stream.lab.learning.plan import Plan, make_plan
from stream.lab.learning.trees import weights_of
from stream.lab.replaying import Replayed
from stream.lab.split import Window
from stream.lab.training import train_replayed
from stream.models.artifact import CARD, read_file, verify

Made = tuple[Window, list[str]]


def test_options_out_of_bounds_are_told() -> None:
    """One sentence each, beginning with the option."""
    for name, value in [
        ("folds", -1),
        ("trials", 1_001),
        ("recency_days", 0.0),
        ("recency_days", float("nan")),
        ("holdout_weight", 0.0),
        ("holdout_weight", float("inf")),
    ]:
        with pytest.raises(LabError, match=f"^{name}="):
            Plan(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(LabError, match="give at least one fold"):
        Plan(folds=0, trials=1)
    with pytest.raises(LabError, match="calibration=best: give one of auto, none, platt, isotonic"):
        make_plan(0, None, 1.0, True, "best")
    assert make_plan(0, None, 1.0, True, "auto") == Plan()


def test_weights_halve_by_age_and_lift_what_was_held_out(window: Made) -> None:
    """An alert one half-life older weighs half; one held out weighs as much as asked; by default there are none."""
    made, _ = window
    replayed = made.replayed
    assert weights_of(replayed, made.usable, Plan()) is None
    weights = weights_of(replayed, made.usable, Plan(recency_days=2.0))
    assert weights is not None
    assert weights.mean() == pytest.approx(1.0)
    at = replayed.at[: len(made.usable)][made.usable]
    np.testing.assert_allclose(weights / weights[-1], 2.0 ** ((at - at[-1]) / 86_400 / 2.0))
    flags = replayed.flags.copy()
    flags[::10] |= HELD_OUT
    lifted = weights_of(replace(replayed, flags=flags), made.usable, Plan(holdout_weight=5.0))
    assert lifted is not None
    held = (flags[: len(made.usable)][made.usable] & HELD_OUT) > 0
    assert lifted[held] / lifted[~held].max() == pytest.approx(np.full(held.sum(), 5.0))


@pytest.mark.slow
def test_the_manifest_and_the_card_tell_the_options(larger: Replayed, tmp_path: Path) -> None:
    """All of them, with the folds, the canaries, the parameters that were found; the scores are other ones."""
    plan = Plan(trials=2, recency_days=3.0, monotone=False, calibration="isotonic", folds=2)
    folder = train_replayed(larger, tmp_path, plan=plan, judged=False)
    manifest = verify(folder)
    assert manifest.training.options == {
        "folds": 2, "trials": 2, "recency_days": 3.0, "holdout_weight": 1.0, "monotone": False,
        "calibration": "isotonic",
    }  # fmt: skip
    assert len(manifest.training.folds) == 2
    assert next(iter(manifest.training.canaries)) == "shuffled labels"
    assert manifest.calibration.kind == "isotonic"
    assert "monotone_constraints_method" not in manifest.training.params
    text = read_file(folder, CARD).decode()
    for part in ("## Cross-validation", "## Canaries", "recency_days = 3.0", "isotonic, lines through"):
        assert part in text
    assert "(monotone)" not in text
    plain = train_replayed(larger, tmp_path, judged=False)
    assert plain != folder
    assert "(monotone)" in read_file(plain, CARD).decode()
    assert verify(plain).training.options == {
        "folds": 3, "trials": 0, "recency_days": None, "holdout_weight": 1.0, "monotone": True, "calibration": "auto",
    }  # fmt: skip


def test_options_of_own_models_are_noted_only_where_they_were_given() -> None:
    """Estimator, priors and titles; of an estimator no direction is held."""
    given = Plan(estimator=Estimator("m:f"), priors=("label.env", "entity"), titles=True)
    more = {name: value for name, value in given.options.items() if Plan().options.get(name, "none") != value}
    assert more == {"estimator": "m:f", "priors": "label.env, entity", "titles": True, "monotone": False}
    with pytest.raises(LabError, match=r"'env' is no key of priors; name a label as `label.region`"):
        Plan(priors=("env",))
