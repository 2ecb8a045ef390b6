"""Parameters of LightGBM in a file: taken over the defaults, or refused by name."""

from pathlib import Path

import pytest

from stream.core.errors import LabError
from stream.lab.learning.params import PARAMS, check_params, read_params
from stream.lab.learning.plan import Plan
from stream.lab.learning.trees import params_for, planned_params


def test_a_file_goes_over_the_defaults(tmp_path: Path) -> None:
    """What it sets is changed, the rest is as it was, and trials go over both."""
    path = tmp_path / "params.toml"
    path.write_text("num_leaves = 15\nlambda_l2 = 1\n")
    params = read_params(path)
    assert params == {"num_leaves": 15, "lambda_l2": 1.0}
    planned = planned_params(1_000, 7, Plan(params=params), {"lambda_l2": 3.0})
    assert planned == {**params_for(1_000, 7), "num_leaves": 15, "lambda_l2": 3.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("num_leafs = 15", "'num_leafs' is no parameter of LightGBM that may be set; `num_leaves` is near"),
        ("objective = 'rank'", "'objective' is no parameter of LightGBM that may be set; these may be set: num_leaves"),
        ("num_leaves = 'many'", "num_leaves = 'many'; give it a value of type int"),
        ("num_leaves = true", "num_leaves = True; give it a value of type int"),
        ("num_leaves = 1", "num_leaves = 1; give a value from 2 to 131072"),
        ("feature_fraction = nan", "feature_fraction = nan; give a value from 0 to 1"),
        ("num_leaves", "is no TOML"),
    ],
)
def test_what_may_not_be_set_is_told(text: str, said: str, tmp_path: Path) -> None:
    """A name that is misspelt or decides what is learnt, a type, a value, a file that is no TOML."""
    path = tmp_path / "params.toml"
    path.write_text(text)
    with pytest.raises(LabError) as caught:
        read_params(path)
    assert str(caught.value).startswith(f"--params {path}: ")
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(LabError, match=r"--params .*none\.toml: can't be read: No such file"):
        read_params(tmp_path / "none.toml")


def test_lightgbm_knows_every_parameter() -> None:
    """A name that LightGBM does not know would be ignored by it in silence."""
    from lightgbm.basic import _ConfigAliases

    for name in PARAMS:
        assert name in _ConfigAliases._get_all_param_aliases()
    assert check_params({}) == {}
