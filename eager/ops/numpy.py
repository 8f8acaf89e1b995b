"""`eagerly.ops.numpy`: NumPy's functions under Keras's names; all of them are in `eagerly.ops` too."""

from __future__ import annotations

from typing import Any as _Any

from ..tensor import dims as _dims
from . import arrays as _arrays
from . import creation as _creation
from . import elementwise as _elementwise
from . import linear as _linear
from . import reductions as _reductions
from . import vectorized as _vectorized
from .public import public as _public


def ndim(x: _Any) -> int:
    """The number of axes."""
    return len(_dims(x))


array = _public(_creation.array)
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
reshape = _public(_arrays.reshape)
transpose = _public(_arrays.transpose)
broadcast_to = _public(_arrays.broadcast_to)
expand_dims = _public(_arrays.expand_dims)
squeeze = _public(_arrays.squeeze)
concatenate = _public(_arrays.concatenated, "concatenate")
stack = _public(_arrays.stack)
take = _public(_arrays.take)
take_along_axis = _public(_arrays.take_along, "take_along_axis")
matmul = _public(_linear.matmul)

vectorize = _vectorized.vectorize
