"""The operations of `eagerly.ops`, under the names and with the arguments of Keras 3's `keras.ops`.

Every argument annotated `TensorLike` takes Tensors, Variables, arrays, lists, Python numbers and abstract tensors;
every result is a Tensor (an abstract one for abstract arguments). Definitions live in the family modules; the public
ones are listed here and in `numpy`, `nn`, `linalg` and `image`, as Keras lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any as _Any

from numpy import ndarray as _ndarray

from .. import primitive as _primitive
from ..tensor import AbstractTensor as _AbstractTensor
from ..tensor import Tensor as _Tensor
from ..tensor import dims as _dims
from . import control as _control
from . import creation as _creation
from . import elementwise as _elementwise
from . import floats as _floats
from . import image as image
from . import joins as _joins
from . import linalg as linalg
from . import loops as _loops
from . import nn as nn
from . import nonlinear as _nonlinear
from . import numpy as numpy
from . import operators as _operators  # noqa: F401 - installs Python's operators on tensors
from . import parts as _parts
from . import patterns as _patterns
from . import segments as _segments
from . import sorting as _sorting
from . import special as _special
from . import spectral as _spectral
from . import statistics as _statistics
from . import systems as _systems
from . import transcendental as _transcendental
from . import updates as _updates
from .linalg import *  # noqa: F403
from .nn import *  # noqa: F403
from .numpy import *  # noqa: F403
from .public import public as _public

if TYPE_CHECKING:  # installed by `gradients.py`, which knows tapes
    from ..gradients import custom_gradient as custom_gradient
    from ..gradients import jvp as jvp


def shape(x: _Any) -> tuple[_Any, ...]:
    """The size along each axis; an unknown one is a symbol to compute with.

    >>> shape([[1, 2, 3], [4, 5, 6]])
    (2, 3)
    """
    return _dims(x)


def dtype(x: _Any) -> str:
    """The name of the dtype that operations see.

    >>> dtype([1.5, 2.0])
    'float32'
    """
    return (x if hasattr(x, "dtype") else _creation.convert_to_tensor(x)).dtype.name  # type: ignore[no-any-return]


def is_tensor(x: _Any) -> bool:
    """Whether x is a Tensor, or the symbol of one; arrays and Variables are none.

    >>> is_tensor(convert_to_tensor(1.0)), is_tensor(1.0)
    (True, False)
    """
    return isinstance(x, (_Tensor, _AbstractTensor))


def convert_to_numpy(x: _Any) -> _ndarray[_Any, _Any]:
    """The values as a NumPy array of one's own.

    >>> convert_to_numpy([1, 2])
    array([1, 2], dtype=int32)
    """
    return _creation.convert_to_tensor(x).numpy()  # type: ignore[no-any-return]


convert_to_tensor = _public(_creation.convert_to_tensor)
cast = _public(_primitive.cast)
stop_gradient = _public(_elementwise.stop_gradient)
logsumexp = _public(_nonlinear.logsumexp)

cond = _control.cond
switch = _control.switch
while_loop = _control.while_loop
fori_loop = _control.fori_loop
scan = _loops.scan
associative_scan = _loops.associative_scan
map = _loops.map
vectorized_map = _loops.vectorized_map
rsqrt = _public(_transcendental.rsqrt)
erf = _public(_special.erf)
erfc = _public(_special.erfc)
erfinv = _public(_special.erfinv)
saturate_cast = _public(_floats.saturate_cast)
cdist = _public(_statistics.cdist)
in_top_k = _public(_sorting.in_top_k)
segment_max = _public(_segments.segment_max)
segment_min = _public(_segments.segment_min)
segment_prod = _public(_segments.segment_prod)
segment_sum = _public(_segments.segment_sum)
top_k = _public(_sorting.top_k)
unstack = _public(_joins.unstack)
slice = _public(_updates.slice_at, "slice")
slice_update = _public(_updates.slice_update)
scatter = _public(_updates.scatter_nd, "scatter")
scatter_update = _public(_updates.scatter_update)
rearrange = _public(_patterns.rearrange)

logdet = _public(_systems.logdet)
view_as_complex = _public(_parts.view_as_complex)
view_as_real = _public(_parts.view_as_real)
extract_sequences = _public(_spectral.extract_sequences)
fft = _public(_spectral.fft)
fft2 = _public(_spectral.fft2)
ifft2 = _public(_spectral.ifft2)
irfft = _public(_spectral.irfft)
istft = _public(_spectral.istft)
rfft = _public(_spectral.rfft)
stft = _public(_spectral.stft)
