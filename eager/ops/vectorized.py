"""`vectorize`: a function of small tensors applied over the broadcast leading axes of larger ones, as in NumPy.

Every call gets the core dimensions of its arguments, scalars without a signature; the loop over the others runs in
Python, so a tape records each call.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from .. import dimensions, nest
from ..dimensions import Size
from ..errors import describe
from ..tensor import AbstractTensor, dims
from . import creation
from .control import any_unknown, expect_callable, spec, specs, takes_functions
from .loops import nothing, repeated, reshape, slices, stacked, traced

_Core = tuple[str, ...]
_DIMENSIONS = r"\((?:\w+(?:,\w+)*)?\)"
_SIGNATURE = re.compile(f"{_DIMENSIONS}(?:,{_DIMENSIONS})*->{_DIMENSIONS}(?:,{_DIMENSIONS})*")


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Collection[int | str] | None = None, signature: str | None = None
) -> Callable[..., Any]:
    """A function that calls pyfunc for each element of its arguments, broadcast together, and stacks the results.

    Arguments that are None are passed on as they are, and so are the excluded ones.

    Args:
      pyfunc: from scalar tensors to a scalar, or to a structure of them; with a signature, of the shapes it tells.
      excluded: positions and names of arguments that are passed on as they are.
      signature: the core dimensions of arguments and results, as in "(m,n),(n)->(m)".

    Raises:
      ValueError: if pyfunc cannot be called, the signature is none, or excluded holds anything but positions and names.

    >>> vectorize(lambda a, b: a + b)([1, 2, 3, 4], 2)
    Tensor([3, 4, 5, 6], shape=(4,), dtype=int32)
    """
    expect_callable("vectorize", "pyfunc", pyfunc, ValueError)
    left_out = frozenset(() if excluded is None else excluded)
    for item in left_out:
        if not isinstance(item, str) and (isinstance(item, bool) or not isinstance(item, int) or item < 0):
            raise ValueError(f"vectorize: expected positions and names as excluded, got {describe(item)}.")
    if signature is not None:
        signature = signature.replace(" ", "")
        if not _SIGNATURE.fullmatch(signature):
            raise ValueError(f"vectorize: expected a signature such as '(m,n),(n)->(m)', got {signature!r}.")

    def vectorized(*args: Any, **kwargs: Any) -> Any:
        return _vectorize(pyfunc, left_out, signature, args, kwargs)

    return functools.update_wrapper(vectorized, pyfunc, updated=())


def _core(part: str) -> list[_Core]:
    return [tuple(re.findall(r"\w+", group)) for group in re.findall(_DIMENSIONS, part)]


@takes_functions("pyfunc", "args kwargs", "Pass it as an argument.")
def _vectorize(
    pyfunc: Callable[..., Any],
    excluded: frozenset[int | str],
    signature: str | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """One call of a vectorized function."""
    given: dict[int | str, Any] = {i: x for i, x in enumerate(args)} | dict(kwargs)
    varying: list[int | str] = [place for place in given if place not in excluded]
    if not varying:
        raise ValueError("vectorize: expected at least one argument that is not excluded, got none.")
    cores: list[_Core] = [()] * len(varying)
    results: list[_Core] | None = None
    if signature is not None:
        before, after = signature.split("->")
        cores, results = _core(before), _core(after)
        if len(cores) != len(varying):
            raise TypeError(f"vectorize: expected {len(cores)} arguments for {signature}, got {len(varying)}.")
    for place, core in zip(varying, cores, strict=True):
        if given[place] is None and core:
            raise ValueError(f"vectorize: expected a tensor as argument {place!r} of {signature}, got None.")
    known = [(place, core) for place, core in zip(varying, cores, strict=True) if given[place] is not None]
    tensors = [creation.convert_to_tensor(given[place]) for place, _ in known]
    sizes: dict[str, Size] = {}
    for x, (place, core) in zip(tensors, known, strict=True):
        if len(dims(x)) < len(core):
            raise ValueError(
                f"vectorize: expected argument {place!r} to have the axes ({','.join(core)}), got {describe(x)}."
            )
        _match(sizes, core, dims(x)[len(dims(x)) - len(core) :], f"argument {place!r}")
    outer = [dims(x)[: len(dims(x)) - len(core)] for x, (_, core) in zip(tensors, known, strict=True)]
    try:
        loop = dimensions.broadcast(*outer)
    except ValueError as error:
        raise ValueError(f"vectorize: {error}.") from None

    def call(*row: Any) -> Any:
        parts = given | {place: x for (place, _), x in zip(known, row, strict=True)}
        result = pyfunc(*(parts[i] for i in range(len(args))), **{name: parts[name] for name in kwargs})
        _check(result, results, sizes)
        return result

    cells = [AbstractTensor(dims(x)[len(outside) :], x.dtype) for x, outside in zip(tensors, outer, strict=True)]
    if any_unknown(tensors):
        return repeated(specs(call(*cells)), loop)
    if 0 in loop:
        return nothing(traced(call, *cells), loop)
    columns = [_elements(x, outside, loop) for x, outside in zip(tensors, outer, strict=True)]
    result = stacked("vectorize", [call(*row) for row in zip(*columns, strict=True)] if columns else [call()])
    return nest.map_structure(lambda leaf: leaf if leaf is None else reshape(leaf, (*loop, *dims(leaf)[1:])), result)


def _elements(x: Any, outer: Any, loop: Any) -> list[Any]:
    """The part of x for each place of the loop, taken once for all places that share it."""
    count = math.prod(outer)
    parts = slices(reshape(x, (count, *dims(x)[len(outer) :])), count)
    places = np.broadcast_to(np.arange(count).reshape(outer), loop)
    return [parts[i] for i in places.reshape(-1)]


def _match(sizes: dict[str, Size], core: _Core, shape: tuple[Size, ...], what: str) -> None:
    """Notes the sizes of core dimensions, and refuses one that has another size already."""
    for name, size in zip(core, shape, strict=True):
        if dimensions.same(sizes.setdefault(name, size), size) is False:
            raise ValueError(f"vectorize: expected size {sizes[name]} along {name!r} of {what}, got {size}.")


def _check(result: Any, cores: list[_Core] | None, sizes: dict[str, Size]) -> None:
    """Refuses results of one call that are not what the signature tells; scalars if there is none."""
    if cores is None:
        parts, cores = nest.flatten(result), [()] * len(nest.flatten(result))
    elif len(cores) == 1:
        parts = [result]
    else:
        parts = list(result) if isinstance(result, (tuple, list)) else [result]
    if len(parts) != len(cores) or any(map(nest.is_nested, parts)):
        raise ValueError(f"vectorize: expected {len(cores)} results by the signature, got {describe(result)}.")
    sizes = dict(sizes)
    for part, core in zip(parts, cores, strict=True):
        shape = () if part is None else spec(part).dims
        if len(shape) != len(core):
            raise ValueError(f"vectorize: expected a result with the axes ({','.join(core)}), got {describe(part)}.")
        _match(sizes, core, shape, "a result")
