"""The examples in the docstrings of the linear models and the baselines run as they stand."""

import doctest
import importlib
import pkgutil

import pytest

import multvae_tf.baselines
import multvae_tf.linear

MODULES = [
    module.name
    for package in (multvae_tf.linear, multvae_tf.baselines)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    if name.endswith("slim"):
        pytest.importorskip("sklearn")
    assert not doctest.testmod(importlib.import_module(name)).failed
