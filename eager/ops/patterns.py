"""Axes split, reordered and merged: by a pattern in words, and between depth and space of an image."""

from __future__ import annotations

import functools
import re
from typing import Any

from .. import dimensions
from ..dimensions import Dim, Size
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, rules

_AXIS = re.compile(r"\s*(?:(?P<name>[^\W\d]\w*)|\((?P<group>[^()]*)\))")


@functools.lru_cache(maxsize=256)
def _groups(side: str, pattern: str) -> list[tuple[str, ...]]:
    """The names on one side of a pattern, those of a parenthesis together."""
    groups, at = [], 0
    side = side.strip()
    while at < len(side):
        found = _AXIS.match(side, at)
        names = tuple((found["group"] if found["name"] is None else found["name"]).split()) if found else ("",)
        if not found or not all(name.isidentifier() for name in names):
            raise ValueError(
                f"rearrange: expected names of axes between spaces, with parentheses around those that are merged, "
                f"got {side!r} in {pattern!r}."
            )
        groups.append(names)
        at = found.end()
    flat = [name for group in groups for name in group]
    if len(set(flat)) != len(flat):
        raise ValueError(f"rearrange: expected each name once on a side, got {side!r} in {pattern!r}.")
    return groups


def _split_sizes(
    size: Size, group: tuple[str, ...], lengths: dict[str, Any], pattern: str, tensor: Any
) -> dict[str, Size]:
    """The size of each axis that one axis of the tensor is split into; one of them follows from the others."""
    sizes = {name: lengths[name] for name in group if name in lengths}
    free = [name for name in group if name not in lengths]
    if len(free) > 1:
        raise ValueError(
            f"rearrange: expected the lengths of all but one of {', '.join(group)}, got none for {', '.join(free)} in "
            f"{pattern!r}."
        )
    known = dimensions.product(sizes.values())
    none = dimensions.same(known, 0)  # then any length would do
    rest = 1 if free and none else size % known if free else size - known
    if dimensions.same(rest, 0) is False:
        raise ValueError(
            f"rearrange: expected lengths that make up the size {size} of ({' '.join(group)}) in {pattern!r}, "
            f"got {sizes} for {describe(tensor)}."
        )
    return {**sizes, **{name: size // known for name in free}}


def rearrange(tensor: TensorLike, pattern: str, **axes_lengths: Any) -> Any:
    """Axes split, reordered and merged as a pattern says, in the notation of einops.

    Args:
      tensor: the tensor.
      pattern: names for the axes before and after "->"; in parentheses those that make up one axis, the last varying
        fastest.
      **axes_lengths: the sizes of named axes; of those in one parenthesis on the left one may be left out.

    Raises:
      ValueError: for a pattern that is not of this form or does not fit the tensor, and for lengths that do not.

    >>> images = np.zeros((2, 8, 6, 3))
    >>> eagerly.ops.rearrange(images, "b (h two) w c -> b w h (two c)", two=2).shape
    (2, 6, 4, 6)

    Reference: Rogozhnikov 2022, Einops: Clear and Reliable Tensor Manipulations with Einstein-like Notation.
    """
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError(f"rearrange: expected one '->' in the pattern, got {pattern!r}.")
    before, after = (_groups(side, pattern) for side in sides)
    names = [name for group in before for name in group]
    others = {name for group in after for name in group}
    if set(names) != others:
        lost = ", ".join(sorted(set(names) ^ others))
        raise ValueError(f"rearrange: expected the same names on both sides, got {lost} on one side of {pattern!r}.")
    unused = sorted(axes_lengths.keys() - others)
    if unused:
        raise ValueError(f"rearrange: expected lengths of axes in {pattern!r}, got {', '.join(unused)}.")
    shape = dims(tensor)
    if len(before) != len(shape):
        raise ValueError(f"rearrange: expected {len(before)} axes for {pattern!r}, got {describe(tensor)}.")
    lengths = {
        name: length if isinstance(length, Dim) else rules.integers(length, f"rearrange: {name}")[0]
        for name, length in axes_lengths.items()
    }
    if any(isinstance(length, int) and length < 0 for length in lengths.values()):
        raise ValueError(f"rearrange: expected lengths >= 0, got {axes_lengths}.")
    sizes: dict[str, Size] = {}
    for size, group in zip(shape, before, strict=True):
        sizes |= _split_sizes(size, group, lengths, pattern, tensor)
    y = arrays.reshape(tensor, newshape=[sizes[name] for name in names])
    y = arrays.transpose(y, axes=[names.index(name) for group in after for name in group])
    return arrays.reshape(y, newshape=[dimensions.product(sizes[name] for name in group) for group in after])


# Where blocks of s rows and t columns stand in space and in depth, for each order of the axes.
_SPACE = {"channels_last": "b (h s) (w t) c", "channels_first": "b c (h s) (w t)"}
_DEPTH = {"channels_last": "b h w (s t c)", "channels_first": "b (c s t) h w"}


def _check_blocks(name: str, x: Any, block_size: Any, data_format: str | None) -> tuple[str, int]:
    """The order of the axes and the side of a block."""
    order = "channels_last" if data_format is None else data_format
    if order not in _SPACE:
        raise ValueError(f"{name}: expected data_format 'channels_last' or 'channels_first', got {data_format!r}.")
    if len(dims(x)) != 4:
        raise ValueError(f"{name}: expected 4 axes, got {describe(x)}.")
    (side,) = rules.integers(block_size, f"{name}: block_size")
    if side < 2:
        raise ValueError(f"{name}: expected block_size >= 2, got {block_size}.")
    return order, side


def space_to_depth(x: TensorLike, block_size: int, data_format: str | None = "channels_last") -> Any:
    """Blocks of pixels as one pixel with the channels of all: [b, h·s, w·s, c] becomes [b, h, w, s·s·c].

    Args:
      x: a batch of images.
      block_size: the side s of a block, at least 2.
      data_format: "channels_last", or "channels_first" where channels are axis 1: [b, c, h·s, w·s] becomes
        [b, c·s·s, h, w], in which c varies slowest.

    Raises:
      ValueError: if x has not 4 axes, or the block does not divide height and width.

    >>> eagerly.ops.space_to_depth(np.arange(8).reshape(1, 2, 4, 1), 2).tolist()
    [[[[0, 1, 4, 5], [2, 3, 6, 7]]]]
    """
    order, side = _check_blocks("space_to_depth", x, block_size, data_format)
    space = dims(x)[1:3] if order == "channels_last" else dims(x)[2:]
    if any(dimensions.same(size % side, 0) is False for size in space):
        raise ValueError(f"space_to_depth: expected height and width that {side} divides, got {describe(x)}.")
    return rearrange(x, f"{_SPACE[order]} -> {_DEPTH[order]}", s=side, t=side)


def depth_to_space(x: TensorLike, block_size: int, data_format: str | None = "channels_last") -> Any:
    """Channels as blocks of pixels, the inverse of `space_to_depth`: [b, h, w, s·s·c] becomes [b, h·s, w·s, c].

    Args:
      x: a batch of images.
      block_size: the side s of a block, at least 2.
      data_format: "channels_last", or "channels_first" where channels are axis 1.

    Raises:
      ValueError: if x has not 4 axes, or the channels are no multiple of s·s.
    """
    order, side = _check_blocks("depth_to_space", x, block_size, data_format)
    depth = dims(x)[-1 if order == "channels_last" else 1]
    if dimensions.same(depth % side**2, 0) is False:
        raise ValueError(f"depth_to_space: expected a number of channels that {side**2} divides, got {describe(x)}.")
    return rearrange(x, f"{_DEPTH[order]} -> {_SPACE[order]}", s=side, t=side)
