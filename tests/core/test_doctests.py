"""The examples in core's docstrings print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import stream.core


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(stream.core.__path__)])
def test_docstrings(name: str) -> None:
    """Each module's examples."""
    assert doctest.testmod(importlib.import_module(f"stream.core.{name}")).failed == 0
