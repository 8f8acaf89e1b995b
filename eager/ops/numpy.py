"""`eagerly.ops.numpy`: NumPy's functions under Keras's names; all of them are in `eagerly.ops` too."""

from __future__ import annotations

from typing import Any as _Any

from ..tensor import dims as _dims
from . import arrays as _arrays
from . import complexes as _complexes
from . import counting as _counting
from . import creation as _creation
from . import elementwise as _elementwise
from . import floats as _floats
from . import integers as _integers
from . import linear as _linear
from . import nan_reductions as _nan_reductions
from . import parts as _parts
from . import quantiles as _quantiles
from . import reductions as _reductions
from . import scans as _scans
from . import sets as _sets
from . import sorting as _sorting
from . import special as _special
from . import statistics as _statistics
from . import systems as _systems
from . import transcendental as _transcendental
from . import vectorized as _vectorized
from . import window_functions as _window_functions
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

arcsin = _public(_transcendental.arcsin)
arccos = _public(_transcendental.arccos)
arctan = _public(_transcendental.arctan)
arctan2 = _public(_transcendental.arctan2)
arcsinh = _public(_transcendental.arcsinh)
arccosh = _public(_transcendental.arccosh)
arctanh = _public(_transcendental.arctanh)
sinh = _public(_transcendental.sinh)
cosh = _public(_transcendental.cosh)
tan = _public(_transcendental.tan)
hypot = _public(_transcendental.hypot)
cbrt = _public(_transcendental.cbrt)
reciprocal = _public(_transcendental.reciprocal)
exp2 = _public(_transcendental.exp2)
log2 = _public(_transcendental.log2)
log10 = _public(_transcendental.log10)
logaddexp = _public(_transcendental.logaddexp)
logaddexp2 = _public(_transcendental.logaddexp2)
deg2rad = _public(_transcendental.deg2rad)
rad2deg = _public(_transcendental.rad2deg)
bitwise_and = _public(_integers.bitwise_and)
bitwise_or = _public(_integers.bitwise_or)
bitwise_xor = _public(_integers.bitwise_xor)
bitwise_invert = _public(_integers.bitwise_invert)
bitwise_not = bitwise_invert
left_shift = _public(_integers.left_shift)
bitwise_left_shift = left_shift
right_shift = _public(_integers.right_shift)
bitwise_right_shift = right_shift
gcd = _public(_integers.gcd)
lcm = _public(_integers.lcm)
isposinf = _public(_floats.isposinf)
isneginf = _public(_floats.isneginf)
signbit = _public(_floats.signbit)
fabs = _public(_floats.fabs)
trunc = _public(_floats.trunc)
fmax = _public(_floats.fmax)
fmin = _public(_floats.fmin)
fmod = _public(_floats.fmod)
heaviside = _public(_floats.heaviside)
nextafter = _public(_floats.nextafter)
ldexp = _public(_floats.ldexp)
isclose = _public(_floats.isclose)
allclose = _public(_floats.allclose)
nan_to_num = _public(_floats.nan_to_num)
i0 = _public(_special.i0)
sinc = _public(_special.sinc)
bartlett = _public(_window_functions.bartlett)
blackman = _public(_window_functions.blackman)
hamming = _public(_window_functions.hamming)
hanning = _public(_window_functions.hanning)
kaiser = _public(_window_functions.kaiser)
copy = _public(_elementwise.identity, "copy")
empty = _public(_creation.empty)
empty_like = _public(_creation.empty_like)
size = _public(_creation.size)

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
amax = _public(_statistics.amax)
amin = _public(_statistics.amin)
argpartition = _public(_sorting.argpartition)
argsort = _public(_sorting.argsort)
average = _public(_statistics.average)
bincount = _public(_counting.bincount)
corrcoef = _public(_statistics.corrcoef)
correlate = _public(_statistics.correlate)
count_nonzero = _public(_counting.count_nonzero)
cumprod = _public(_scans.cumprod)
cumsum = _public(_scans.cumsum)
digitize = _public(_sorting.digitize)
histogram = _public(_counting.histogram)
isin = _public(_sorting.isin)
median = _public(_quantiles.median)
nanargmax = _public(_nan_reductions.nanargmax)
nanargmin = _public(_nan_reductions.nanargmin)
nancumprod = _public(_nan_reductions.nancumprod)
nancumsum = _public(_nan_reductions.nancumsum)
nanmax = _public(_nan_reductions.nanmax)
nanmean = _public(_nan_reductions.nanmean)
nanmedian = _public(_quantiles.nanmedian)
nanmin = _public(_nan_reductions.nanmin)
nanpercentile = _public(_quantiles.nanpercentile)
nanprod = _public(_nan_reductions.nanprod)
nanquantile = _public(_quantiles.nanquantile)
nanstd = _public(_nan_reductions.nanstd)
nansum = _public(_nan_reductions.nansum)
nanvar = _public(_nan_reductions.nanvar)
nonzero = _public(_sets.nonzero)
percentile = _public(_quantiles.percentile)
prod = _public(_scans.prod)
ptp = _public(_statistics.ptp)
quantile = _public(_quantiles.quantile)
searchsorted = _public(_sorting.searchsorted)
sort = _public(_sorting.sort)
std = _public(_statistics.std)
trapezoid = _public(_statistics.trapezoid)
unique = _public(_sets.unique)

angle = _public(_complexes.angle)
conjugate = _public(_parts.conjugate)
conj = conjugate
imag = _public(_parts.imag)
isreal = _public(_complexes.isreal)
real = _public(_parts.real)
slogdet = _public(_systems.slogdet)
