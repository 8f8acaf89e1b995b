"""What native code reads of an array's object: so a call hands over objects, and Python computes no address.

NumPy's C interface lays an array out (PyArrayObject_fields in ndarraytypes.h): Python's header, whose last word is the
type, then the data's address, the number of axes, three pointers, the dtype's, and the flags. `verify` compares that
with what this interpreter and this NumPy do, before any kernel is made.
"""

from __future__ import annotations

import ctypes
import sys

import numpy as np

_HEADER = object.__basicsize__
TYPE, DATA, FLAGS = _HEADER - 8, _HEADER, _HEADER + 48  # bytes from the object's address
IN_ORDER = 1  # a flag: the elements are in C's order
TO_FILL = IN_ORDER | 4 | 0x400  # flags: and the memory is the array's own, and may be written to
ARRAY = id(np.ndarray)  # the type, in this process


def verify() -> None:
    """Raises NotImplementedError if arrays are not laid out like this."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise NotImplementedError("kernels read the arrays of 64-bit CPython")
    whole = np.zeros((3, 4), np.float32)
    for array in (whole, whole[1:, 1:], whole.T, np.zeros((), np.int32)):
        names = {1: "c_contiguous", 4: "owndata", 0x400: "writeable"}
        flags = sum(flag for flag, name in names.items() if getattr(array.flags, name))
        found = [ctypes.c_int64.from_address(id(array) + place).value for place in (TYPE, DATA, FLAGS)]
        if found[:2] != [ARRAY, array.ctypes.data] or found[2] & TO_FILL != flags:
            raise NotImplementedError("arrays are laid out in another way than kernels know")
