"""The operations of `eagerly.ops`, under the names and with the arguments of Keras 3's `keras.ops`.

Every argument annotated `TensorLike` takes Tensors, Variables, arrays, lists, Python numbers and abstract tensors;
every result is a Tensor (an abstract one for abstract arguments). Definitions live in the family modules.
"""

from __future__ import annotations

from collections.abc import Sequence as _Sequence
from typing import Any as _Any

from .. import primitive as _primitive
from ..tensor import TensorLike as _TensorLike
from ..tensor import dims as _dims
from . import arrays as _arrays
from . import convolution as _convolution
from . import creation as _creation
from . import elementwise as _elementwise
from . import linear as _linear
from . import nn as _nn
from . import operators as _operators  # noqa: F401 - installs Python's operators on tensors
from . import reductions as _reductions
from .public import public as _public


def shape(x: _Any) -> tuple[_Any, ...]:
    """The size along each axis; an unknown one is a symbol to compute with.

    >>> shape([[1, 2, 3], [4, 5, 6]])
    (2, 3)
    """
    return _dims(x)


def ndim(x: _Any) -> int:
    """The number of axes."""
    return len(_dims(x))


def _concatenate(xs: _Sequence[_TensorLike], axis: int = 0) -> _Any:
    """The tensors one after another along an existing axis."""
    return _arrays.concatenate(*xs, axis=axis)


convert_to_tensor = _public(_creation.convert_to_tensor)
array = _public(_creation.array)
cast = _public(_primitive.cast)
stop_gradient = _public(_elementwise.stop_gradient)

zeros = _public(_creation.zeros)
ones = _public(_creation.ones)
full = _public(_creation.full)
zeros_like = _public(_creation.zeros_like)
ones_like = _public(_creation.ones_like)
full_like = _public(_creation.filled_like, "full_like")
arange = _public(_creation.arange)
linspace = _public(_creation.linspace)
eye = _public(_creation.eye)
identity = _public(_creation.identity)
one_hot = _public(_creation.one_hot)

add = _public(_elementwise.add)
subtract = _public(_elementwise.subtract)
multiply = _public(_elementwise.multiply)
divide = _public(_elementwise.divide)
true_divide = divide
divide_no_nan = _public(_elementwise.divide_no_nan)
floor_divide = _public(_elementwise.floor_divide)
mod = _public(_elementwise.mod)
power = _public(_elementwise.power)
maximum = _public(_elementwise.maximum)
minimum = _public(_elementwise.minimum)
negative = _public(_elementwise.negative)
absolute = _public(_elementwise.absolute)
abs = absolute
sign = _public(_elementwise.sign)
exp = _public(_elementwise.exp)
expm1 = _public(_elementwise.expm1)
log = _public(_elementwise.log)
log1p = _public(_elementwise.log1p)
sqrt = _public(_elementwise.sqrt)
square = _public(_elementwise.square)
sin = _public(_elementwise.sin)
cos = _public(_elementwise.cos)
tanh = _public(_elementwise.tanh)
floor = _public(_elementwise.floor)
ceil = _public(_elementwise.ceil)
round = _public(_elementwise.round_to, "round")
clip = _public(_elementwise.clip)
where = _public(_elementwise.where)
equal = _public(_elementwise.equal)
not_equal = _public(_elementwise.not_equal)
less = _public(_elementwise.less)
less_equal = _public(_elementwise.less_equal)
greater = _public(_elementwise.greater)
greater_equal = _public(_elementwise.greater_equal)
logical_and = _public(_elementwise.logical_and)
logical_or = _public(_elementwise.logical_or)
logical_xor = _public(_elementwise.logical_xor)
logical_not = _public(_elementwise.logical_not)
isnan = _public(_elementwise.isnan)
isinf = _public(_elementwise.isinf)
isfinite = _public(_elementwise.isfinite)

sum = _public(_reductions.sum)
mean = _public(_reductions.mean)
var = _public(_reductions.var)
max = _public(_reductions.max)
min = _public(_reductions.min)
any = _public(_reductions.any)
all = _public(_reductions.all)
argmax = _public(_reductions.argmax)
argmin = _public(_reductions.argmin)
logsumexp = _public(_nn.logsumexp)
moments = _public(_reductions.moments)

reshape = _public(_arrays.reshape)
transpose = _public(_arrays.transpose)
broadcast_to = _public(_arrays.broadcast_to)
expand_dims = _public(_arrays.expand_dims)
squeeze = _public(_arrays.squeeze)
concatenate = _public(_concatenate)
stack = _public(_arrays.stack)
take = _public(_arrays.take)
take_along_axis = _public(_arrays.take_along, "take_along_axis")

matmul = _public(_linear.matmul)
conv = _public(_convolution.conv)
conv_transpose = _public(_convolution.conv_transpose)
max_pool = _public(_convolution.max_pool)

relu = _public(_elementwise.relu)
relu6 = _public(_nn.relu6)
leaky_relu = _public(_elementwise.leaky_relu)
elu = _public(_nn.elu)
selu = _public(_nn.selu)
silu = _public(_nn.silu)
swish = silu
mish = _public(_nn.mish)
softplus = _public(_elementwise.softplus)
softsign = _public(_nn.softsign)
sigmoid = _public(_elementwise.sigmoid)
log_sigmoid = _public(_elementwise.log_sigmoid)
hard_sigmoid = _public(_nn.hard_sigmoid)
hard_silu = _public(_nn.hard_silu)
hard_swish = hard_silu
hard_tanh = _public(_nn.hard_tanh)
softmax = _public(_nn.softmax)
log_softmax = _public(_nn.log_softmax)
dense = _public(_nn.dense)
batch_normalization = _public(_nn.batch_normalization)
binary_crossentropy = _public(_nn.binary_crossentropy)
categorical_crossentropy = _public(_nn.categorical_crossentropy)
sparse_categorical_crossentropy = _public(_nn.sparse_categorical_crossentropy)
