"""safetensors files: weights by name, for PyTorch and others.

The format is a length, a header in JSON and the values (https://huggingface.co/docs/safetensors). It has no checksums:
a flipped bit of a value is believed. The header is checked field by field, and the values have to lie one after the
other without a gap, as the format wants it.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from .. import dtypes
from ..errors import CorruptCheckpointError, describe
from ..trackable import holds_trackable
from . import format as layout
from .atomic import replacing
from .blocks import Job, run
from .checkpoint import restore_into
from .format import ObjectEntry, TensorType
from .graph import Node, encode, walk, weights
from .moves import make_rules
from .plain import PlainFile
from .reading import without_duplicates
from .status import RestoreStatus

_LENGTH = struct.Struct("<Q")
_LONGEST = 100_000_000  # bytes of a header, the format's limit
_NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "F16": "float16", "BF16": "bfloat16",
    "U32": "uint32", "I32": "int32", "F32": "float32", "U64": "uint64", "I64": "int64", "F64": "float64",
    "C64": "complex64",
}  # fmt: skip
_CODES = {name: code for code, name in _NAMES.items()}


def save_safetensors(
    value: Any,
    path: str | os.PathLike[str],
    map: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    *,
    sync: bool = True,
) -> str:
    """Writes weights to a safetensors file: those of a layer or model, or all Variables below another object.

    A tensor's name is the path that a Checkpoint would give it, with dots: "layers.dense_0.kernel". A weight with
    several names is written under the first.

    Args:
      value: a Trackable, or a list, tuple or dictionary.
      path: the file.
      map: other names, from paths or their beginnings to names: `{"layers/dense_0/kernel": "fc.weight"}`.
      metadata: texts that the file carries along.
      sync: as for `Checkpoint.write`.

    Returns:
      The path.

    Raises:
      ValueError: for what the format has no room for: states, slots, complex128, two tensors of one name.
      OSError: if the file cannot be written. An older one is intact then.

    Example:
      >>> save_safetensors({"step": Variable(3)}, "step.safetensors")
      'step.safetensors'
      >>> step = Variable(0)
      >>> status = load_safetensors({"step": step}, "step.safetensors")
      >>> int(step)
      3
    """
    path = os.fspath(path)
    _check_value(value, path)
    named = _name(value, dict(map or {}), path)
    ordered = sorted(named.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))  # every value is aligned
    header: dict[str, Any] = {}
    if metadata is not None:
        if not all(isinstance(text, str) for item in metadata.items() for text in item):
            raise ValueError(f"{path}: expected metadata to be texts by name, got {describe(dict(metadata))}.")
        header["__metadata__"] = dict(sorted(metadata.items()))
    end = 0
    for name, array in ordered:
        start, end = end, end + array.nbytes
        header[name] = {"dtype": _CODES[array.dtype.name], "shape": array.shape, "data_offsets": [start, end]}
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)
    with replacing(path, sync) as file:
        first = _LENGTH.size + len(encoded)
        file.reserve(0, first + end)
        file.write_at(0, _LENGTH.pack(len(encoded)) + encoded)
        jobs = [Job(first + header[name]["data_offsets"][0], layout.raw(array), []) for name, array in ordered]

        def put(offset: int, block: memoryview) -> int:
            file.write_at(offset, block)
            return 0

        run(jobs, put)
    return path


def load_safetensors(
    value: Any,
    path: str | os.PathLike[str],
    map: Mapping[str, str] | None = None,
    strict: bool = True,
    dtype: Any = None,
) -> RestoreStatus:
    """Gives weights the values in a safetensors file: all of them, or none if anything does not fit.

    Args:
      value: as for `save_safetensors`. Below layers that are not built yet values wait until they are.
      path: the file.
      map: where names differ, from your paths or their beginnings to the file's names:
        `{"layers/dense_0/kernel": "fc.weight"}`. Nothing is transposed.
      strict: as for `Checkpoint.restore`.
      dtype: what floats of other dtypes are converted to; None for no conversion.

    Raises:
      RestoreError: if the file and the weights differ; it lists the differences. Nothing has changed then.
      CorruptCheckpointError: if the file is not a whole safetensors file.
    """
    path = os.fspath(path)
    _check_value(value, path)
    with SafetensorsFile(path, None if dtype is None else dtypes.dtype(dtype)) as file:
        moves = {mine: name.replace(".", "/") if isinstance(name, str) else name for mine, name in (map or {}).items()}
        rules = make_rules(file, 0, moves, strict)
        rules.weights_of = value
        return restore_into(file, rules, value, "")


def _check_value(value: Any, path: str) -> None:
    if not holds_trackable(value):
        raise ValueError(
            f"{path}: expected a Trackable, or a list, tuple or dictionary that holds some, got {describe(value)}."
        )


def _name(value: Any, moves: dict[str, str], path: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of the weights by their names in the file."""
    wanted = weights(value)
    named: dict[str, np.ndarray[Any, Any]] = {}
    places: dict[str, str] = {}
    whole = not hasattr(value, "weights")
    for node in walk(value):
        if whole:
            _refuse_more_than_weights(node, path)
        if id(node.value) not in wanted:
            continue
        name = _moved(node.path, moves)
        if "." in node.path and name == node.path.replace("/", "."):
            raise ValueError(
                f"{path}: {node.path}: expected a path without dots, which part names in the file. Use map."
            )
        if name in named:
            raise ValueError(f"{path}: expected one tensor of a name, got {name!r} for {places[name]} and {node.path}.")
        if node.value.dtype.name not in _CODES:
            raise ValueError(f"{path}: {node.path}: expected a dtype of safetensors, got {describe(node.value)}.")
        named[name], places[name] = node.value._value._array, node.path
    return named


def _refuse_more_than_weights(node: Node, path: str) -> None:
    state = node.value.get_state() if hasattr(node.value, "get_state") else None
    if state is not None or node.bound:
        what = "a state (get_state)" if state is not None else "slots that belong to other Variables"
        raise ValueError(
            f"{path}: {node.path or type(node.value).__name__}: expected weights only, got {what}. "
            "safetensors has no room for it; use a Checkpoint, or save the model alone."
        )


def _moved(place: str, moves: dict[str, str]) -> str:
    names = place.split("/")
    for count in range(len(names), 0, -1):
        start = "/".join(names[:count])
        if start in moves:
            return ".".join([moves[start], *names[count:]])
    return ".".join(names)


class SafetensorsFile(PlainFile):
    """A safetensors file open for reading, its header checked."""

    def __init__(self, path: str, dtype: np.dtype[Any] | None = None):
        super().__init__(path)
        self._wanted = dtype
        try:
            self._read_header()
        except BaseException:
            self.close()
            raise

    def corrupt(self, kind: str, offset: int, detail: str) -> NoReturn:
        """Refuses the file."""
        text = f"{self.path}: damaged {kind} at byte {offset}, or no safetensors file: {detail}. Nothing was restored."
        raise CorruptCheckpointError(text, kind, offset)

    def _read_header(self) -> None:
        if self.size < _LENGTH.size:
            self.corrupt("file", 0, f"expected at least {_LENGTH.size} bytes, got {self.size}")
        raw = bytearray(_LENGTH.size)
        self.read_into(0, memoryview(raw))
        (length,) = _LENGTH.unpack(raw)
        if length > min(_LONGEST, self.size - _LENGTH.size):
            self.corrupt("header", 0, f"expected a header within the {self.size} bytes of the file, got {length} bytes")
        encoded = bytearray(length)
        self.read_into(_LENGTH.size, memoryview(encoded))
        try:
            if not encoded.startswith(b"{"):
                raise ValueError("it does not begin with a brace")
            content = json.loads(encoded.decode("utf-8"), object_pairs_hook=without_duplicates)
        except (ValueError, RecursionError) as error:
            self.corrupt("header", _LENGTH.size, f"expected JSON, got {type(error).__name__}: {error}")
        try:
            self.metadata = _check_metadata(content.pop("__metadata__", {}))
            self._fill(content, _LENGTH.size + length)
        except ValueError as error:
            self.corrupt("header", _LENGTH.size, str(error))

    def _fill(self, content: dict[str, Any], start: int) -> None:
        """Turns names with dots into objects that contain each other."""
        self.add(ObjectEntry("object", {}))
        ranges = []
        for name, item in content.items():
            tensor, stored, offset = self._tensor(name, item, start)
            ranges.append((offset, tensor.length, name))
            number = 0
            *folders, last = [_segment(part) for part in name.split(".")]
            for folder in folders:
                number = self._child(number, folder, name)
            if last in self.objects[number].children:
                raise ValueError(f"{name!r:.80}: expected a tensor or a part of names, got both")
            self.objects[number].children[last] = added = self.add(ObjectEntry(tensor=tensor), offset)
            self.stored[added] = stored
        end = start
        for offset, length, name in sorted(ranges):
            if offset != end:
                raise ValueError(
                    f"{name!r:.80}: expected its values at {end - start}, where others end, got {offset - start}"
                )
            end += length
        if end != self.size:
            raise ValueError(f"expected {end} bytes, which its tensors take, got {self.size}")

    def _child(self, number: int, folder: str, name: str) -> int:
        children = self.objects[number].children
        if folder not in children:
            children[folder] = self.add(ObjectEntry("object", {}))
        elif self.objects[children[folder]].tensor is not None:
            raise ValueError(f"{name!r:.80}: expected a tensor or a part of names, got both")
        return children[folder]

    def _tensor(self, name: str, item: Any, start: int) -> tuple[TensorType, np.dtype[Any], int]:
        if not isinstance(item, dict) or set(item) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{name!r:.80}: expected dtype, shape and data_offsets, got {item!r:.80}")
        code, shape, offsets = item["dtype"], item["shape"], item["data_offsets"]
        if not isinstance(code, str) or code not in _NAMES:
            raise ValueError(f"{name!r:.80}: expected one of the dtypes {', '.join(_NAMES)}, got {code!r:.80}")
        dtype = dtypes.dtype(_NAMES[code])
        for what, numbers in (("shape", shape), ("data_offsets", offsets)):
            if not isinstance(numbers, list) or not all(_is_natural(number) for number in numbers):
                raise ValueError(f"{name!r:.80}: expected integers from 0 on as {what}, got {numbers!r:.80}")
        room = self.size - start
        if len(offsets) != 2 or offsets[0] > offsets[1] or offsets[1] > room:
            raise ValueError(f"{name!r:.80}: expected data_offsets within {room} bytes, got {offsets!r:.80}")
        if len(shape) > layout.MAX_RANK or math.prod(size for size in shape if size) * dtype.itemsize >= 2**63:
            raise ValueError(f"{name!r:.80}: expected a shape that an array can have, got {shape!r:.80}")
        length = math.prod(shape) * dtype.itemsize
        if length != offsets[1] - offsets[0]:
            raise ValueError(f"{name!r:.80}: expected {length} bytes for its shape, got {offsets[1] - offsets[0]}")
        given = self._wanted if self._wanted is not None and dtypes.is_float(dtype) else dtype
        return TensorType(given, tuple(shape), length), dtype, start + offsets[0]


def _segment(part: str) -> str:
    """A part of a name as a name in paths: digits are an index, other text is a string."""
    return part if part.isascii() and part.isdigit() and str(int(part)) == part else encode(part)


def _is_natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _check_metadata(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError(f"__metadata__: expected texts by name, got {metadata!r:.80}")
    return metadata
