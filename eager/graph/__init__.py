"""Compiled graphs: a function's operations, traced once, run natively."""

from .function import Function as Function
from .function import TensorSpec as TensorSpec
from .function import function as function
