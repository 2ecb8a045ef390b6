"""The examples in the docstrings of the sources print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import stream.sources


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(stream.sources.__path__)])
def test_docstrings(name: str) -> None:
    """Each module's examples."""
    assert doctest.testmod(importlib.import_module(f"stream.sources.{name}")).failed == 0
