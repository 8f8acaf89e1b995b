"""The rules that keep the source tree in shape: each is a function from a tree to the list of its violations.

Everything here reads files and imports nothing of eagerly, so that it can judge a tree that does not even run. A module
is known by its dotted name (`layers/core.py` is eagerly.layers.core), and its unit is the first name below eagerly: a
file of eager/ or a folder. An import below `if TYPE_CHECKING:` does not run, so it ties nothing together and only the
rule on relative imports looks at it. `test_architecture.py` applies the rules and plants a violation of each.
"""

import ast
import configparser
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = "eagerly"
CORE = "eager"
NOT_PACKAGES = {"benchmarks", "build", "dist", "docs", "examples", "notebooks", "tests"}
MAX_CODE_LINES = 400


@dataclass(frozen=True)
class Row:
    """Units of one height. `mutual`: they are small files of eager/ that may lean on each other, without a cycle."""

    units: tuple[str, ...]
    mutual: bool = False


# From top to bottom: a module imports from its own unit, or from rows below its own.
ROWS = (
    Row(("__init__", "__main__", "callbacks", "datasets", "utils"), mutual=True),
    Row(("models", "export", "distribute")),
    Row(("layers", "metrics")),
    Row(("losses", "optim", "data", "summary", "checkpoint")),
    Row(("initializers", "regularizers", "constraints", "activations")),
    Row(("graph",)),
    Row(("trackable", "variable", "random", "configurable", "debugging", "gradients"), mutual=True),
    Row(("tape", "explanation", "fused_gradients"), mutual=True),
    Row(("ops",)),
    Row(("primitive",)),
    Row(("tensor", "recorder", "symbolic", "slices"), mutual=True),
    Row(("context", "devices"), mutual=True),
    Row(("backends", "kernels", "adapters")),
    Row(("nest", "dtypes", "errors", "dimensions", "frames", "ownership"), mutual=True),
)

# The one module that imports each third-party library, NumPy apart.
ADAPTERS = {
    "h5py": "eagerly.adapters.hdf5",
    "llvmlite": "eagerly.kernels.emitter",
    "ml_dtypes": "eagerly.dtypes",
    "tqdm": "eagerly.adapters.progress",
}


@dataclass(frozen=True)
class Import:
    """One imported module or name; a relative one is made absolute in `target`."""

    target: str
    line: int
    relative: bool
    late: bool
    typing_only: bool


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    root: Path

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @property
    def unit(self) -> str:
        return unit_of(self.name)

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))

    def at(self, line: int) -> str:
        return f"{self.path.relative_to(self.root).as_posix()}:{line}"


class Tree:
    """The project below `root`: its packages' folders, its modules and what they import."""

    def __init__(self, root: Path):
        self.root = root
        self.folders = dict(self._folders())
        self.modules = {module.name: module for module in self._modules()}

    def _folders(self) -> Iterator[tuple[str, Path]]:
        """Package name and folder of everything that holds Python files, by the mapping that the layout promises."""
        for top in sorted(self.root.iterdir()):
            if not top.is_dir() or top.name in NOT_PACKAGES or top.name.startswith(".") or top.suffix == ".egg-info":
                continue
            for folder in [top, *sorted(path for path in top.rglob("*") if path.is_dir())]:
                if any(folder.glob("*.py")):
                    parts = folder.relative_to(self.root).parts
                    yield ".".join([PACKAGE, *(parts[1:] if parts[0] == CORE else parts)]), folder

    def _modules(self) -> Iterator[Module]:
        for package, folder in self.folders.items():
            for path in sorted(folder.glob("*.py")):
                name = package if path.stem == "__init__" else f"{package}.{path.stem}"
                yield Module(name, path, self.root)

    def imports(self, module: Module) -> list[Import]:
        reader = _ImportReader(module, self.modules)
        reader.visit(module.syntax)
        return reader.found

    def submodules(self, package: str) -> set[str]:
        return {name.rpartition(".")[2] for name in self.modules if name.rpartition(".")[0] == package}


class _ImportReader(ast.NodeVisitor):
    """Collects a module's imports, those inside functions and by import_module("...") included."""

    def __init__(self, module: Module, modules: dict[str, Module]):
        self.module, self.modules = module, modules
        self.found: list[Import] = []
        self.late = self.typing_only = False

    def add(self, target: str, node: ast.AST, relative: bool) -> None:
        self.found.append(Import(target, node.lineno, relative, self.late, self.typing_only))  # type: ignore[attr-defined]

    def absolute(self, name: str, level: int, anchor: str) -> str:
        parents = anchor.split(".")
        base = parents[: len(parents) - level + 1]
        return ".".join([*base, name] if name else base)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name, node, relative=False)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        source = self.absolute(node.module or "", node.level, self.module.package) if node.level else node.module or ""
        for alias in node.names:
            member = f"{source}.{alias.name}"
            self.add(member if member in self.modules else source, node, relative=node.level > 0)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        argument = node.args[0] if node.args else None
        if function in {"import_module", "__import__"} and isinstance(argument, ast.Constant):
            name = str(argument.value)
            bare = name.lstrip(".")
            level = len(name) - len(bare)
            by_name = any(isinstance(given, ast.Name) and given.id == "__name__" for given in node.args[1:])
            anchor = self.module.name if by_name else self.module.package
            self.add(self.absolute(bare, level, anchor) if level else name, node, relative=level > 0)
        self.generic_visit(node)

    def visit_function(self, node: ast.AST) -> None:
        outer, self.late = self.late, True
        self.generic_visit(node)
        self.late = outer

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_function

    def visit_If(self, node: ast.If) -> None:
        outer, self.typing_only = self.typing_only, self.typing_only or _is_type_checking(node.test)
        for statement in node.body:
            self.visit(statement)
        self.typing_only = outer
        for child in [node.test, *node.orelse]:
            self.visit(child)


def _is_type_checking(test: ast.expr) -> bool:
    return (test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)) == "TYPE_CHECKING"


def unit_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def in_project(name: str) -> bool:
    return name.split(".")[0] == PACKAGE


def row_of(unit: str) -> int | None:
    return next((height for height, row in enumerate(ROWS) if unit in row.units), None)


def rows(tree: Tree) -> list[str]:
    """A module imports from its own unit, or from rows below; a unit that is in no row has to be placed first."""
    found = []
    for module in tree.modules.values():
        here = row_of(module.unit)
        if here is None:
            found.append(f"{module.at(1)}: unit {module.unit!r} is in no row of tests/architecture.py")
            continue
        for imported in tree.imports(module):
            unit = unit_of(imported.target)
            if imported.typing_only or not in_project(imported.target) or unit == module.unit:
                continue
            there = row_of(unit)
            if there is None:
                found.append(f"{module.at(imported.line)}: imports {imported.target}, which is in no row")
            elif there < here or (there == here and not ROWS[here].mutual):
                found.append(f"{module.at(imported.line)}: {module.unit} imports {unit}, which is not in a row below")
    return found


def cycles(tree: Tree) -> list[str]:
    """No module reaches itself through imports that run while modules load."""
    edges = {
        name: {
            imported.target
            for imported in tree.imports(module)
            if not imported.late and not imported.typing_only and imported.target in tree.modules
        }
        for name, module in tree.modules.items()
    }
    found: dict[frozenset[str], str] = {}
    for start in sorted(edges):
        path = _path_back(start, edges)
        if path:
            found.setdefault(frozenset(path), "import cycle: " + " -> ".join(path))
    return list(found.values())


def _path_back(start: str, edges: dict[str, set[str]]) -> list[str] | None:
    """The shortest way from a module to itself."""
    paths, seen = [[start]], set()
    for path in paths:
        for target in sorted(edges[path[-1]] - seen):
            if target == start:
                return [*path, start]
            seen.add(target)
            paths.append([*path, target])
    return None


def relative_imports(tree: Tree) -> list[str]:
    """Inside the project imports are relative, so that no second copy of a module is ever loaded."""
    roots = {PACKAGE, *(folder.relative_to(tree.root).parts[0] for folder in tree.folders.values())}
    return [
        f"{module.at(imported.line)}: imports {imported.target}; inside the project imports are relative"
        for module in tree.modules.values()
        for imported in tree.imports(module)
        if not imported.relative and imported.target.split(".")[0] in roots
    ]


def packages(tree: Tree) -> list[str]:
    """setup.cfg lists exactly the folders that hold Python files, and maps each name onto its folder."""
    config = configparser.ConfigParser()
    config.read(tree.root / "setup.cfg", encoding="utf-8")
    listed = config["options"]["packages"].split()
    mapping = dict(line.replace(" ", "").split("=") for line in config["options"]["package_dir"].strip().splitlines())

    found = [f"setup.cfg: {name} is listed twice" for name in sorted(set(listed)) if listed.count(name) > 1]
    found += [f"setup.cfg: {name} is listed but has no folder" for name in sorted(set(listed) - set(tree.folders))]
    for name, folder in tree.folders.items():
        place = folder.relative_to(tree.root).as_posix()
        if name not in listed:
            found.append(f"setup.cfg: {name} ({place}/) is not listed")
        if not (folder / "__init__.py").exists():
            found.append(f"{place}/: holds Python files but no __init__.py")
        if _mapped(name, mapping) != place:
            found.append(f"setup.cfg: package_dir does not lead from {name} to {place}/")
    return found


def _mapped(name: str, mapping: dict[str, str]) -> str:
    """A package's folder as setuptools finds it: the nearest mapped parent's, then the rest of the name."""
    rest: list[str] = []
    while name:
        if name in mapping:
            return "/".join([mapping[name], *rest])
        name, _, last = name.rpartition(".")
        rest.insert(0, last)
    return "/".join(rest)


def names_of_submodules(tree: Tree) -> list[str]:
    """No name that a package binds is also the name of one of its submodules: which one it means would depend on time.

    A submodule may define its namesake (eagerly.primitive.primitive), if the package does not pass it on.
    """
    return [
        f"{module.at(line)}: {module.name}.{name} bears the name of a submodule"
        for module in tree.modules.values()
        if module.is_package
        for name, line in _bound_names(module)
        if name in tree.submodules(module.name)
    ]


def _bound_names(module: Module) -> Iterator[tuple[str, int]]:
    """What a package's own code calls by a name, except its submodules by theirs."""
    for node in module.syntax.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        if isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    yield target.id, node.lineno
        if isinstance(node, ast.Import | ast.ImportFrom):
            of_submodules = isinstance(node, ast.ImportFrom) and node.level == 1 and node.module is None
            for alias in node.names:
                bound = alias.asname or alias.name
                if not (of_submodules and bound == alias.name):
                    yield bound, node.lineno


def long_files(tree: Tree) -> list[str]:
    """A file holds one idea, and that fits into MAX_CODE_LINES; tests and examples are files too."""
    paths = [module.path for module in tree.modules.values()]
    for folder in sorted(NOT_PACKAGES - {"build", "dist"}):
        paths += sorted((tree.root / folder).rglob("*.py"))
    counts = {path.relative_to(tree.root): code_lines(path.read_text(encoding="utf-8")) for path in paths}
    return [
        f"{path.as_posix()}: {count} lines of code, at most {MAX_CODE_LINES}"
        for path, count in counts.items()
        if count > MAX_CODE_LINES
    ]


def code_lines(source: str) -> int:
    """Lines that are not blank, comment or docstring."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout:
            lines.update(range(token.start[0], token.end[0] + 1))
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and ast.get_docstring(node):
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(lines)


def third_party(tree: Tree) -> list[str]:
    """NumPy may be imported anywhere, another library only by the module that ADAPTERS names."""
    free = {"numpy", PACKAGE, *sys.stdlib_module_names}
    return [
        f"{module.at(imported.line)}: imports {imported.target}; " + _where(imported.target.split(".")[0])
        for module in tree.modules.values()
        for imported in tree.imports(module)
        if not imported.typing_only
        and imported.target.split(".")[0] not in free
        and ADAPTERS.get(imported.target.split(".")[0]) != module.name
    ]


def _where(library: str) -> str:
    return f"only {ADAPTERS[library]} may" if library in ADAPTERS else "no module may (see ADAPTERS)"


RULES = (rows, cycles, relative_imports, packages, names_of_submodules, long_files, third_party)
