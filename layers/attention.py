"""Attention layers: dot products of single vectors, sums through tanh, and many heads.

Masks say what takes part: a query's places, a value's places, pairs of both. Truth means that it does.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

from .. import ops, random
from ..errors import describe
from ..tensor import Operand, dims
from .arguments import number, one_of, positive, weight_options
from .base import Layer

LIST = "list [query, value] or [query, value, key]"


class BaseAttention(Layer):
    """What attention over single vectors shares: softmax of the scores of queries and keys, times the values."""

    def __init__(self, use_scale: bool, dropout: float, seed: int | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.dropout = number(self, "dropout", dropout, 0, 1)
        self.seed = seed
        self.supports_masking = True
        if self.dropout:
            self.seed_generator = random.SeedGenerator(seed, stream="dropout")

    def scores(self, query: Any, key: Any) -> Any:
        """How well each key answers each query: [batch, queries, keys]."""
        raise NotImplementedError(f"{type(self).__name__}: expected a scores() of its own.")

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check_list(inputs, "inputs", LIST)
        query, value, key = inputs if len(inputs) == 3 else (*inputs, inputs[1])
        queries = values = None
        if mask is not None:
            self._check_list(mask, "mask", "list [mask of the query, mask of the value]")
            queries, values = mask[:2]
        scores = self.scores(query, key)
        allowed = None if values is None else ops.expand_dims(ops.cast(values, "bool"), -2)
        if use_causal_mask:
            causal = _places(dims(scores)[-2], dims(scores)[-1], lambda i, j: ops.greater_equal(i, j))
            allowed = causal if allowed is None else ops.logical_and(allowed, causal)
        if allowed is not None:  # a number that float16 holds, as in Keras
            scores = ops.where(allowed, scores, scores - (65504.0 if scores.dtype.name == "float16" else 1e9))
        weights = ops.softmax(scores, axis=-1)
        if training and self.dropout:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        y = ops.matmul(weights, value)
        if queries is not None:
            y = ops.where(ops.expand_dims(ops.cast(queries, "bool"), -1), y, 0)
        return (y, weights) if return_attention_scores else y

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The query's, for the first output."""
        return None if previous_mask is None else [previous_mask[0]]

    def _check_list(self, given: Any, name: str, wanted: str) -> None:
        if not isinstance(given, (list, tuple)) or len(given) not in (2, 3):
            raise ValueError(f"{self._title()}: expected {name} as a {wanted}, got {describe(given)}.")


def _places(queries: Any, keys: Any, related: Any) -> Any:
    """Which places of queries and keys are related, [1, queries, keys]; of unknown sizes too."""
    ones = ops.ones((1, queries, keys), dtype="int32")
    return related(ops.cumsum(ones, axis=1), ops.cumsum(ones, axis=2))


class Attention(BaseAttention):
    """y = softmax(scores(query, key)) @ value, with scores query · key, or sums of tanh(query + key).

    Args:
      use_scale: whether a trained number `scale` multiplies the scores, in "concat" what tanh is taken of.
      score_mode: "dot" for query · key; "concat" for a trained number times the sum of tanh(query + key).
      dropout: probability to drop a weight, in [0, 1].
      seed: an integer for draws of their own; None derives them from `random.set_seed`'s.
      **kwargs: name, trainable, dtype.

    Shapes:
      inputs: [query, value] or [query, value, key]; query: float[batch, queries, features];
        value: float[batch, places, features of the result]; key: float[batch, places, features], the value if not given
      mask: [bool[batch, queries], bool[batch, places]], or None for either; results of masked queries are zeros
      y: float[batch, queries, features of the result]; with return_attention_scores, then the weights
        float[batch, queries, places]

    Raises:
      ValueError: if inputs or mask is no list of two or three, or for an unknown score_mode.

    Example:
      >>> Attention()([np.ones((2, 3, 4)), np.ones((2, 5, 4))]).shape
      (2, 3, 4)

    Reference: Luong et al. 2015, section 3.1.
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(use_scale, dropout, seed, **kwargs)
        self.score_mode = one_of(self, "score_mode", score_mode, ("dot", "concat"))

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight((), "ones", name="scale") if self.use_scale else None
        concat = self.score_mode == "concat"
        self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight") if concat else None

    def scores(self, query: Any, key: Any) -> Any:
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else scores * self.scale
        sums = ops.expand_dims(query, -2) + ops.expand_dims(key, -3)
        return self.concat_score_weight * ops.sum(ops.tanh(sums if self.scale is None else self.scale * sums), axis=-1)


class AdditiveAttention(BaseAttention):
    """y = softmax(sum of scale · tanh(query + key)) @ value.

    Args:
      use_scale: whether there is a trained scale for each feature; 1 otherwise.
      dropout: probability to drop a weight, in [0, 1].
      **kwargs: seed, name, trainable, dtype.

    Shapes:
      as those of `Attention`; scale: float[features]

    Raises:
      ValueError: if inputs or mask is no list of two or three.

    Example:
      >>> AdditiveAttention()([np.ones((2, 3, 4)), np.ones((2, 5, 4))]).shape
      (2, 3, 4)

    Reference: Bahdanau et al. 2015, appendix A.1.2.
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any):
        super().__init__(use_scale, dropout, kwargs.pop("seed", None), **kwargs)

    def build(self, input_shape: Any) -> None:
        if not isinstance(input_shape[0], (list, tuple)):
            raise ValueError(f"{self._title()}: expected inputs as a {LIST}, got one of shape {tuple(input_shape)}.")
        features = (input_shape[0][-1],)
        self.scale = self.add_weight(features, "glorot_uniform", name="scale") if self.use_scale else None

    def scores(self, query: Any, key: Any) -> Any:
        y = ops.tanh(ops.expand_dims(query, -2) + ops.expand_dims(key, -3))
        return ops.sum(y if self.scale is None else self.scale * y, axis=-1)


class HeadProjection(Layer):
    """The last axes of x times a kernel of several axes, plus a bias: what leads into heads and out of them.

    Args:
      taken: how many last axes of x are summed over.
      given: the sizes of the axes that come in their place.
      use_bias: whether there is a bias.
      kernel_options: initializer, regularizer and constraint of the kernel.
      bias_options: those of the bias.
      activation: applied to the result; None for none.
      **kwargs: activity_regularizer, name, trainable, dtype.
    """

    def __init__(
        self,
        taken: int,
        given: Sequence[int],
        use_bias: bool,
        kernel_options: tuple[Any, Any, Any],
        bias_options: tuple[Any, Any, Any],
        activation: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.activation = activation
        self.taken = taken
        self.given = tuple(given)
        self.use_bias = use_bias
        self.kernel_options = kernel_options
        self.bias_options = bias_options

    def build(self, input_shape: Any) -> None:
        shape = (*input_shape[len(input_shape) - self.taken :], *self.given)
        self.kernel = self._weight("kernel", shape, *self.kernel_options)
        self.bias = self._weight("bias", self.given, *self.bias_options) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        kept, features = dims(inputs)[: -self.taken], self.kernel.shape[: self.taken]
        x = inputs if self.taken == 1 else ops.reshape(inputs, (*kept, math.prod(features)))
        kernel = ops.reshape(self.kernel, (math.prod(features), math.prod(self.given)))
        bias = None if self.bias is None else ops.reshape(self.bias, (-1,))
        y = ops.reshape(ops.dense(x, kernel, bias), (*kept, *self.given))
        return y if self.activation is None else self.activation(y)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """None: the layer of all heads looks after masks."""
        return None


class MultiHeadAttention(Layer):
    """Attention of several heads: each projects query, key and value, attends, and all are projected together.

    y = sum over heads of softmax(q · k / sqrt(key_dim)) @ v @ output kernel + output bias, where q, k and v are the
    head's projections.

    Args:
      num_heads: number of heads, > 0.
      key_dim: size of a head's queries and keys, > 0.
      value_dim: size of a head's values; key_dim if None.
      dropout: probability to drop a weight, in [0, 1].
      use_bias: whether the projections have biases.
      output_shape: size of the result's last axis, or sizes of several in its place; the query's if None.
      attention_axes: the axes to attend over; all but the first and the last if None.
      sliding_window: how many places apart, less one, a query and a key may be; any number if None.
      flash_attention: False or None: there is one algorithm.
      kernel_initializer: initial kernels; so too `bias_initializer`.
      kernel_regularizer: a term in `losses` for each kernel; so too `bias_regularizer`; `activity_regularizer` is one
        for the result of each projection.
      kernel_constraint: applied after each update; so too `bias_constraint`.
      use_gate: whether sigmoid of a further projection of the query multiplies what the heads find.
      seed: an integer for draws of their own; None derives them from `random.set_seed`'s.
      **kwargs: name, trainable, dtype.

    Shapes:
      query: float[batch, queries, features]; value, key: float[batch, places, features]; the value serves as key if
        that is not given
      query_mask: bool[batch, queries]; value_mask, key_mask: bool[batch, places]; masks that tensors carry if None
      attention_mask: bool[batch, queries, places], or with an axis for the heads after the first
      y: float[batch, queries, features of the query], or output_shape; with return_attention_scores, then the weights
        float[batch, heads, queries, places]

    Raises:
      ValueError: for arguments out of range, or if key and value differ in number.

    Example:
      >>> x = np.ones((2, 3, 4))
      >>> MultiHeadAttention(num_heads=2, key_dim=5)(x, x, use_causal_mask=True).shape
      (2, 3, 4)

    Reference: Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.num_heads = positive(self, "num_heads", num_heads)
        self.key_dim = positive(self, "key_dim", key_dim)
        self.value_dim = self.key_dim if value_dim is None else positive(self, "value_dim", value_dim)
        self.dropout = number(self, "dropout", dropout, 0, 1)
        self.use_bias = use_bias
        self.result_shape = self._several("output_shape", output_shape)
        if self.result_shape is not None:
            self.result_shape = tuple(positive(self, "output_shape", size) for size in self.result_shape)
        self.attention_axes = self._several("attention_axes", attention_axes)
        self.sliding_window = None if sliding_window is None else positive(self, "sliding_window", sliding_window)
        if flash_attention:
            raise ValueError(
                f"{self._title()}: flash_attention must be False or None, got {flash_attention!r}. It is an algorithm "
                "for GPUs; without it the results are the same."
            )
        self.flash_attention = flash_attention
        self.kernel_options = weight_options(self, "kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.bias_options = weight_options(self, "bias", bias_initializer, bias_regularizer, bias_constraint)
        self.projection_regularizer = activity_regularizer
        self.use_gate = use_gate
        self.seed = seed
        self.supports_masking = True
        if self.dropout:
            self.seed_generator = random.SeedGenerator(seed, stream="dropout")

    def _several(self, name: str, given: Any) -> tuple[int, ...] | None:
        """An integer or several as a tuple."""
        values = (given,) if isinstance(given, int) else given
        if values is None:
            return None
        if not isinstance(values, (tuple, list)) or not values or not all(isinstance(item, int) for item in values):
            raise ValueError(f"{self._title()}: {name} must be an integer or several, got {given!r}.")
        return tuple(values)

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                f"{self._title()}: expected a key for each value, got values of shape {tuple(value_shape)} and keys "
                f"of shape {tuple(key_shape)}."
            )
        if len(query_shape) < 3 or len(value_shape) != len(query_shape):
            raise ValueError(
                f"{self._title()}: expected query and value [batch, places, ..., features] of one rank, got shapes "
                f"{tuple(query_shape)} and {tuple(value_shape)}."
            )
        rank = len(query_shape)
        axes = range(1, rank - 1) if self.attention_axes is None else self.attention_axes
        self.axes = tuple(axis + rank if axis < 0 else axis for axis in axes)
        if not all(1 <= axis < rank - 1 for axis in self.axes):
            raise ValueError(
                f"{self._title()}: attention_axes must be in [1, {rank - 2}] for inputs of rank {rank}, got "
                f"{self.attention_axes}."
            )
        head = (self.num_heads, self.key_dim)
        valued = (self.num_heads, self.value_dim)
        self.query_dense = self._projection("query", 1, head, query_shape)
        self.key_dense = self._projection("key", 1, head, key_shape)
        if self.use_gate:
            self.gate_dense = self._projection("gate", 1, valued, query_shape, ops.sigmoid)
        self.value_dense = self._projection("value", 1, valued, value_shape)
        result = (query_shape[-1],) if self.result_shape is None else self.result_shape
        self.output_dense = self._projection("attention_output", 2, result, (*query_shape[:-1], *valued))

    def _projection(
        self, name: str, taken: int, given: Sequence[int], shape: Any, activation: Any = None
    ) -> HeadProjection:
        layer = HeadProjection(
            taken,
            given,
            self.use_bias,
            self.kernel_options,
            self.bias_options,
            activation,
            activity_regularizer=self.projection_regularizer,
            trainable=self.trainable,
            dtype=self.dtype,
            name=name,
        )
        layer.build(shape)
        return layer

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        value = self._as_data(value)
        key = value if key is None else self._as_data(key)
        query_mask = getattr(query, "_mask", None) if query_mask is None else query_mask
        value_mask = getattr(value, "_mask", None) if value_mask is None else value_mask
        key_mask = getattr(key, "_mask", None) if key_mask is None and key is not value else key_mask
        q, k, v = self.query_dense(query), self.key_dense(key), self.value_dense(value)
        plain = not self.dropout and not return_attention_scores and len(dims(q)) == 4
        causal = use_causal_mask and not plain
        allowed = self._allowed(query, value, [query_mask, value_mask, key_mask], attention_mask, causal)
        if plain:
            scale = 1 / math.sqrt(self.key_dim)
            y = ops.dot_product_attention(q, k, v, mask=allowed, scale=scale, is_causal=use_causal_mask)
        else:
            y, weights = self._attend(q, k, v, allowed, bool(training))
        y = self.output_dense(y * self.gate_dense(query) if self.use_gate else y)
        return (y, weights) if return_attention_scores else y

    def _as_data(self, x: Any) -> Any:
        return self._cast(x if isinstance(x, Operand) else ops.convert_to_tensor(x))

    def _allowed(self, query: Any, value: Any, masks: list[Any], attention_mask: Any, causal: bool) -> Any:
        """Which places each query may attend to, with an axis for the heads; None for all."""
        count = len(self.axes)
        found = []
        if count > 1 and (causal or self.sliding_window or any(mask is not None for mask in masks)):
            raise ValueError(
                f"{self._title()}: expected no other mask than attention_mask for several attention_axes, "
                f"{self.axes}, got one of query, value or key, a causal one or a sliding_window."
            )
        for place, mask in zip((-1, -2, -2), masks, strict=True):
            if mask is not None:
                found.append(ops.expand_dims(ops.cast(mask, "bool"), place))
        queries, places = dims(query)[self.axes[0]], dims(value)[self.axes[0]]
        if causal:
            found.append(_places(queries, places, lambda i, j: ops.greater_equal(i, j)))
        if self.sliding_window is not None:
            window = self.sliding_window
            found.append(_places(queries, places, lambda i, j: ops.less(ops.absolute(i - j), window)))
        if attention_mask is not None:
            found.append(ops.cast(attention_mask, "bool"))
        allowed = None
        for mask in found:
            missing = len(dims(query)) + count - len(dims(mask))
            mask = ops.expand_dims(mask, tuple(-2 * count - 1 - i for i in range(missing))) if missing > 0 else mask
            allowed = mask if allowed is None else ops.logical_and(allowed, mask)
        return allowed

    def _attend(self, q: Any, k: Any, v: Any, allowed: Any, training: bool) -> tuple[Any, Any]:
        """What the heads find, and the weights, zeros where nothing is allowed: [batch, …, heads, queries, places]."""
        rank = len(dims(q))
        queries = string.ascii_lowercase[:rank]
        places = "".join(letter.upper() if i in self.axes else letter for i, letter in enumerate(queries))
        batch = "".join(letter for i, letter in enumerate(queries[:-1]) if i not in self.axes)
        scored = batch + "".join(queries[i] for i in self.axes) + "".join(places[i] for i in self.axes)
        scores = ops.einsum(f"{places},{queries}->{scored}", k, q * (1 / math.sqrt(self.key_dim)))
        last = tuple(range(-len(self.axes), 0))
        if allowed is not None:
            scores = ops.where(allowed, scores, -3e4 if scores.dtype.name == "float16" else -1e9)
        weights = ops.exp(scores - ops.logsumexp(scores, axis=last, keepdims=True))
        if allowed is not None:
            weights = ops.where(allowed, weights, 0)
        dropped = (
            random.dropout(weights, self.dropout, seed=self.seed_generator) if training and self.dropout else weights
        )
        return ops.einsum(f"{scored},{places}->{queries}", dropped, v), weights

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The query's, for the first output."""
        return [previous_mask]
