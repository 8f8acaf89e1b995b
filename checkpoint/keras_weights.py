"""Keras 3's `.weights.h5`: weights of a model by its structure, as Keras's `save_weights` writes them.

An object is the group that its attribute names lead to, what it holds itself are the datasets `vars/0`, `vars/1` and so
on; objects in a list go by their class, counted. libhdf5 reads the tree in a process of its own (`tree.survey`), which
admits plain datasets within the file alone; the values are then read without it. The format has no checksums.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from ..adapters import hdf5_layout
from ..errors import CorruptCheckpointError, RestoreError, describe
from ..random import SeedGenerator
from ..trackable import Trackable, attributes, direct_children
from ..variable import Variable
from . import format as layout
from .atomic import replacing
from .blocks import Job, run
from .checkpoint import restore_into
from .format import ObjectEntry, TensorType
from .graph import encode, weights
from .matching import Rules
from .plain import PlainFile
from .status import RestoreStatus
from .tree import dtype_of, survey

_OPTIMIZER = "optimizer"


def save_keras_weights(
    model: Trackable, path: str | os.PathLike[str], optimizer: bool = True, *, sync: bool = True
) -> str:
    """Writes the weights of a layer or model to a file that Keras 3's `load_weights` reads.

    Args:
      model: it has to be built.
      path: the file; its name has to end in ".weights.h5".
      optimizer: whether the variables of the optimizer are written too, if the model is compiled.
      sync: as for `Checkpoint.write`.

    Returns:
      The path.

    Raises:
      ValueError: for another object, another ending, or a model without weights.
      OSError: if the file cannot be written. An older one is intact then.
    """
    path = _check(model, path)
    named = _named(model, optimizer)
    if not named:
        raise ValueError(f"{path}: expected weights to save, got {describe(model)} without any. Build it first.")
    entries: list[hdf5_layout.Entry] = [hdf5_layout.Entry()]
    variables: list[Variable | None] = [None]
    for name, variable in named.items():
        place = 0
        *folders, last = name.split("/")
        for folder in folders:
            if folder not in entries[place].links:
                entries[place].links[folder] = len(entries)
                entries.append(hdf5_layout.Entry())
                variables.append(None)
            place = entries[place].links[folder]
        entries[place].links[last] = len(entries)
        half = {"dtype": "bfloat16"} if variable.dtype.name == "bfloat16" else {}
        dtype = np.dtype("V2") if half else variable.dtype
        entries.append(hdf5_layout.Entry(half, dtype=dtype, shape=variable.shape))
        variables.append(variable)
    skeleton = hdf5_layout.lay_out(entries, 0)
    with replacing(path, sync) as file:
        file.reserve(0, skeleton.size)
        file.write_at(0, skeleton.metadata(skeleton.size))
        jobs = [
            Job(offset, layout.raw(variable._value._array), [])
            for variable, offset in zip(variables, skeleton.offsets, strict=True)
            if variable is not None
        ]

        def put(offset: int, block: memoryview) -> int:
            file.write_at(offset, block)
            return 0

        run(jobs, put)
    return path


def load_keras_weights(model: Trackable, path: str | os.PathLike[str], optimizer: bool = True) -> RestoreStatus:
    """Gives a model of the same structure the weights in a `.weights.h5` file: all, or none if anything does not fit.

    Args:
      model: a layer or model; it has to be built.
      path: the file, by Keras 3's `save_weights` or `save_keras_weights`.
      optimizer: whether the variables of the optimizer are restored too; False leaves those in the file out.

    Raises:
      RestoreError: if the structures differ; it lists the differences. Nothing has changed then.
      CorruptCheckpointError: if the file is damaged, or holds what no weights file needs: links to other files or
        paths, values in other files, chunks or filters, more than the file has bytes.
      ValueError: for another object or another ending.
    """
    path = _check(model, path)
    named = _named(model, optimizer)
    with _WeightsFile(path, named, optimizer) as file:
        return restore_into(file, Rules(), _nested(named), "")


def _check(model: Any, path: str | os.PathLike[str]) -> str:
    path = os.fspath(path)
    if not path.endswith(".weights.h5"):
        raise ValueError(f"{path}: expected a name that ends in '.weights.h5', as Keras wants it.")
    if not isinstance(model, Trackable):
        raise ValueError(f"{path}: expected a layer or a model, got {describe(model)}.")
    return path


def _named(model: Trackable, optimizer: bool) -> dict[str, Variable]:
    """The weights by the names that Keras gives them, and the optimizer's variables."""
    wanted = weights(model)
    named = {name: variable for name, variable in _walk(model, "", set()) if id(variable) in wanted}
    compiled = getattr(model, "optimizer", None) if optimizer else None
    if isinstance(compiled, Trackable):
        for number, variable in enumerate(getattr(compiled, "variables", ())):
            named[f"{_OPTIMIZER}/vars/{number}"] = variable
    return named


def _walk(owner: Trackable, path: str, seen: set[int]) -> Iterator[tuple[str, Variable]]:
    """What lies below an object, each thing once, in the order that Keras visits it in: it decides on the names."""
    if id(owner) in seen:
        return
    seen.add(id(owner))
    held = [child for child in direct_children(owner) if isinstance(child, Variable)]
    for number, variable in enumerate(sorted(held, key=lambda variable: not variable.created_trainable)):
        if id(variable) not in seen:
            seen.add(id(variable))
            yield _join(path, f"vars/{number}"), variable
    for name, value in _attributes(owner):
        if isinstance(value, Trackable) and not isinstance(value, SeedGenerator):
            yield from _walk(value, _join(path, name), seen)
        elif isinstance(value, (list, tuple, dict)):
            yield from _walk_container(value, _join(path, name), seen, set())


def _attributes(owner: Trackable) -> list[tuple[str, Any]]:
    """The attributes by name, those that begin with an underscore last; a model's `layers` is one of them."""
    found = {name: value for name, value in attributes(owner).items() if name not in owner._untracked}
    layers = getattr(owner, "layers", None)
    is_graph = getattr(owner, "_graph", None) is not None or type(owner).__name__ == "Sequential"
    if isinstance(layers, list):
        found["layers"] = layers
    ordered = sorted(found.items(), key=lambda item: f"~{item[0]}" if item[0].startswith("_") else item[0])
    return sorted(ordered, key=lambda item: item[0] != "layers") if is_graph else ordered


def _walk_container(container: Any, path: str, seen: set[int], opened: set[int]) -> Iterator[tuple[str, Variable]]:
    if id(container) in opened:
        return
    opened.add(id(container))
    counts: dict[str, int] = {}
    for item in container.values() if isinstance(container, dict) else container:
        if isinstance(item, Trackable) and not isinstance(item, SeedGenerator):
            yield from _walk(item, _join(path, _unique(_snake_case(type(item).__name__), counts)), seen)
        elif isinstance(item, (list, tuple, dict)):
            yield from _walk_container(item, _join(path, _unique("container", counts)), seen, opened)


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _unique(name: str, counts: dict[str, int]) -> str:
    counts[name] = counts.get(name, -1) + 1
    return f"{name}_{counts[name]}" if counts[name] else name


def _snake_case(name: str) -> str:
    """`SeparableConv1D` is `separable_conv1d`, `LSTMCell` is `lstm_cell`."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _nested(named: dict[str, Variable]) -> dict[Any, Any]:
    """The same as dictionaries in dictionaries, which can be restored."""
    root: dict[Any, Any] = {}
    for name, variable in named.items():
        *folders, last = name.split("/")
        place = root
        for folder in folders:
            place = place.setdefault(folder, {})
        place[int(last)] = variable
    return root


class _WeightsFile(PlainFile):
    """A `.weights.h5` file open for reading, its tree surveyed."""

    def __init__(self, path: str, named: dict[str, Variable], optimizer: bool):
        super().__init__(path)
        try:
            self._fill(survey(path), named, optimizer)
        except CorruptCheckpointError as error:
            self.close()
            raise CorruptCheckpointError(
                error.text.replace("Restoring does not need the tree.", "Nothing was restored."), error.kind
            ) from None
        except BaseException:
            self.close()
            raise

    def corrupt(self, kind: str, offset: int, detail: str) -> NoReturn:
        """Refuses the file."""
        raise CorruptCheckpointError(
            f"{self.path}: damaged {kind} at byte {offset}: {detail}. Nothing was restored.", kind, offset
        )

    def _fill(self, found: list[dict[str, Any]], named: dict[str, Variable], optimizer: bool) -> None:
        """Turns groups into objects, without those that hold no values, and the optimizer if it is not wanted."""
        self.add(ObjectEntry("object", {}))
        owners, order = {0: 0}, [0]
        for owner in order:
            for name, target in sorted(found[owner]["links"].items()):
                if target in owners:
                    self.corrupt("tree", 0, f"{name}: expected every object under one name, got two")
                owners[target] = owner
                order.append(target)
        kept = _with_values(found, owners)
        queue = [(0, 0, "")]
        for theirs, mine, path in queue:
            for name, target in sorted(found[theirs]["links"].items()):
                place = _join(path, name)
                if target not in kept or (place == _OPTIMIZER and not optimizer):
                    continue
                key = name if name.isascii() and name.isdigit() else encode(name)
                entry = ObjectEntry("object", {})
                number = self.objects[mine].children[key] = self.add(entry, found[target].get("offset", 0))
                if "dtype" in found[target]:
                    entry.tensor = self._tensor(found[target], place, number, named.get(place))
                queue.append((target, number, place))

    def _tensor(self, item: dict[str, Any], place: str, number: int, mine: Variable | None) -> TensorType:
        try:
            dtype = dtype_of(item)
        except ValueError as error:
            raise RestoreError(f"{self.path}: {place}: {error}. Nothing was restored.") from None
        self.stored[number] = dtype
        counts = place.startswith(f"{_OPTIMIZER}/") and dtype.kind in "iu"  # of steps, which Keras keeps in int32
        given = mine.dtype if counts and mine is not None and mine.dtype.kind in "iu" else dtype
        return TensorType(given, tuple(item["shape"]), item["length"])


def _with_values(found: list[dict[str, Any]], owners: dict[int, int]) -> set[int]:
    """The datasets, and what they lie below."""
    kept = set()
    for number in owners:
        if "dtype" in found[number]:
            while number and number not in kept:
                kept.add(number)
                number = owners[number]
    return kept
