"""The rows of `integers.py` and `floats.py`."""

from domains.values import BINARY, Domain, below, nonzero, real

INTEGERS = ("int32", "int64", "uint8", "bool")

DOMAINS: dict[str, Domain] = {
    **{name: Domain(BINARY, dtypes=INTEGERS) for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "gcd")},
    **{name: Domain(BINARY, dtypes=INTEGERS) for name in ("left_shift", "right_shift")},
    "fmod": Domain(BINARY, (real, nonzero)),
    "nextafter": Domain(BINARY),
    "ldexp": Domain(BINARY, (real, below(4))),
}
