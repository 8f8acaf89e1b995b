"""Merging layers: several inputs become one, element by element, one after another, or by sums of products.

The inputs are a list. Element by element, those of fewer axes get new ones behind the batch's, then sizes of 1 stretch,
as in Keras; the batch alone never stretches. Each layer has a function of its name in lower case, which makes and calls
it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .. import dimensions, ops
from ..errors import describe
from .base import Layer


def _list_of(layer: Any, inputs: Any, count: int | None = None) -> list[Any]:
    """The inputs of a merging layer.

    Raises:
      ValueError: if they are no list, not `count`, one has no axis, or their batches differ.
    """
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError(f"{layer._title()}: expected a list of tensors, got {describe(inputs)}.")
    if count is not None and len(inputs) != count:
        raise ValueError(
            f"{layer._title()}: expected a list of {count} tensors, got {len(inputs)}: {describe(inputs)}."
        )
    if any(x.ndim == 0 for x in inputs):
        raise ValueError(f"{layer._title()}: expected tensors of shape [batch, ...], got {describe(inputs)}.")
    if len({x.shape[0] for x in inputs} - {None}) > 1:
        raise ValueError(f"{layer._title()}: expected inputs of one batch size, got {describe(inputs)}.")
    return list(inputs)


def _aligned(x: Any, rank: int) -> Any:
    """The tensor with as many axes behind the batch's as make `rank` of them."""
    for _ in range(rank - x.ndim):
        x = ops.expand_dims(x, 1)
    return x


def _aligned_masks(inputs: Sequence[Any], masks: Any) -> list[Any]:
    """A mask for each input, or None, with the axes that `_aligned` gives the input."""
    if masks is None:
        return [None] * len(inputs)
    rank = max(x.ndim for x in inputs)
    return [
        None if mask is None else _aligned(mask, mask.ndim + rank - x.ndim)
        for x, mask in zip(inputs, masks, strict=True)
    ]


def _over(mask: Any, x: Any) -> Any:
    """The mask with axes that broadcast along what it does not tell apart."""
    return ops.reshape(mask, (*ops.shape(mask), *(1,) * (x.ndim - mask.ndim)))


class BaseMerge(Layer):
    """What merging layers share: the list of inputs, broadcasting, and the mask, which leaves in what any mask does."""

    count: int | None = None  # of inputs; None for one or more

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        """One tensor from tensors of equal rank, and a mask for each, or None."""
        raise NotImplementedError(f"{type(self).__name__}: expected a merge() of its own.")

    def call(self, inputs: Any, mask: Any = None) -> Any:
        inputs = _list_of(self, inputs, self.count)
        masks = _aligned_masks(inputs, mask)
        if any(x.shape != inputs[0].shape for x in inputs):
            inputs = self._broadcastable(inputs)
        return self.merge(inputs, masks)

    def _broadcastable(self, inputs: list[Any]) -> list[Any]:
        rank = max(x.ndim for x in inputs)
        aligned = [_aligned(x, rank) for x in inputs]
        try:
            dimensions.broadcast(*map(ops.shape, aligned))
        except ValueError:
            raise ValueError(
                f"{self._title()}: expected sizes behind the batch's that are equal or 1, got {describe(inputs)}."
            ) from None
        return aligned

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        masks = _aligned_masks(inputs, previous_mask)
        if any(mask is None for mask in masks):
            return None
        return functools.reduce(ops.logical_or, masks)


class Add(BaseMerge):
    """y = x₁ + … + xₙ.

    Args:
      **kwargs: name, dtype.

    Shapes:
      inputs: a list of at least one tensor [batch, ...]; sizes of 1 stretch, missing axes stand behind the batch's
      y: the shape that all of them broadcast to
      mask of y: what any mask leaves in; none if an input has none

    Raises:
      ValueError: if the input is no list, or shapes do not broadcast.

    Example:
      >>> Add()([np.ones((1, 2)), np.ones((1, 2))])
      Tensor([[2., 2.]], shape=(1, 2), dtype=float32)
    """

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        return functools.reduce(ops.add, inputs)


class Subtract(BaseMerge):
    """y = x₁ - x₂.

    Args:
      **kwargs: name, dtype.

    Shapes:
      inputs: a list of two tensors [batch, ...]; sizes of 1 stretch, missing axes stand behind the batch's
      y: the shape that both broadcast to
      mask of y: what any mask leaves in; none if an input has none

    Raises:
      ValueError: if the input is no list of two, or shapes do not broadcast.

    Example:
      >>> Subtract()([np.ones((1, 2)), np.array([[1.0, 3.0]])])
      Tensor([[ 0., -2.]], shape=(1, 2), dtype=float32)
    """

    count = 2

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        return ops.subtract(*inputs)


class Multiply(BaseMerge):
    """y = x₁ · … · xₙ.

    A masked element of an input counts as 1; what all inputs mask is 0.

    Args:
      **kwargs: name, dtype.

    Shapes:
      inputs: a list of at least one tensor [batch, ...]; sizes of 1 stretch, missing axes stand behind the batch's
      y: the shape that all of them broadcast to
      mask of y: what any mask leaves in; none if an input has none

    Raises:
      ValueError: if the input is no list, or shapes do not broadcast.

    Example:
      >>> Multiply()([np.array([[2.0, 3.0]]), np.array([[4.0]])])
      Tensor([[ 8., 12.]], shape=(1, 2), dtype=float32)
    """

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        factors = [
            x if mask is None else ops.where(_over(mask, x), x, 1) for x, mask in zip(inputs, masks, strict=True)
        ]
        y = functools.reduce(ops.multiply, factors)
        if any(mask is None for mask in masks):
            return y
        kept = functools.reduce(ops.logical_or, (_over(mask, y) for mask in masks))
        return ops.where(kept, y, 0)


class Average(BaseMerge):
    """y = (x₁ + … + xₙ) / n.

    Args:
      **kwargs: name, dtype.

    Shapes:
      inputs: a list of at least one tensor [batch, ...]; sizes of 1 stretch, missing axes stand behind the batch's
      y: the shape that all of them broadcast to
      mask of y: what any mask leaves in; none if an input has none

    Raises:
      ValueError: if the input is no list, or shapes do not broadcast.

    Example:
      >>> Average()([np.array([[1.0, 2.0]]), np.array([[3.0, 6.0]])])
      Tensor([[2., 4.]], shape=(1, 2), dtype=float32)
    """

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        return functools.reduce(ops.add, inputs) / len(inputs)


def _chosen(choose: Callable[[Any, Any], Any], inputs: list[Any], masks: list[Any]) -> Any:
    """The choice among the inputs, one after another; where one is masked, the other is chosen."""
    best, kept = inputs[0], masks[0]
    for x, mask in zip(inputs[1:], masks[1:], strict=True):
        if mask is not None:
            x = ops.where(_over(mask, x), x, best)
        if kept is not None:
            best = ops.where(_over(kept, best), best, x)
        kept = None if mask is None or kept is None else ops.logical_or(kept, mask)
        best = choose(best, x)
    return best


class Maximum(BaseMerge):
    """y = max(x₁, x₂, …); where one of two is masked, the other.

    Args:
      **kwargs: name, dtype.

    Shapes:
      inputs: a list of at least one tensor [batch, ...]; sizes of 1 stretch, missing axes stand behind the batch's
      y: the shape that all of them broadcast to
      mask of y: what any mask leaves in; none if an input has none

    Raises:
      ValueError: if the input is no list, or shapes do not broadcast.

    Example:
      >>> Maximum()([np.array([[1.0, 4.0]]), np.array([[3.0, 2.0]])])
      Tensor([[3., 4.]], shape=(1, 2), dtype=float32)
    """

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        return _chosen(ops.maximum, inputs, masks)


class Minimum(BaseMerge):
    """y = min(x₁, x₂, …); where one of two is masked, the other.

    Args:
      **kwargs: name, dtype.

    Shapes:
      inputs: a list of at least one tensor [batch, ...]; sizes of 1 stretch, missing axes stand behind the batch's
      y: the shape that all of them broadcast to
      mask of y: what any mask leaves in; none if an input has none

    Raises:
      ValueError: if the input is no list, or shapes do not broadcast.

    Example:
      >>> Minimum()([np.array([[1.0, 4.0]]), np.array([[3.0, 2.0]])])
      Tensor([[1., 2.]], shape=(1, 2), dtype=float32)
    """

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        return _chosen(ops.minimum, inputs, masks)


class Dot(Layer):
    """y[b, i…, j…] = Σₖ x₁[b, i…, k] · x₂[b, j…, k], with the summed axes wherever `axes` says.

    Args:
      axes: the axis to sum over, an integer for both inputs or one for each; not the batch's.
      normalize: whether to divide by the norms along that axis first, for the cosine of the angle.
      **kwargs: name, dtype.

    Shapes:
      inputs: a list of two tensors [batch, ...] with at least two axes, of equal size along `axes`
      y: [batch, the other sizes of x₁, the other sizes of x₂], [batch, 1] if there are none; without a mask

    Raises:
      ValueError: if the input is no list of two, an axis is not there or the batch's, or sizes differ.

    Example:
      >>> Dot(axes=1)([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])])
      Tensor([[11.]], shape=(1, 1), dtype=float32)
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        pair = tuple(axes) if isinstance(axes, (list, tuple)) else (axes, axes)
        if len(pair) != 2 or not all(isinstance(axis, int) and not isinstance(axis, bool) for axis in pair):
            raise ValueError(f"{self._title()}: axes must be an integer or 2 of them, got {axes!r}.")
        self.axes = axes if isinstance(axes, int) else pair
        self.normalize = normalize
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        pair = _list_of(self, inputs, 2)
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        if not all(-x.ndim <= axis < x.ndim and axis % x.ndim for x, axis in zip(pair, axes, strict=True)):
            raise ValueError(
                f"{self._title()}: expected axes that the inputs have, and not the batch's, "
                f"got {axes} for {describe(inputs)}."
            )
        places = [axis % x.ndim for x, axis in zip(pair, axes, strict=True)]
        size, other = (ops.shape(x)[place] for x, place in zip(pair, places, strict=True))
        if dimensions.same(size, other) is False:
            raise ValueError(f"{self._title()}: expected equal sizes along the axes {axes}, got {describe(inputs)}.")
        if self.normalize:
            pair = [ops.normalize(x, place) for x, place in zip(pair, places, strict=True)]
        left, right = (ops.moveaxis(x, place, -1) for x, place in zip(pair, places, strict=True))
        batch, *rows = ops.shape(left)[:-1]
        other_batch, *columns = ops.shape(right)[:-1]
        y = ops.matmul(
            ops.reshape(left, (batch, dimensions.product(rows), size)),
            ops.transpose(ops.reshape(right, (other_batch, dimensions.product(columns), other)), (0, 2, 1)),
        )
        return ops.reshape(y, (batch, *rows, *columns) if rows or columns else (batch, 1))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None


class Concatenate(Layer):
    """The inputs one after another along an axis.

    Args:
      axis: an axis other than the batch's.
      **kwargs: name, dtype.

    Shapes:
      inputs: a list of at least one tensor, equal in shape except along `axis`
      y: their shape, the sizes along `axis` added
      mask of y: what the masks of the inputs leave in; an input without one is left in

    Raises:
      ValueError: if the input is no list, the axis is out of range, or shapes differ elsewhere.

    Example:
      >>> Concatenate()([np.zeros((2, 3)), np.ones((2, 1))]).shape
      (2, 4)
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        if not isinstance(inputs, (list, tuple)) or not inputs:
            raise ValueError(f"{self._title()}: expected a list of tensors, got {describe(inputs)}.")
        shapes = [x.shape for x in inputs]
        rank = len(shapes[0])
        if not -rank <= self.axis < rank:
            raise ValueError(f"{self._title()}: axis {self.axis} is out of range for inputs {describe(inputs)}.")
        axis = self.axis % rank
        others = [[size for i, size in enumerate(shape) if i != axis] for shape in shapes]
        if any(
            len(mine) != len(others[0])
            or any(None not in (a, b) and a != b for a, b in zip(mine, others[0], strict=True))
            for mine in others
        ):
            raise ValueError(
                f"{self._title()}: expected equal shapes except along axis {self.axis}, got {describe(inputs)}."
            )
        return ops.concatenate(inputs, self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        if previous_mask is None:
            return None
        masks = []
        for x, mask in zip(inputs, previous_mask, strict=True):
            if mask is None:
                mask = ops.ones_like(x, dtype="bool")
            elif mask.ndim < x.ndim:
                mask = ops.broadcast_to(ops.expand_dims(mask, -1), ops.shape(x))
            masks.append(mask)
        return ops.any(ops.concatenate(masks, self.axis), axis=-1)


def add(inputs: Any, **kwargs: Any) -> Any:
    """`Add(**kwargs)(inputs)`."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """`Subtract(**kwargs)(inputs)`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """`Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """`Average(**kwargs)(inputs)`."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """`Maximum(**kwargs)(inputs)`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """`Minimum(**kwargs)(inputs)`."""
    return Minimum(**kwargs)(inputs)


def dot(inputs: Any, axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """`Dot(axes, **kwargs)(inputs)`."""
    return Dot(axes, **kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate(axis, **kwargs)(inputs)`."""
    return Concatenate(axis, **kwargs)(inputs)
