"""The architecture rules hold for this tree, and each of them can fail."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from architecture import ADAPTERS, CORE, MAX_CODE_LINES, RULES, Tree, code_lines

ROOT = Path(__file__).parent.parent

CLEAN = {
    "setup.cfg": """
        [options]
        package_dir =
            eagerly = eager
            eagerly.layers = layers
            eagerly.models = models
        packages =
            eagerly
            eagerly.ops
            eagerly.layers
            eagerly.models
            eagerly.models.callbacks
        """,
    "eager/__init__.py": "from . import layers, ops\nfrom .dtypes import float32\nfrom .layers import Dense",
    "eager/dtypes.py": "import numpy as np\nfloat32 = np.float32\ndef bfloat16():\n    import ml_dtypes",
    "eager/nest.py": "def walk(): ...",
    "eager/tensor.py": "class Tensor: ...",
    "eager/ops/__init__.py": "from .math import add",
    "eager/ops/math.py": "from ..tensor import Tensor\ndef add(): ...",
    "layers/__init__.py": "from .core import Dense",
    "layers/core.py": "import os.path\nfrom ..ops import add\nclass Dense: ...",
    "models/__init__.py": "from ..layers import Dense",
    "models/callbacks/__init__.py": "from ... import ops",
}


@pytest.fixture
def plant(tmp_path):
    """Writes a small clean tree, with the given files added to it or in place of its own."""

    def plant(files):
        for name, text in {**CLEAN, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip())
        return Tree(tmp_path)

    return plant


def violations(tree):
    return [(rule.__name__, text) for rule in RULES for text in rule(tree)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_this_tree_keeps_the_rule(rule):
    tree = Tree(ROOT)
    assert "eagerly" in tree.modules
    assert rule(tree) == []


def test_clean_tree_has_no_violation(plant):
    assert violations(plant({})) == []


LONG = "x = 1\n" * (MAX_CODE_LINES + 1)

PLANTED = {
    "import from a row above": (
        {"eager/tensor.py": "from .ops import add"},
        [
            ("rows", "eager/tensor.py:1: tensor imports ops, which is not in a row below"),
            ("cycles", "import cycle: eagerly.ops -> eagerly.ops.math -> eagerly.tensor -> eagerly.ops"),
        ],
    ),
    "late import from a row above": (
        {"eager/tensor.py": "class Tensor:\n    def __add__(self, other):\n        from .ops import add"},
        [("rows", "eager/tensor.py:3: tensor imports ops, which is not in a row below")],
    ),
    "import_module from a row above": (
        {"eager/tensor.py": "import importlib as i\ndef late():\n    i.import_module('..layers.core', __name__)"},
        [("rows", "eager/tensor.py:3: tensor imports layers, which is not in a row below")],
    ),
    "import from the façade": (
        {"layers/core.py": "def late():\n    from .. import float32"},
        [("rows", "layers/core.py:2: layers imports __init__, which is not in a row below")],
    ),
    "import across a row": (
        {"eager/initializers.py": "from . import activations", "eager/activations.py": ""},
        [("rows", "eager/initializers.py:1: initializers imports activations, which is not in a row below")],
    ),
    "file in no row": (
        {"eager/misc.py": ""},
        [("rows", "eager/misc.py:1: unit 'misc' is in no row of tests/architecture.py")],
    ),
    "import of a unit in no row": (
        {"layers/core.py": "from ..misc import x"},
        [("rows", "layers/core.py:1: imports eagerly.misc, which is in no row")],
    ),
    "cycle in a mutual row": (
        {"eager/dtypes.py": "from .nest import walk\nfloat32 = 1", "eager/nest.py": "from . import dtypes"},
        [("cycles", "import cycle: eagerly.dtypes -> eagerly.nest -> eagerly.dtypes")],
    ),
    "cycle inside a unit": (
        {"layers/core.py": "from .base import Layer\nclass Dense: ...", "layers/base.py": "from . import Dense"},
        [("cycles", "import cycle: eagerly.layers -> eagerly.layers.core -> eagerly.layers.base -> eagerly.layers")],
    ),
    "import of the package by name": (
        {"layers/core.py": "def late():\n    import eagerly.ops"},
        [("relative_imports", "layers/core.py:2: imports eagerly.ops; inside the project imports are relative")],
    ),
    "import from the package by name": (
        {"layers/core.py": "from eagerly.ops import add"},
        [("relative_imports", "layers/core.py:1: imports eagerly.ops; inside the project imports are relative")],
    ),
    "import of a folder by name": (
        {"models/__init__.py": "import typing\nif typing.TYPE_CHECKING:\n    from layers.core import Dense"},
        [("relative_imports", "models/__init__.py:3: imports layers.core; inside the project imports are relative")],
    ),
    "package not listed": (
        {"layers/recurrent/__init__.py": ""},
        [("packages", "setup.cfg: eagerly.layers.recurrent (layers/recurrent/) is not listed")],
    ),
    "folder without __init__": (
        {"setup.cfg": CLEAN["setup.cfg"] + "    eagerly.ops.more\n", "eager/ops/more/a.py": ""},
        [("packages", "eager/ops/more/: holds Python files but no __init__.py")],
    ),
    "package without a folder": (
        {"setup.cfg": CLEAN["setup.cfg"] + "    eagerly.losses\n"},
        [("packages", "setup.cfg: eagerly.losses is listed but has no folder")],
    ),
    "package listed twice": (
        {"setup.cfg": CLEAN["setup.cfg"] + "    eagerly.ops\n"},
        [("packages", "setup.cfg: eagerly.ops is listed twice")],
    ),
    "package mapped elsewhere": (
        {"setup.cfg": CLEAN["setup.cfg"].replace("eagerly.layers = layers", "eagerly.layers = models")},
        [("packages", "setup.cfg: package_dir does not lead from eagerly.layers to layers/")],
    ),
    "function named like a submodule": (
        {"eager/ops/__init__.py": "from .math import add\ndef math(): ..."},
        [("names_of_submodules", "eager/ops/__init__.py:2: eagerly.ops.math bears the name of a submodule")],
    ),
    "function named like a folder": (
        {"eager/__init__.py": "def layers(): ..."},
        [("names_of_submodules", "eager/__init__.py:1: eagerly.layers bears the name of a submodule")],
    ),
    "re-export named like a submodule": (
        {"layers/__init__.py": "from .core import Dense\nfrom ..ops import add as core"},
        [("names_of_submodules", "layers/__init__.py:2: eagerly.layers.core bears the name of a submodule")],
    ),
    "assignment named like a submodule": (
        {"layers/__init__.py": "from .core import Dense\ncore = Dense"},
        [("names_of_submodules", "layers/__init__.py:2: eagerly.layers.core bears the name of a submodule")],
    ),
    "file too long": (
        {"eager/nest.py": LONG},
        [("long_files", f"eager/nest.py: {MAX_CODE_LINES + 1} lines of code, at most {MAX_CODE_LINES}")],
    ),
    "test file too long": (
        {"tests/ops/test_all.py": LONG},
        [("long_files", f"tests/ops/test_all.py: {MAX_CODE_LINES + 1} lines of code, at most {MAX_CODE_LINES}")],
    ),
    "library outside its adapter": (
        {"eager/tensor.py": "class Tensor: ...\ndef late():\n    import ml_dtypes"},
        [("third_party", "eager/tensor.py:3: imports ml_dtypes; only eagerly.dtypes may")],
    ),
    "library without an adapter": (
        {"layers/core.py": "from scipy.special import erf\nclass Dense: ..."},
        [("third_party", "layers/core.py:1: imports scipy.special; no module may (see ADAPTERS)")],
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_violation_is_reported(name, plant):
    files, expected = PLANTED[name]
    assert violations(plant(files)) == expected


def test_imports_for_type_checking_tie_nothing(plant):
    text = """
        import typing
        if typing.TYPE_CHECKING:
            import h5py
            from .layers import Dense
        class Tensor: ...
        """
    assert violations(plant({"eager/tensor.py": text})) == []


def test_submodule_may_define_its_namesake(plant):
    assert violations(plant({"eager/primitive.py": "def primitive(): ..."})) == []


def test_mutual_row_allows_imports_without_a_cycle(plant):
    assert violations(plant({"eager/nest.py": "from .dtypes import float32"})) == []


def test_longest_file_is_allowed(plant):
    text = '"""Module."""\n\n# A comment.\n' + "x = 1\n" * MAX_CODE_LINES
    assert violations(plant({"eager/nest.py": text})) == []


def test_code_lines_leave_out_docstrings_comments_and_blanks():
    source = '''
        """A module
        of two lines."""

        # A comment.
        class A:
            """A class."""

            def f(self):  # a comment beside code
                """A method

                of three lines.
                """
                return """a string
                of two lines"""
        '''
    assert code_lines(textwrap.dedent(source)) == 4


# Run in a fresh interpreter, where nothing has asked for a heavy part or for a name made on demand yet.
ON_IMPORT = """
import importlib, sys, types
import eagerly
print(sorted(set({libraries}) & set(sys.modules)))
for name in {submodules}:
    package, _, last = name.rpartition(".")
    if not isinstance(getattr(importlib.import_module(package), last, eagerly), types.ModuleType):
        print(name, "is not the submodule")
"""


def test_import_loads_no_library_and_shows_submodules_as_modules():
    libraries = [*ADAPTERS, "matplotlib"]
    submodules = [name for name in sorted(Tree(ROOT).modules) if "." in name]
    code = ON_IMPORT.format(libraries=libraries, submodules=submodules)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_core_folder_does_not_shadow_the_installed_package():
    assert CORE != "eagerly" and not (ROOT / "eagerly").exists()
