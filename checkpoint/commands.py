"""`python -m eagerly ckpt`: looking into checkpoints from a shell.

Exit codes are for scripts: 0 if all is well, 1 if files differ or are damaged, 2 if a file or an argument is not there.
Nothing here restores an object, so no class is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..adapters.progress import progress_bar
from ..errors import CorruptCheckpointError, RestoreError
from .format import Objects, path_of
from .items import below
from .parts import extract
from .reading import CheckpointFile
from .resealing import reseal
from .tree import differences, survey

_LARGE = 2**28  # bytes from which a terminal gets a progress bar


def add_parser(subparsers: Any) -> None:
    """Adds `ckpt` and its commands to a command line; `run` of the parsed arguments gives the exit code."""
    parser = subparsers.add_parser("ckpt", help="look into checkpoints", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, function: Callable[[argparse.Namespace], int], text: str, *arguments: str
    ) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
        for argument in arguments:
            command.add_argument(argument)
        command.add_argument("--json", action="store_true", help="print JSON")
        command.set_defaults(run=lambda options: _run(function, options))
        return command

    listing = add("ls", _list, "list the tensors: path, dtype, shape, bytes", "file")
    listing.add_argument(
        "--stats", action="store_true", help="also minimum, maximum, mean, deviation, NaNs and infinities"
    )
    add("tree", _tree, "show the objects as they contain each other", "file")
    verifying = add("verify", _verify, "check every byte that a restore believes, and the tree that viewers show")
    verifying.add_argument("file", nargs="+")
    verifying.add_argument("--values-only", action="store_true", help="leave out the tree")
    add("diff", _diff, "compare two checkpoints: objects, states and values", "file", "other")
    add("extract", _extract, "write one object to a file of its own", "file", "path", "target")
    add("reseal", _reseal, "make a file valid again that was edited with an HDF5 tool", "file")


def _run(function: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    try:
        code = function(options)
        sys.stdout.flush()
        return code
    except CorruptCheckpointError as error:
        return _fail(options, error, 1, error.kind)
    except BrokenPipeError:  # `| head` has seen enough; Python would complain once more when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (RestoreError, OSError) as error:
        return _fail(options, error, 2, None)


def _fail(options: argparse.Namespace, error: Exception, code: int, kind: str | None) -> int:
    if options.json:
        print(json.dumps({"error": str(error), "kind": kind}))
    else:
        print(error, file=sys.stderr)
    return code


def _list(options: argparse.Namespace) -> int:
    with CheckpointFile(options.file) as file:
        rows = [dict(_row(file, number, options.stats)) for number in _tensors(file.objects)]
    if options.json:
        print(json.dumps(rows))
        return 0
    table = [[_cell(value) for value in row.values()] for row in rows]
    names = list(rows[0]) if rows else ["path"]
    widths = [max(map(len, column)) for column in zip(names, *table, strict=True)]
    for line in (names, *table):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    total, size = sum(row["bytes"] for row in rows), os.path.getsize(options.file)
    print(f"{len(rows)} tensors, {total:,} bytes, file {size:,} bytes")
    return 0


def _tensors(entries: Objects) -> list[int]:
    numbers = [number for number, entry in enumerate(entries) if entry.tensor is not None]
    return sorted(numbers, key=lambda number: path_of(entries, number))


def _row(file: CheckpointFile, number: int, stats: bool) -> Iterator[tuple[str, Any]]:
    tensor = file.objects[number].tensor
    assert tensor is not None
    yield "path", path_of(file.objects, number)
    yield "dtype", tensor.dtype.name
    yield "shape", list(tensor.shape)
    yield "bytes", tensor.length
    if stats:
        yield from _statistics(file.read_values(number)).items()


def _statistics(array: np.ndarray[Any, Any]) -> dict[str, float | int | None]:
    """Minimum, maximum, mean and deviation of what is finite, of complex numbers of their sizes; how much is not."""
    values = np.abs(array) if array.dtype.kind == "c" else array
    values = values.astype(np.float64).reshape(-1)
    finite = values[np.isfinite(values)]
    found = [finite.min(), finite.max(), finite.mean(), finite.std()] if finite.size else [None] * 4
    numbers = [None if value is None else float(value) for value in found]
    nans = int(np.isnan(values).sum())
    return {
        **dict(zip(("min", "max", "mean", "std"), numbers, strict=True)),
        "nan": nans,
        "inf": int(values.size - finite.size - nans),
    }


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _tree(options: argparse.Namespace) -> int:
    with CheckpointFile(options.file) as file:
        lines = list(_lines(file.objects))
    if options.json:
        print(json.dumps([{"path": path, "what": what} for _, path, _, what in lines]))
    else:
        for depth, _, name, what in lines:
            print("  " * depth + (f"{name}: {what}" if name else what))
    return 0


def _lines(entries: Objects) -> Iterator[tuple[int, str, str, str]]:
    """Depth, path, name and description of each edge; what is reached again is only named."""
    shown: set[int] = set()
    stack: list[tuple[int, str, str, int]] = [(0, "", "", 0)]
    while stack:
        depth, path, name, number = stack.pop()
        entry = entries[number]
        if number in shown:
            yield depth, path, name, f"= {path_of(entries, number) or 'the root'}"
            continue
        shown.add(number)
        state = "" if entry.state is None else f" {json.dumps(entry.state):.60}"
        yield depth, path, name, str(entry.tensor) if entry.tensor else entry.kind + state
        below_it = [(f"{path}/{name}".strip("/"), name, target) for name, target in sorted(entry.children.items())]
        for of, slots in sorted(entry.bound.items()):
            for slot, target in sorted(slots.items()):
                title = f"{slot} of {path_of(entries, of)}"
                below_it.append((f"{path}/{title}".strip("/"), title, target))
        stack += [(depth + 1, *item) for item in reversed(below_it)]


def _verify(options: argparse.Namespace) -> int:
    results = [_verify_one(path, not options.values_only) for path in options.file]
    if options.json:
        print(json.dumps(results))
    else:
        for result in results:
            if result["problems"]:
                print("\n  ".join([f"{result['file']}:", *result["problems"]]))
            else:
                print(f"{result['file']}: whole, {result['tensors']} tensors, {result['bytes']:,} bytes")
    return max(result["code"] for result in results)


def _verify_one(path: str, with_tree: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"file": path, "code": 0, "problems": [], "tensors": 0, "bytes": 0}
    try:
        with CheckpointFile(path) as file:
            lengths = [entry.tensor.length for entry in file.objects if entry.tensor]
            result.update(tensors=len(lengths), bytes=sum(lengths))
            with _Progress(sum(lengths)) as told:
                file.verify_values(told)
            if with_tree:
                result["problems"] = differences(file, survey(path))
    except CorruptCheckpointError as error:
        result["problems"] = [str(error)]
    except (RestoreError, OSError) as error:
        return {**result, "problems": [str(error)], "code": 2}
    return {**result, "code": int(bool(result["problems"]))}


class _Progress:
    """A bar for much work in a terminal."""

    def __init__(self, total: int):
        self.bar = progress_bar(total, "verifying") if total >= _LARGE and sys.stdout.isatty() else None

    def __enter__(self) -> Callable[[int], None]:
        return (lambda count: None) if self.bar is None else self.bar.update

    def __exit__(self, *exc_info: object) -> None:
        if self.bar is not None:
            self.bar.close()


def _diff(options: argparse.Namespace) -> int:
    with CheckpointFile(options.file) as one, CheckpointFile(options.other) as two:
        found = list(_differences(one, two))
    if options.json:
        print(json.dumps([{"path": path, "difference": text} for path, text in found]))
    else:
        for path, text in found:
            print(f"{path or 'the root'}: {text}")
    return int(bool(found))


def _differences(one: CheckpointFile, two: CheckpointFile) -> Iterator[tuple[str, str]]:
    """Path by path, with the names that sharing gives too; values one tensor at a time."""
    mine, theirs = ({item.path: number for number, item in below(file.objects, 0, "").items()} for file in (one, two))
    for path in sorted(mine.keys() | theirs.keys()):
        if path not in theirs or path not in mine:
            file, number = (one, mine[path]) if path in mine else (two, theirs[path])
            entry = file.objects[number]
            yield path, f"only in {file.path}: {entry.tensor or entry.kind}"
        else:
            text = _difference(one, mine[path], two, theirs[path])
            if text:
                yield path, text


def _difference(one: CheckpointFile, number: int, two: CheckpointFile, other: int) -> str | None:
    mine, theirs = one.objects[number], two.objects[other]
    kinds = [str(entry.tensor) if entry.tensor else entry.kind for entry in (mine, theirs)]
    if kinds[0] != kinds[1]:
        return f"{kinds[0]} and {kinds[1]}"
    names = [
        {name: path_of(file.objects, target) for name, target in entry.children.items()}
        for file, entry in ((one, mine), (two, theirs))
    ]
    shared = sorted(name for name in names[0].keys() & names[1].keys() if names[0][name] != names[1][name])
    if shared:
        return f"shared otherwise: {', '.join(shared)}"
    if json.dumps(mine.state, sort_keys=True) != json.dumps(theirs.state, sort_keys=True):
        return f"state {json.dumps(mine.state):.200} and {json.dumps(theirs.state):.200}"
    if mine.tensor is None or (theirs.tensor is not None and one.checksums(number) == two.checksums(other)):
        return None  # equal checksums of equal lengths: two in four thousand million blocks that differ
    a, b = one.read_values(number), two.read_values(other)
    differ = a.tobytes() != b.tobytes()
    if not differ:
        return None
    unequal = int(np.sum((a != b) & ~((a != a) & (b != b))))
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    with np.errstate(invalid="ignore"):
        gap = np.abs(a.astype(wide) - b.astype(wide))
    largest = float(np.nanmax(gap)) if gap.size and not np.all(np.isnan(gap)) else float("nan")
    return f"{unequal} of {a.size} values differ, by up to {largest:.6g}"


def _extract(options: argparse.Namespace) -> int:
    target = extract(options.file, options.path, options.target)
    print(json.dumps({"file": target}) if options.json else target)
    return 0


def _reseal(options: argparse.Namespace) -> int:
    edited = reseal(options.file)
    if options.json:
        print(json.dumps({"file": options.file, "edited": edited}))
    else:
        print(f"{options.file}: valid again, edited: {', '.join(edited) or 'nothing'}")
    return 0
