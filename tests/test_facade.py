"""The façade: every name is there, loads when asked for, and a wrong one is told what it is near."""

import importlib
import subprocess
import sys

import pytest

import eagerly

NAMES = [name for name in dir(eagerly) if not name.startswith("_")]


@pytest.mark.parametrize("name", NAMES)
def test_every_listed_name_resolves(name):
    assert getattr(eagerly, name) is not None
    assert name in vars(eagerly)  # asked for once, it is there


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("Model", "models"),
        ("Sequential", "models"),
        ("Input", "layers"),
        ("Layer", "layers"),
        ("Loss", "losses"),
        ("Metric", "metrics"),
        ("Optimizer", "optim"),
        ("Variable", "variable"),
        ("GradientTape", "tape"),
        ("Trackable", "trackable"),
        ("convert_to_tensor", "ops"),
        ("stop_gradient", "ops"),
    ],
)
def test_a_name_is_that_of_its_home(name, home):
    assert name in NAMES and getattr(eagerly, name) is getattr(importlib.import_module(f"eagerly.{home}"), name)


def test_namespaces_can_be_imported_from():
    for name in ("callbacks", "datasets", "layers", "losses", "metrics", "optim", "checkpoint", "models", "ops"):
        assert importlib.import_module(f"eagerly.{name}") is getattr(eagerly, name)


def test_an_unknown_name_is_an_attribute_error_with_a_suggestion():
    with pytest.raises(
        AttributeError, match="module 'eagerly' has no attribute 'Sequental'. Did you mean 'Sequential'?"
    ):
        _ = eagerly.Sequental
    with pytest.raises(AttributeError, match="module 'eagerly' has no attribute 'qqqqq'[.]$"):
        _ = eagerly.qqqqq
    assert not hasattr(eagerly, "TYPE_CHECKING") or "TYPE_CHECKING" not in dir(eagerly)
    with pytest.raises(ImportError):
        exec("from eagerly import nothing_like_it")


def test_version():
    assert [part.isdigit() for part in eagerly.__version__.split(".")] == [True] * 3


def test_import_is_light_and_silent():
    code = """
import sys
import eagerly
parts = ("layers", "losses", "metrics", "optim", "models", "checkpoint", "data")
loaded = [name for name in sys.modules if name.split(".")[0] in ("h5py", "tqdm", "llvmlite", "ml_dtypes", "IPython")]
loaded += [name for name in sys.modules if name.startswith(tuple("eagerly." + part for part in parts))]
print(loaded)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)


def test_a_name_loads_its_home_alone():
    code = "import sys, eagerly; eagerly.Loss; print('eagerly.layers' in sys.modules, 'eagerly.losses' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
