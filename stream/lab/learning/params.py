"""LightGBM's parameters in a TOML file, over the defaults: which may be set, and to what."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from stream.core.errors import READABLE, LabError

Params = dict[str, str | int | float | bool]


class Param(Struct, frozen=True):
    """What a parameter takes: the type, and the least and the greatest value."""

    kind: type
    least: float = 0.0
    most: float = 1e9


_SHARE, _COUNT, _NUMBER, _SWITCH = Param(float, 0.0, 1.0), Param(int, 1), Param(float), Param(bool)
PARAMS: Mapping[str, Param] = {
    "num_leaves": Param(int, 2, 131_072),
    "max_depth": Param(int, -1, 1_000),
    "learning_rate": Param(float, 1e-6, 1.0),
    "min_data_in_leaf": Param(int, 0),
    "min_sum_hessian_in_leaf": _NUMBER,
    "min_gain_to_split": _NUMBER,
    "lambda_l1": _NUMBER,
    "lambda_l2": _NUMBER,
    "max_delta_step": _NUMBER,
    "path_smooth": _NUMBER,
    "feature_fraction": _SHARE,
    "feature_fraction_bynode": _SHARE,
    "bagging_fraction": _SHARE,
    "bagging_freq": Param(int, 0),
    "data_sample_strategy": Param(str),
    "top_rate": _SHARE,
    "other_rate": _SHARE,
    "extra_trees": _SWITCH,
    "max_bin": Param(int, 2, 65_535),
    "min_data_in_bin": _COUNT,
    "monotone_penalty": _NUMBER,
}
"""The others decide what is learnt and whether it comes out the same, or can't be exported."""


def read_params(path: Path) -> Params:
    """The parameters that a TOML file sets.

    Raises:
        LabError: it can't be read, or has a parameter or a value that is not to be set.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LabError(f"--params {path}: can't be read: {error.strerror or error}", READABLE) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"--params {path}: is no TOML: {error}", "write lines such as `num_leaves = 15`") from None
    try:
        return check_params(content)
    except LabError as error:
        raise LabError(f"--params {path}: {error.problem}", error.mend) from None


def check_params(content: Mapping[str, object]) -> Params:
    """The same parameters, held to `PARAMS`.

    Raises:
        LabError: one is not among them, or has another type or value.
    """
    found: Params = {}
    for name, value in content.items():
        param = PARAMS.get(name)
        if param is None:
            near = difflib.get_close_matches(name, PARAMS, 1)
            mend = f"`{near[0]}` is near" if near else f"these may be set: {', '.join(PARAMS)}"
            raise LabError(f"{name!r} is no parameter of LightGBM that may be set", mend)
        found[name] = _checked(name, param, value)
    return found


def _checked(name: str, param: Param, value: object) -> str | int | float | bool:
    if param.kind is float and type(value) is int:
        value = float(value)
    if type(value) is not param.kind:
        raise LabError(f"{name} = {value!r}", f"give it a value of type {param.kind.__name__}")
    if isinstance(value, str):
        return value
    assert isinstance(value, int | float)
    if not param.least <= value <= param.most:
        raise LabError(f"{name} = {value!r}", f"give a value from {param.least:g} to {param.most:g}")
    return value
