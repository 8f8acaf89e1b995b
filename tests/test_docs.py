"""Every example in a docstring runs, and every public method says what it does."""

import doctest
import importlib
import inspect
import pkgutil
import types

import numpy as np
import pytest

import eagerly


def reraise(name):
    raise  # walk_packages calls this while it handles the error, and would swallow it


MODULES = ["eagerly", *(found.name for found in pkgutil.walk_packages(eagerly.__path__, "eagerly.", reraise))]
# What an example may use without importing it, unless its own module has another thing of that name.
GIVEN = {
    **{name: value for name, value in vars(eagerly.layers).items() if not name.startswith("_")},
    **{name: getattr(eagerly, name) for name in dir(eagerly) if not name.startswith("_")},
    "eagerly": eagerly,
    "np": np,
}


def examples(module):
    """The module's doctests, those of objects that stand where a function would (an op is a Primitive) included."""
    tests = doctest.DocTestFinder(exclude_empty=True).find(module, globs={**GIVEN, **vars(module)})
    found = {test.name for test in tests}
    for name, value in vars(module).items():
        path = f"{module.__name__}.{name}"
        text = inspect.getdoc(value) if getattr(value, "__module__", None) == module.__name__ else None
        if text and path not in found and text != inspect.getdoc(type(value)):
            test = doctest.DocTestParser().get_doctest(text, {**GIVEN, **vars(module)}, path, module.__file__, 0)
            tests.append(test)
    return [test for test in tests if test.examples]


def failures(module):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report = []
    for test in examples(module):
        runner.run(test, out=report.append)
    return "".join(report)


def undocumented(module):
    """Public methods of the module's public classes that have no docstring, not even their base's."""
    classes = [value for name, value in vars(module).items() if inspect.isclass(value) and not name.startswith("_")]
    return [
        f"{kind.__qualname__}.{name}"
        for kind in classes
        if kind.__module__ == module.__name__
        for name, member in vars(kind).items()
        if not name.startswith("_") and (inspect.isroutine(getattr(kind, name)) or isinstance(member, property))
        if not any(vars(base)[name].__doc__ for base in kind.__mro__ if name in vars(base))
    ]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    report = failures(module)
    assert not report, report
    assert undocumented(module) == []


@pytest.fixture
def sample():
    """Wrong examples, in a function and in an object that is called like one, and a method without a docstring."""
    module = types.ModuleType("sample")
    module.__file__ = "sample.py"
    source = '''
class Primitive:
    """An operation."""
    def __init__(self, doc):
        self.__doc__, self.__module__ = doc, __name__
    def described(self):
        """Says what it does."""
    def silent(self): ...

class Add(Primitive):
    """An addition."""
    def described(self): ...

add = Primitive(">>> 1 + 1\\n3")

def subtract():
    """
    >>> np.subtract(3, 1) == 1
    True
    """
'''
    exec(source, vars(module))
    return module


def test_wrong_examples_are_reported(sample):
    report = failures(sample)
    assert "sample.add" in report and "sample.subtract" in report


def test_methods_without_any_docstring_are_reported(sample):
    assert undocumented(sample) == ["Primitive.silent"]
