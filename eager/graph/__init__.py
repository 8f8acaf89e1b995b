"""Compiled graphs: a function's operations, traced once, run natively."""

from .functions import Function as Function
from .functions import TensorSpec as TensorSpec
from .functions import function as function
